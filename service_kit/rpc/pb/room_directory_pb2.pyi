from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SetAlias(_message.Message):
    __slots__ = ("room_id", "user_id", "from_room_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    from_room_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., from_room_id: _Optional[str] = ...) -> None: ...

class DeleteAlias(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    def __init__(self, room_id: _Optional[str] = ...) -> None: ...

class AliasFact(_message.Message):
    __slots__ = ("alias", "room_id", "creator", "set_at_ms", "former_room_id", "former_creator")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SET_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FORMER_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    FORMER_CREATOR_FIELD_NUMBER: _ClassVar[int]
    alias: str
    room_id: str
    creator: str
    set_at_ms: int
    former_room_id: str
    former_creator: str
    def __init__(self, alias: _Optional[str] = ..., room_id: _Optional[str] = ..., creator: _Optional[str] = ..., set_at_ms: _Optional[int] = ..., former_room_id: _Optional[str] = ..., former_creator: _Optional[str] = ...) -> None: ...

class AliasRequest(_message.Message):
    __slots__ = ("alias",)
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    def __init__(self, alias: _Optional[str] = ...) -> None: ...

class AliasAnswer(_message.Message):
    __slots__ = ("room_id", "creator")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    creator: str
    def __init__(self, room_id: _Optional[str] = ..., creator: _Optional[str] = ...) -> None: ...

class AliasesOfRoomRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ...) -> None: ...

class AliasesOfRoomAnswer(_message.Message):
    __slots__ = ("aliases",)
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    aliases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, aliases: _Optional[_Iterable[str]] = ...) -> None: ...

class SetVisibility(_message.Message):
    __slots__ = ("user_id", "server_name", "published", "permitted")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    PERMITTED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    server_name: str
    published: bool
    permitted: bool
    def __init__(self, user_id: _Optional[str] = ..., server_name: _Optional[str] = ..., published: _Optional[bool] = ..., permitted: _Optional[bool] = ...) -> None: ...

class PublishedRoomFact(_message.Message):
    __slots__ = ("room_id", "server_name", "published", "joined_members", "entry_json")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    JOINED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_JSON_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    server_name: str
    published: bool
    joined_members: int
    entry_json: bytes
    def __init__(self, room_id: _Optional[str] = ..., server_name: _Optional[str] = ..., published: _Optional[bool] = ..., joined_members: _Optional[int] = ..., entry_json: _Optional[bytes] = ...) -> None: ...

class VisibilityRequest(_message.Message):
    __slots__ = ("room_id", "server_name")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    server_name: str
    def __init__(self, room_id: _Optional[str] = ..., server_name: _Optional[str] = ...) -> None: ...

class VisibilityAnswer(_message.Message):
    __slots__ = ("published",)
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    published: bool
    def __init__(self, published: _Optional[bool] = ...) -> None: ...

class PlaceInDirectory(_message.Message):
    __slots__ = ("joined_members", "room_id")
    JOINED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    joined_members: int
    room_id: str
    def __init__(self, joined_members: _Optional[int] = ..., room_id: _Optional[str] = ...) -> None: ...

class PublishedRoomsRequest(_message.Message):
    __slots__ = ("shard_numbers", "server_name", "limit", "beyond", "backwards", "search_term", "with_room_types", "room_types", "with_untyped")
    SHARD_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEYOND_FIELD_NUMBER: _ClassVar[int]
    BACKWARDS_FIELD_NUMBER: _ClassVar[int]
    SEARCH_TERM_FIELD_NUMBER: _ClassVar[int]
    WITH_ROOM_TYPES_FIELD_NUMBER: _ClassVar[int]
    ROOM_TYPES_FIELD_NUMBER: _ClassVar[int]
    WITH_UNTYPED_FIELD_NUMBER: _ClassVar[int]
    shard_numbers: _containers.RepeatedScalarFieldContainer[int]
    server_name: str
    limit: int
    beyond: PlaceInDirectory
    backwards: bool
    search_term: str
    with_room_types: bool
    room_types: _containers.RepeatedScalarFieldContainer[str]
    with_untyped: bool
    def __init__(self, shard_numbers: _Optional[_Iterable[int]] = ..., server_name: _Optional[str] = ..., limit: _Optional[int] = ..., beyond: _Optional[_Union[PlaceInDirectory, _Mapping]] = ..., backwards: _Optional[bool] = ..., search_term: _Optional[str] = ..., with_room_types: _Optional[bool] = ..., room_types: _Optional[_Iterable[str]] = ..., with_untyped: _Optional[bool] = ...) -> None: ...

class PublishedRoom(_message.Message):
    __slots__ = ("joined_members", "room_id", "entry_json")
    JOINED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_JSON_FIELD_NUMBER: _ClassVar[int]
    joined_members: int
    room_id: str
    entry_json: bytes
    def __init__(self, joined_members: _Optional[int] = ..., room_id: _Optional[str] = ..., entry_json: _Optional[bytes] = ...) -> None: ...

