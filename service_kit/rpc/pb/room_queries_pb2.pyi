from service_kit.rpc.pb import delayed_events_pb2 as _delayed_events_pb2
from service_kit.rpc.pb import facts_pb2 as _facts_pb2
from service_kit.rpc.pb import room_directory_pb2 as _room_directory_pb2
from service_kit.rpc.pb import search_queries_pb2 as _search_queries_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StateKey(_message.Message):
    __slots__ = ("type", "state_key")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    type: str
    state_key: str
    def __init__(self, type: _Optional[str] = ..., state_key: _Optional[str] = ...) -> None: ...

class StateRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "keys", "not_types", "at_position", "after_position", "members_max", "with_summary")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    NOT_TYPES_FIELD_NUMBER: _ClassVar[int]
    AT_POSITION_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_MAX_FIELD_NUMBER: _ClassVar[int]
    WITH_SUMMARY_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    keys: _containers.RepeatedCompositeFieldContainer[StateKey]
    not_types: _containers.RepeatedScalarFieldContainer[str]
    at_position: int
    after_position: int
    members_max: int
    with_summary: bool
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[StateKey, _Mapping]]] = ..., not_types: _Optional[_Iterable[str]] = ..., at_position: _Optional[int] = ..., after_position: _Optional[int] = ..., members_max: _Optional[int] = ..., with_summary: _Optional[bool] = ...) -> None: ...

class RoomSummary(_message.Message):
    __slots__ = ("joined_members", "invited_members", "hero_user_ids", "members", "position")
    JOINED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    INVITED_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    HERO_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    joined_members: int
    invited_members: int
    hero_user_ids: _containers.RepeatedScalarFieldContainer[str]
    members: int
    position: int
    def __init__(self, joined_members: _Optional[int] = ..., invited_members: _Optional[int] = ..., hero_user_ids: _Optional[_Iterable[str]] = ..., members: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class StateEntry(_message.Message):
    __slots__ = ("type", "state_key", "event_id", "membership", "position", "client_json")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_JSON_FIELD_NUMBER: _ClassVar[int]
    type: str
    state_key: str
    event_id: str
    membership: str
    position: int
    client_json: bytes
    def __init__(self, type: _Optional[str] = ..., state_key: _Optional[str] = ..., event_id: _Optional[str] = ..., membership: _Optional[str] = ..., position: _Optional[int] = ..., client_json: _Optional[bytes] = ...) -> None: ...

class StateChunk(_message.Message):
    __slots__ = ("entries", "room_version", "position", "summary")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StateEntry]
    room_version: str
    position: int
    summary: RoomSummary
    def __init__(self, entries: _Optional[_Iterable[_Union[StateEntry, _Mapping]]] = ..., room_version: _Optional[str] = ..., position: _Optional[int] = ..., summary: _Optional[_Union[RoomSummary, _Mapping]] = ...) -> None: ...

class TimelineRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "backwards", "from_position", "to_position", "limit", "filter_json", "with_aggregations", "ignored_user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    BACKWARDS_FIELD_NUMBER: _ClassVar[int]
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    TO_POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FILTER_JSON_FIELD_NUMBER: _ClassVar[int]
    WITH_AGGREGATIONS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    backwards: bool
    from_position: int
    to_position: int
    limit: int
    filter_json: bytes
    with_aggregations: bool
    ignored_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., backwards: _Optional[bool] = ..., from_position: _Optional[int] = ..., to_position: _Optional[int] = ..., limit: _Optional[int] = ..., filter_json: _Optional[bytes] = ..., with_aggregations: _Optional[bool] = ..., ignored_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TimelineEntry(_message.Message):
    __slots__ = ("position", "event_id", "type", "sender", "state_key", "origin_server_ts_ms", "history_visibility", "replaces_event_id", "membership", "prev_membership", "device_id", "client_txn_id", "client_json", "room_id", "viewer_membership", "aggregations")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    REPLACES_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TXN_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_JSON_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    VIEWER_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    AGGREGATIONS_FIELD_NUMBER: _ClassVar[int]
    position: int
    event_id: str
    type: str
    sender: str
    state_key: str
    origin_server_ts_ms: int
    history_visibility: _facts_pb2.HistoryVisibility
    replaces_event_id: str
    membership: str
    prev_membership: str
    device_id: str
    client_txn_id: str
    client_json: bytes
    room_id: str
    viewer_membership: str
    aggregations: Aggregations
    def __init__(self, position: _Optional[int] = ..., event_id: _Optional[str] = ..., type: _Optional[str] = ..., sender: _Optional[str] = ..., state_key: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., history_visibility: _Optional[_Union[_facts_pb2.HistoryVisibility, str]] = ..., replaces_event_id: _Optional[str] = ..., membership: _Optional[str] = ..., prev_membership: _Optional[str] = ..., device_id: _Optional[str] = ..., client_txn_id: _Optional[str] = ..., client_json: _Optional[bytes] = ..., room_id: _Optional[str] = ..., viewer_membership: _Optional[str] = ..., aggregations: _Optional[_Union[Aggregations, _Mapping]] = ...) -> None: ...

