from service_kit.rpc.pb import presence_pb2 as _presence_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountDataRequest(_message.Message):
    __slots__ = ("user_id", "after_position")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    after_position: int
    def __init__(self, user_id: _Optional[str] = ..., after_position: _Optional[int] = ...) -> None: ...

class AccountDataEntry(_message.Message):
    __slots__ = ("room_id", "type", "content_json", "position")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    type: str
    content_json: bytes
    position: int
    def __init__(self, room_id: _Optional[str] = ..., type: _Optional[str] = ..., content_json: _Optional[bytes] = ..., position: _Optional[int] = ...) -> None: ...

class AccountDataChunk(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AccountDataEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[AccountDataEntry, _Mapping]]] = ...) -> None: ...

class ToDeviceRequest(_message.Message):
    __slots__ = ("user_id", "device_id", "after_position", "limit")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    after_position: int
    limit: int
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., after_position: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ToDeviceEntry(_message.Message):
    __slots__ = ("position", "sender", "type", "content_json")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    position: int
    sender: str
    type: str
    content_json: bytes
    def __init__(self, position: _Optional[int] = ..., sender: _Optional[str] = ..., type: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class ToDeviceChunk(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ToDeviceEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[ToDeviceEntry, _Mapping]]] = ...) -> None: ...

class ShardPresenceRequest(_message.Message):
    __slots__ = ("shard",)
    SHARD_FIELD_NUMBER: _ClassVar[int]
    shard: int
    def __init__(self, shard: _Optional[int] = ...) -> None: ...