class PublishedRoomsAnswer(_message.Message):
    __slots__ = ("shard_numbers", "rooms", "total")
    SHARD_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    shard_numbers: _containers.RepeatedScalarFieldContainer[int]
    rooms: _containers.RepeatedCompositeFieldContainer[PublishedRoom]
    total: int
    def __init__(self, shard_numbers: _Optional[_Iterable[int]] = ..., rooms: _Optional[_Iterable[_Union[PublishedRoom, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class StandingRequest(_message.Message):
    __slots__ = ("room_id", "user_id", "event_type")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    event_type: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., event_type: _Optional[str] = ...) -> None: ...

class StandingAnswer(_message.Message):
    __slots__ = ("membership", "may_send_state")
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    MAY_SEND_STATE_FIELD_NUMBER: _ClassVar[int]
    membership: str
    may_send_state: bool
    def __init__(self, membership: _Optional[str] = ..., may_send_state: _Optional[bool] = ...) -> None: ...

class SummariesRequest(_message.Message):
    __slots__ = ("room_ids", "as_user_id", "with_children", "suggested_only")
    ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_CHILDREN_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_ONLY_FIELD_NUMBER: _ClassVar[int]
    room_ids: _containers.RepeatedScalarFieldContainer[str]
    as_user_id: str
    with_children: bool
    suggested_only: bool
    def __init__(self, room_ids: _Optional[_Iterable[str]] = ..., as_user_id: _Optional[str] = ..., with_children: _Optional[bool] = ..., suggested_only: _Optional[bool] = ...) -> None: ...

class SpaceChild(_message.Message):
    __slots__ = ("room_id", "stripped_json")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    STRIPPED_JSON_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    stripped_json: bytes
    def __init__(self, room_id: _Optional[str] = ..., stripped_json: _Optional[bytes] = ...) -> None: ...

class SummaryAnswer(_message.Message):
    __slots__ = ("room_id", "visible", "membership", "summary_json", "children")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    visible: bool
    membership: str
    summary_json: bytes
    children: _containers.RepeatedCompositeFieldContainer[SpaceChild]
    def __init__(self, room_id: _Optional[str] = ..., visible: _Optional[bool] = ..., membership: _Optional[str] = ..., summary_json: _Optional[bytes] = ..., children: _Optional[_Iterable[_Union[SpaceChild, _Mapping]]] = ...) -> None: ...

class BeginUpgrade(_message.Message):
    __slots__ = ("user_id", "room_version", "additional_creators", "new_room_id", "origin_server_ts_ms", "last_event_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_CREATORS_FIELD_NUMBER: _ClassVar[int]
    NEW_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_version: str
    additional_creators: _containers.RepeatedScalarFieldContainer[str]
    new_room_id: str
    origin_server_ts_ms: int
    last_event_id: str
    def __init__(self, user_id: _Optional[str] = ..., room_version: _Optional[str] = ..., additional_creators: _Optional[_Iterable[str]] = ..., new_room_id: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., last_event_id: _Optional[str] = ...) -> None: ...

class UpgradeFact(_message.Message):
    __slots__ = ("user_id", "room_version", "additional_creators", "new_room_id", "origin_server_ts_ms", "last_event_id", "began_at_ms", "completed", "overtaken_room_id", "published_in")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_CREATORS_FIELD_NUMBER: _ClassVar[int]
    NEW_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    OVERTAKEN_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_IN_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_version: str
    additional_creators: _containers.RepeatedScalarFieldContainer[str]
    new_room_id: str
    origin_server_ts_ms: int
    last_event_id: str
    began_at_ms: int
    completed: bool
    overtaken_room_id: str
    published_in: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., room_version: _Optional[str] = ..., additional_creators: _Optional[_Iterable[str]] = ..., new_room_id: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., last_event_id: _Optional[str] = ..., began_at_ms: _Optional[int] = ..., completed: _Optional[bool] = ..., overtaken_room_id: _Optional[str] = ..., published_in: _Optional[_Iterable[str]] = ...) -> None: ...

class UpgradeStateRequest(_message.Message):
    __slots__ = ("room_id", "user_id", "room_version", "additional_creators")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_CREATORS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    room_version: str
    additional_creators: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., room_version: _Optional[str] = ..., additional_creators: _Optional[_Iterable[str]] = ...) -> None: ...

class UpgradeStateAnswer(_message.Message):
    __slots__ = ("create_content_json", "last_event_id", "events")
    CREATE_CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    create_content_json: bytes
    last_event_id: str
    events: _containers.RepeatedCompositeFieldContainer[CarriedEvent]
    def __init__(self, create_content_json: _Optional[bytes] = ..., last_event_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[CarriedEvent, _Mapping]]] = ...) -> None: ...

class CreateSuccessor(_message.Message):
    __slots__ = ("creator", "room_version", "origin_server_ts_ms", "create_content_json", "events", "member_content_json", "published_in")
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    CREATE_CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_IN_FIELD_NUMBER: _ClassVar[int]
    creator: str
    room_version: str
    origin_server_ts_ms: int
    create_content_json: bytes
    events: _containers.RepeatedCompositeFieldContainer[CarriedEvent]
    member_content_json: bytes
    published_in: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, creator: _Optional[str] = ..., room_version: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., create_content_json: _Optional[bytes] = ..., events: _Optional[_Iterable[_Union[CarriedEvent, _Mapping]]] = ..., member_content_json: _Optional[bytes] = ..., published_in: _Optional[_Iterable[str]] = ...) -> None: ...

class CarriedEvent(_message.Message):
    __slots__ = ("type", "state_key", "content_json")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    type: str
    state_key: str
    content_json: bytes
    def __init__(self, type: _Optional[str] = ..., state_key: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class CompleteUpgrade(_message.Message):
    __slots__ = ("user_id", "new_room_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    new_room_id: str
    def __init__(self, user_id: _Optional[str] = ..., new_room_id: _Optional[str] = ...) -> None: ...

class Settle(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GuestsRequest(_message.Message):
    __slots__ = ("room_id", "after_user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    after_user_id: str
    def __init__(self, room_id: _Optional[str] = ..., after_user_id: _Optional[str] = ...) -> None: ...

class GuestsAnswer(_message.Message):
    __slots__ = ("user_ids", "next_user_id")
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    next_user_id: str
    def __init__(self, user_ids: _Optional[_Iterable[str]] = ..., next_user_id: _Optional[str] = ...) -> None: ...