class Aggregations(_message.Message):
    __slots__ = ("edit", "latest_reply", "replies", "participated", "participant_user_ids", "more_participants", "reference_event_ids")
    EDIT_FIELD_NUMBER: _ClassVar[int]
    LATEST_REPLY_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    PARTICIPATED_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    MORE_PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    edit: TimelineEntry
    latest_reply: TimelineEntry
    replies: int
    participated: bool
    participant_user_ids: _containers.RepeatedScalarFieldContainer[str]
    more_participants: bool
    reference_event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, edit: _Optional[_Union[TimelineEntry, _Mapping]] = ..., latest_reply: _Optional[_Union[TimelineEntry, _Mapping]] = ..., replies: _Optional[int] = ..., participated: _Optional[bool] = ..., participant_user_ids: _Optional[_Iterable[str]] = ..., more_participants: _Optional[bool] = ..., reference_event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TimelineChunk(_message.Message):
    __slots__ = ("entries", "more", "next_position", "position")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    NEXT_POSITION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[TimelineEntry]
    more: bool
    next_position: int
    position: int
    def __init__(self, entries: _Optional[_Iterable[_Union[TimelineEntry, _Mapping]]] = ..., more: _Optional[bool] = ..., next_position: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class EventRequest(_message.Message):
    __slots__ = ("room_id", "event_id", "as_user_id", "with_aggregations", "ignored_user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_AGGREGATIONS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    event_id: str
    as_user_id: str
    with_aggregations: bool
    ignored_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., event_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., with_aggregations: _Optional[bool] = ..., ignored_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RelationsRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "event_id", "rel_type", "event_type", "backwards", "from_position", "to_position", "limit", "recurse", "ignored_user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REL_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    BACKWARDS_FIELD_NUMBER: _ClassVar[int]
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    TO_POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RECURSE_FIELD_NUMBER: _ClassVar[int]
    IGNORED_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    event_id: str
    rel_type: str
    event_type: str
    backwards: bool
    from_position: int
    to_position: int
    limit: int
    recurse: bool
    ignored_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., event_id: _Optional[str] = ..., rel_type: _Optional[str] = ..., event_type: _Optional[str] = ..., backwards: _Optional[bool] = ..., from_position: _Optional[int] = ..., to_position: _Optional[int] = ..., limit: _Optional[int] = ..., recurse: _Optional[bool] = ..., ignored_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ThreadsRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "only_participated", "from_position", "limit", "ignored_user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    ONLY_PARTICIPATED_FIELD_NUMBER: _ClassVar[int]
    FROM_POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    IGNORED_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    only_participated: bool
    from_position: int
    limit: int
    ignored_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., only_participated: _Optional[bool] = ..., from_position: _Optional[int] = ..., limit: _Optional[int] = ..., ignored_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AggregationsRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "positions", "ignored_user_ids")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    positions: _containers.RepeatedScalarFieldContainer[int]
    ignored_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., positions: _Optional[_Iterable[int]] = ..., ignored_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AggregationsChunk(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AggregationsEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[AggregationsEntry, _Mapping]]] = ...) -> None: ...

class AggregationsEntry(_message.Message):
    __slots__ = ("position", "aggregations")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    AGGREGATIONS_FIELD_NUMBER: _ClassVar[int]
    position: int
    aggregations: Aggregations
    def __init__(self, position: _Optional[int] = ..., aggregations: _Optional[_Union[Aggregations, _Mapping]] = ...) -> None: ...

class TimestampRequest(_message.Message):
    __slots__ = ("room_id", "as_user_id", "ts_ms", "backwards")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    AS_USER_ID_FIELD_NUMBER: _ClassVar[int]
    TS_MS_FIELD_NUMBER: _ClassVar[int]
    BACKWARDS_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    as_user_id: str
    ts_ms: int
    backwards: bool
    def __init__(self, room_id: _Optional[str] = ..., as_user_id: _Optional[str] = ..., ts_ms: _Optional[int] = ..., backwards: _Optional[bool] = ...) -> None: ...

class RoomOfEventRequest(_message.Message):
    __slots__ = ("event_id",)
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    def __init__(self, event_id: _Optional[str] = ...) -> None: ...

class RoomOfEvent(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    def __init__(self, room_id: _Optional[str] = ...) -> None: ...

class ReceiptsRequest(_message.Message):
    __slots__ = ("room_id", "user_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class ReceiptsChunk(_message.Message):
    __slots__ = ("receipts", "typing", "typing_position")
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    TYPING_POSITION_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[ReceiptEntry]
    typing: _containers.RepeatedCompositeFieldContainer[_facts_pb2.TypingFact]
    typing_position: int
    def __init__(self, receipts: _Optional[_Iterable[_Union[ReceiptEntry, _Mapping]]] = ..., typing: _Optional[_Iterable[_Union[_facts_pb2.TypingFact, _Mapping]]] = ..., typing_position: _Optional[int] = ...) -> None: ...

class ReceiptEntry(_message.Message):
    __slots__ = ("position", "receipt")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    position: int
    receipt: _facts_pb2.ReceiptFact
    def __init__(self, position: _Optional[int] = ..., receipt: _Optional[_Union[_facts_pb2.ReceiptFact, _Mapping]] = ...) -> None: ...

class RoomsOfUserRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class RoomOfUser(_message.Message):
    __slots__ = ("room_id", "membership", "event_id", "position", "invite_state_json", "sender", "forgotten", "prev_membership")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    INVITE_STATE_JSON_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    membership: str
    event_id: str
    position: int
    invite_state_json: bytes
    sender: str
    forgotten: bool
    prev_membership: str
    def __init__(self, room_id: _Optional[str] = ..., membership: _Optional[str] = ..., event_id: _Optional[str] = ..., position: _Optional[int] = ..., invite_state_json: _Optional[bytes] = ..., sender: _Optional[str] = ..., forgotten: _Optional[bool] = ..., prev_membership: _Optional[str] = ...) -> None: ...

class RoomsOfUserChunk(_message.Message):
    __slots__ = ("rooms",)
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[RoomOfUser]
    def __init__(self, rooms: _Optional[_Iterable[_Union[RoomOfUser, _Mapping]]] = ...) -> None: ...
