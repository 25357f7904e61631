from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MessageSearchRequest(_message.Message):
    __slots__ = ("shard", "search_term", "keys", "room_ids", "filter_json", "by_rank", "before", "limit")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TERM_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_JSON_FIELD_NUMBER: _ClassVar[int]
    BY_RANK_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    shard: int
    search_term: str
    keys: _containers.RepeatedScalarFieldContainer[str]
    room_ids: _containers.RepeatedScalarFieldContainer[str]
    filter_json: bytes
    by_rank: bool
    before: SearchCursor
    limit: int
    def __init__(self, shard: _Optional[int] = ..., search_term: _Optional[str] = ..., keys: _Optional[_Iterable[str]] = ..., room_ids: _Optional[_Iterable[str]] = ..., filter_json: _Optional[bytes] = ..., by_rank: _Optional[bool] = ..., before: _Optional[_Union[SearchCursor, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class SearchCursor(_message.Message):
    __slots__ = ("rank", "sent_at_ms", "shard", "position")
    RANK_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    rank: float
    sent_at_ms: int
    shard: int
    position: int
    def __init__(self, rank: _Optional[float] = ..., sent_at_ms: _Optional[int] = ..., shard: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class MessageSearchHit(_message.Message):
    __slots__ = ("room_id", "event_id", "cursor", "rank")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    event_id: str
    cursor: SearchCursor
    rank: float
    def __init__(self, room_id: _Optional[str] = ..., event_id: _Optional[str] = ..., cursor: _Optional[_Union[SearchCursor, _Mapping]] = ..., rank: _Optional[float] = ...) -> None: ...

class MessageSearchAnswer(_message.Message):
    __slots__ = ("hits", "count")
    HITS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[MessageSearchHit]
    count: int
    def __init__(self, hits: _Optional[_Iterable[_Union[MessageSearchHit, _Mapping]]] = ..., count: _Optional[int] = ...) -> None: ...

class UserSearchRequest(_message.Message):
    __slots__ = ("as_user_id", "search_term", "limit")
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TERM_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    as_user_id: str
    search_term: str
    limit: int
    def __init__(self, as_user_id: _Optional[str] = ..., search_term: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class UserSearchHit(_message.Message):
    __slots__ = ("user_id", "displayname", "avatar_url")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAYNAME_FIELD_NUMBER: _ClassVar[int]
    AVATAR_URL_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    displayname: str
    avatar_url: str
    def __init__(self, user_id: _Optional[str] = ..., displayname: _Optional[str] = ..., avatar_url: _Optional[str] = ...) -> None: ...

class UserSearchAnswer(_message.Message):
    __slots__ = ("users", "limited")
    USERS_FIELD_NUMBER: _ClassVar[int]
    LIMITED_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[UserSearchHit]
    limited: bool
    def __init__(self, users: _Optional[_Iterable[_Union[UserSearchHit, _Mapping]]] = ..., limited: _Optional[bool] = ...) -> None: ...

class RoomsOfShardRequest(_message.Message):
    __slots__ = ("shard",)
    SHARD_FIELD_NUMBER: _ClassVar[int]
    shard: int
    def __init__(self, shard: _Optional[int] = ...) -> None: ...

class RoomsOfShardChunk(_message.Message):
    __slots__ = ("room_ids", "position")
    ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    room_ids: _containers.RepeatedScalarFieldContainer[str]
    position: int
    def __init__(self, room_ids: _Optional[_Iterable[str]] = ..., position: _Optional[int] = ...) -> None: ...

class VisibleUsersRequest(_message.Message):
    __slots__ = ("as_user_id", "user_ids")
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    as_user_id: str
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, as_user_id: _Optional[str] = ..., user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class VisibleUsersAnswer(_message.Message):
    __slots__ = ("user_ids",)
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_ids: _Optional[_Iterable[str]] = ...) -> None: ...
