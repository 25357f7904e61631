from service_kit.rpc.pb import common_pb2 as _common_pb2
from service_kit.rpc.pb import room_commands_pb2 as _room_commands_pb2
from service_kit.rpc.pb import user_commands_pb2 as _user_commands_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Command(_message.Message):
    __slots__ = ("command_id", "deadline_at_ms", "traceparent", "key", "room", "user")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    command_id: bytes
    deadline_at_ms: int
    traceparent: str
    key: str
    room: _room_commands_pb2.RoomCommand
    user: _user_commands_pb2.UserCommand
    def __init__(self, command_id: _Optional[bytes] = ..., deadline_at_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., key: _Optional[str] = ..., room: _Optional[_Union[_room_commands_pb2.RoomCommand, _Mapping]] = ..., user: _Optional[_Union[_user_commands_pb2.UserCommand, _Mapping]] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("error", "room", "user", "moved")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    error: _common_pb2.CommandError
    room: _room_commands_pb2.RoomReply
    user: _user_commands_pb2.UserReply
    moved: bool
    def __init__(self, error: _Optional[_Union[_common_pb2.CommandError, _Mapping]] = ..., room: _Optional[_Union[_room_commands_pb2.RoomReply, _Mapping]] = ..., user: _Optional[_Union[_user_commands_pb2.UserReply, _Mapping]] = ..., moved: _Optional[bool] = ...) -> None: ...
