from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserPresence(_message.Message):
    __slots__ = ("user_id", "presence", "status_msg", "last_active_at_ms", "changed_at_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_MSG_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    presence: str
    status_msg: str
    last_active_at_ms: int
    changed_at_ms: int
    def __init__(self, user_id: _Optional[str] = ..., presence: _Optional[str] = ..., status_msg: _Optional[str] = ..., last_active_at_ms: _Optional[int] = ..., changed_at_ms: _Optional[int] = ...) -> None: ...

class PresenceChanges(_message.Message):
    __slots__ = ("shards",)
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    shards: _containers.RepeatedCompositeFieldContainer[ShardPresence]
    def __init__(self, shards: _Optional[_Iterable[_Union[ShardPresence, _Mapping]]] = ...) -> None: ...

class ShardPresence(_message.Message):
    __slots__ = ("shard", "epoch", "as_of_ms", "users", "after_ms")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    shard: int
    epoch: int
    as_of_ms: int
    users: _containers.RepeatedCompositeFieldContainer[UserPresence]
    after_ms: int
    def __init__(self, shard: _Optional[int] = ..., epoch: _Optional[int] = ..., as_of_ms: _Optional[int] = ..., users: _Optional[_Iterable[_Union[UserPresence, _Mapping]]] = ..., after_ms: _Optional[int] = ...) -> None: ...
