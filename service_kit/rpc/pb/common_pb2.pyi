from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class CommandError(_message.Message):
    __slots__ = ("errcode", "message", "http_status", "extra_json")
    ERRCODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    errcode: str
    message: str
    http_status: int
    extra_json: bytes
    def __init__(self, errcode: _Optional[str] = ..., message: _Optional[str] = ..., http_status: _Optional[int] = ..., extra_json: _Optional[bytes] = ...) -> None: ...
