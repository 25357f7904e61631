from service_kit.rpc.pb import delayed_events_pb2 as _delayed_events_pb2
from service_kit.rpc.pb import room_directory_pb2 as _room_directory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCEPTED: _ClassVar[Verdict]
    SOFT_FAILED: _ClassVar[Verdict]
    REJECTED: _ClassVar[Verdict]

class HistoryVisibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHARED: _ClassVar[HistoryVisibility]
    WORLD_READABLE: _ClassVar[HistoryVisibility]
    INVITED: _ClassVar[HistoryVisibility]
    JOINED: _ClassVar[HistoryVisibility]
ACCEPTED: Verdict
SOFT_FAILED: Verdict
REJECTED: Verdict
SHARED: HistoryVisibility
WORLD_READABLE: HistoryVisibility
INVITED: HistoryVisibility
JOINED: HistoryVisibility

class RoomEventFact(_message.Message):
    __slots__ = ("event_id", "type", "sender", "state_key", "origin_server_ts_ms", "depth", "client_json", "federation_json", "verdict", "history_visibility", "state_version", "replaces_event_id", "membership", "prev_membership", "invite_state_json", "device_id", "client_txn_id", "redacts_event_id", "redacted_client_json", "redacted_federation_json", "room_version", "bucket", "forward_extremity_ids", "timeline_index", "redacts_position", "redacts_bucket", "redacts_current_state", "redacts_history_visibility", "redacts_prev_membership", "rewritten", "state_number", "state_columns", "state_events", "reference_hash", "forward_extremity_hashes", "redacts_state_number", "redacts_reference_hash", "guest", "relations", "lost_relations", "bucket_min_ts_ms", "bucket_max_ts_ms", "full_bucket_min_ts_ms", "full_bucket_max_ts_ms")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    CLIENT_JSON_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLACES_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    INVITE_STATE_JSON_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TXN_ID_FIELD_NUMBER: _ClassVar[int]
    REDACTS_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REDACTED_CLIENT_JSON_FIELD_NUMBER: _ClassVar[int]
    REDACTED_FEDERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    FORWARD_EXTREMITY_IDS_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    REDACTS_POSITION_FIELD_NUMBER: _ClassVar[int]
    REDACTS_BUCKET_FIELD_NUMBER: _ClassVar[int]
    REDACTS_CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    REDACTS_HISTORY_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    REDACTS_PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    REWRITTEN_FIELD_NUMBER: _ClassVar[int]
    STATE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    STATE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_HASH_FIELD_NUMBER: _ClassVar[int]
    FORWARD_EXTREMITY_HASHES_FIELD_NUMBER: _ClassVar[int]
    REDACTS_STATE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REDACTS_REFERENCE_HASH_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    RELATIONS_FIELD_NUMBER: _ClassVar[int]
    LOST_RELATIONS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_MIN_TS_MS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_MAX_TS_MS_FIELD_NUMBER: _ClassVar[int]
    FULL_BUCKET_MIN_TS_MS_FIELD_NUMBER: _ClassVar[int]
    FULL_BUCKET_MAX_TS_MS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    type: str
    sender: str
    state_key: str
    origin_server_ts_ms: int
    depth: int
    client_json: bytes
    federation_json: bytes
    verdict: Verdict
    history_visibility: HistoryVisibility
    state_version: int
    replaces_event_id: str
    membership: str
    prev_membership: str
    invite_state_json: bytes
    device_id: str
    client_txn_id: str
    redacts_event_id: str
    redacted_client_json: bytes
    redacted_federation_json: bytes
    room_version: str
    bucket: int
    forward_extremity_ids: _containers.RepeatedScalarFieldContainer[str]
    timeline_index: int
    redacts_position: int
    redacts_bucket: int
    redacts_current_state: bool
    redacts_history_visibility: HistoryVisibility
    redacts_prev_membership: str
    rewritten: RewrittenEvent
    state_number: int
    state_columns: bytes
    state_events: int
    reference_hash: bytes
    forward_extremity_hashes: _containers.RepeatedScalarFieldContainer[bytes]
    redacts_state_number: int
    redacts_reference_hash: bytes
    guest: bool
    relations: _containers.RepeatedCompositeFieldContainer[RelationFact]
    lost_relations: _containers.RepeatedCompositeFieldContainer[RelationFact]
    bucket_min_ts_ms: int
    bucket_max_ts_ms: int
    full_bucket_min_ts_ms: int
    full_bucket_max_ts_ms: int
    def __init__(self, event_id: _Optional[str] = ..., type: _Optional[str] = ..., sender: _Optional[str] = ..., state_key: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., depth: _Optional[int] = ..., client_json: _Optional[bytes] = ..., federation_json: _Optional[bytes] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., history_visibility: _Optional[_Union[HistoryVisibility, str]] = ..., state_version: _Optional[int] = ..., replaces_event_id: _Optional[str] = ..., membership: _Optional[str] = ..., prev_membership: _Optional[str] = ..., invite_state_json: _Optional[bytes] = ..., device_id: _Optional[str] = ..., client_txn_id: _Optional[str] = ..., redacts_event_id: _Optional[str] = ..., redacted_client_json: _Optional[bytes] = ..., redacted_federation_json: _Optional[bytes] = ..., room_version: _Optional[str] = ..., bucket: _Optional[int] = ..., forward_extremity_ids: _Optional[_Iterable[str]] = ..., timeline_index: _Optional[int] = ..., redacts_position: _Optional[int] = ..., redacts_bucket: _Optional[int] = ..., redacts_current_state: _Optional[bool] = ..., redacts_history_visibility: _Optional[_Union[HistoryVisibility, str]] = ..., redacts_prev_membership: _Optional[str] = ..., rewritten: _Optional[_Union[RewrittenEvent, _Mapping]] = ..., state_number: _Optional[int] = ..., state_columns: _Optional[bytes] = ..., state_events: _Optional[int] = ..., reference_hash: _Optional[bytes] = ..., forward_extremity_hashes: _Optional[_Iterable[bytes]] = ..., redacts_state_number: _Optional[int] = ..., redacts_reference_hash: _Optional[bytes] = ..., guest: _Optional[bool] = ..., relations: _Optional[_Iterable[_Union[RelationFact, _Mapping]]] = ..., lost_relations: _Optional[_Iterable[_Union[RelationFact, _Mapping]]] = ..., bucket_min_ts_ms: _Optional[int] = ..., bucket_max_ts_ms: _Optional[int] = ..., full_bucket_min_ts_ms: _Optional[int] = ..., full_bucket_max_ts_ms: _Optional[int] = ...) -> None: ...

class RelationFact(_message.Message):
    __slots__ = ("parent_event_id", "parent_position", "parent_bucket", "family", "chunk", "rel_type", "via", "aggregate", "annotation_digest", "thread")
    PARENT_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_POSITION_FIELD_NUMBER: _ClassVar[int]
    PARENT_BUCKET_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    REL_TYPE_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    THREAD_FIELD_NUMBER: _ClassVar[int]
    parent_event_id: str
    parent_position: int
    parent_bucket: int
    family: int
    chunk: int
    rel_type: str
    via: str
    aggregate: Aggregate
    annotation_digest: str
    thread: ThreadChange
    def __init__(self, parent_event_id: _Optional[str] = ..., parent_position: _Optional[int] = ..., parent_bucket: _Optional[int] = ..., family: _Optional[int] = ..., chunk: _Optional[int] = ..., rel_type: _Optional[str] = ..., via: _Optional[str] = ..., aggregate: _Optional[_Union[Aggregate, _Mapping]] = ..., annotation_digest: _Optional[str] = ..., thread: _Optional[_Union[ThreadChange, _Mapping]] = ...) -> None: ...

class ThreadChange(_message.Message):
    __slots__ = ("user_id", "replies", "former_position", "former_bucket", "root_sender")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    FORMER_POSITION_FIELD_NUMBER: _ClassVar[int]
    FORMER_BUCKET_FIELD_NUMBER: _ClassVar[int]
    ROOT_SENDER_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    replies: int
    former_position: int
    former_bucket: int
    root_sender: str
    def __init__(self, user_id: _Optional[str] = ..., replies: _Optional[int] = ..., former_position: _Optional[int] = ..., former_bucket: _Optional[int] = ..., root_sender: _Optional[str] = ...) -> None: ...

class Aggregate(_message.Message):
    __slots__ = ("children", "edit", "replies", "latest_reply", "participants", "participant_user_ids")
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    EDIT_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    LATEST_REPLY_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANT_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    children: _containers.RepeatedScalarFieldContainer[int]
    edit: ChildEvent
    replies: int
    latest_reply: ChildEvent
    participants: int
    participant_user_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, children: _Optional[_Iterable[int]] = ..., edit: _Optional[_Union[ChildEvent, _Mapping]] = ..., replies: _Optional[int] = ..., latest_reply: _Optional[_Union[ChildEvent, _Mapping]] = ..., participants: _Optional[int] = ..., participant_user_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ChildEvent(_message.Message):
    __slots__ = ("event_id", "position", "bucket", "sender", "origin_server_ts_ms")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    position: int
    bucket: int
    sender: str
    origin_server_ts_ms: int
    def __init__(self, event_id: _Optional[str] = ..., position: _Optional[int] = ..., bucket: _Optional[int] = ..., sender: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ...) -> None: ...

class RewrittenEvent(_message.Message):
    __slots__ = ("event_id", "position", "bucket", "client_json", "federation_json", "history_visibility", "prev_membership", "device_id", "client_txn_id", "is_current_state", "state_number", "reference_hash")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    CLIENT_JSON_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_JSON_FIELD_NUMBER: _ClassVar[int]
    HISTORY_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TXN_ID_FIELD_NUMBER: _ClassVar[int]
    IS_CURRENT_STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_HASH_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    position: int
    bucket: int
    client_json: bytes
    federation_json: bytes
    history_visibility: HistoryVisibility
    prev_membership: str
    device_id: str
    client_txn_id: str
    is_current_state: bool
    state_number: int
    reference_hash: bytes
    def __init__(self, event_id: _Optional[str] = ..., position: _Optional[int] = ..., bucket: _Optional[int] = ..., client_json: _Optional[bytes] = ..., federation_json: _Optional[bytes] = ..., history_visibility: _Optional[_Union[HistoryVisibility, str]] = ..., prev_membership: _Optional[str] = ..., device_id: _Optional[str] = ..., client_txn_id: _Optional[str] = ..., is_current_state: _Optional[bool] = ..., state_number: _Optional[int] = ..., reference_hash: _Optional[bytes] = ...) -> None: ...

class ReceiptFact(_message.Message):
    __slots__ = ("user_id", "receipt_type", "event_id", "thread_id", "ts_ms", "event_position")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    TS_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_POSITION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    receipt_type: str
    event_id: str
    thread_id: str
    ts_ms: int
    event_position: int
    def __init__(self, user_id: _Optional[str] = ..., receipt_type: _Optional[str] = ..., event_id: _Optional[str] = ..., thread_id: _Optional[str] = ..., ts_ms: _Optional[int] = ..., event_position: _Optional[int] = ...) -> None: ...

class TypingFact(_message.Message):
    __slots__ = ("user_id", "typing", "expires_at_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    typing: bool
    expires_at_ms: int
    def __init__(self, user_id: _Optional[str] = ..., typing: _Optional[bool] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class ForgottenFact(_message.Message):
    __slots__ = ("user_id", "membership", "prev_membership", "event_id", "sender", "position")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    PREV_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    membership: str
    prev_membership: str
    event_id: str
    sender: str
    position: int
    def __init__(self, user_id: _Optional[str] = ..., membership: _Optional[str] = ..., prev_membership: _Optional[str] = ..., event_id: _Optional[str] = ..., sender: _Optional[str] = ..., position: _Optional[int] = ...) -> None: ...

class AccountFact(_message.Message):
    __slots__ = ("user_id", "password_hash", "admin", "deactivated", "created_at_ms", "guest", "locked", "suspended", "callers_changed", "accepted_policies", "third_party_ids")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_HASH_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    CALLERS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_IDS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    password_hash: str
    admin: bool
    deactivated: bool
    created_at_ms: int
    guest: bool
    locked: bool
    suspended: bool
    callers_changed: bool
    accepted_policies: _containers.RepeatedScalarFieldContainer[str]
    third_party_ids: _containers.RepeatedCompositeFieldContainer[ThirdPartyId]
    def __init__(self, user_id: _Optional[str] = ..., password_hash: _Optional[str] = ..., admin: _Optional[bool] = ..., deactivated: _Optional[bool] = ..., created_at_ms: _Optional[int] = ..., guest: _Optional[bool] = ..., locked: _Optional[bool] = ..., suspended: _Optional[bool] = ..., callers_changed: _Optional[bool] = ..., accepted_policies: _Optional[_Iterable[str]] = ..., third_party_ids: _Optional[_Iterable[_Union[ThirdPartyId, _Mapping]]] = ...) -> None: ...

class ThirdPartyId(_message.Message):
    __slots__ = ("medium", "address", "validated_at_ms", "added_at_ms")
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    medium: str
    address: str
    validated_at_ms: int
    added_at_ms: int
    def __init__(self, medium: _Optional[str] = ..., address: _Optional[str] = ..., validated_at_ms: _Optional[int] = ..., added_at_ms: _Optional[int] = ...) -> None: ...

class AddressFact(_message.Message):
    __slots__ = ("server_name", "medium", "address", "user_id", "claimed_at_ms")
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    server_name: str
    medium: str
    address: str
    user_id: str
    claimed_at_ms: int
    def __init__(self, server_name: _Optional[str] = ..., medium: _Optional[str] = ..., address: _Optional[str] = ..., user_id: _Optional[str] = ..., claimed_at_ms: _Optional[int] = ...) -> None: ...

class ValidationFact(_message.Message):
    __slots__ = ("sid", "server_name", "medium", "address", "purpose", "client_secret_sha256", "created_at_ms", "validated_at_ms", "expires_at_ms", "send_attempt", "next_link")
    SID_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VALIDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SEND_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NEXT_LINK_FIELD_NUMBER: _ClassVar[int]
    sid: str
    server_name: str
    medium: str
    address: str
    purpose: str
    client_secret_sha256: bytes
    created_at_ms: int
    validated_at_ms: int
    expires_at_ms: int
    send_attempt: int
    next_link: str
    def __init__(self, sid: _Optional[str] = ..., server_name: _Optional[str] = ..., medium: _Optional[str] = ..., address: _Optional[str] = ..., purpose: _Optional[str] = ..., client_secret_sha256: _Optional[bytes] = ..., created_at_ms: _Optional[int] = ..., validated_at_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., send_attempt: _Optional[int] = ..., next_link: _Optional[str] = ...) -> None: ...

class MailCountFact(_message.Message):
    __slots__ = ("address_code", "since_ms", "mails")
    ADDRESS_CODE_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    MAILS_FIELD_NUMBER: _ClassVar[int]
    address_code: str
    since_ms: int
    mails: int
    def __init__(self, address_code: _Optional[str] = ..., since_ms: _Optional[int] = ..., mails: _Optional[int] = ...) -> None: ...

class ChoreFact(_message.Message):
    __slots__ = ("expires_at_ms", "mail", "leave_rooms")
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    MAIL_FIELD_NUMBER: _ClassVar[int]
    LEAVE_ROOMS_FIELD_NUMBER: _ClassVar[int]
    expires_at_ms: int
    mail: Mail
    leave_rooms: LeaveRooms
    def __init__(self, expires_at_ms: _Optional[int] = ..., mail: _Optional[_Union[Mail, _Mapping]] = ..., leave_rooms: _Optional[_Union[LeaveRooms, _Mapping]] = ...) -> None: ...

class Mail(_message.Message):
    __slots__ = ("kind", "server_name", "address", "base_url", "sid", "created_at_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    server_name: str
    address: str
    base_url: str
    sid: str
    created_at_ms: int
    def __init__(self, kind: _Optional[str] = ..., server_name: _Optional[str] = ..., address: _Optional[str] = ..., base_url: _Optional[str] = ..., sid: _Optional[str] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class LeaveRooms(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class ChoreDoneFact(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class AuthSessionFact(_message.Message):
    __slots__ = ("session", "stages_json")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STAGES_JSON_FIELD_NUMBER: _ClassVar[int]
    session: str
    stages_json: bytes
    def __init__(self, session: _Optional[str] = ..., stages_json: _Optional[bytes] = ...) -> None: ...

class RegistrationTokenFact(_message.Message):
    __slots__ = ("token_sha256", "uses")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    uses: int
    def __init__(self, token_sha256: _Optional[bytes] = ..., uses: _Optional[int] = ...) -> None: ...

class LoginTokenFact(_message.Message):
    __slots__ = ("token_sha256", "expires_at_ms", "deleted")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    expires_at_ms: int
    deleted: bool
    def __init__(self, token_sha256: _Optional[bytes] = ..., expires_at_ms: _Optional[int] = ..., deleted: _Optional[bool] = ...) -> None: ...

class DeviceFact(_message.Message):
    __slots__ = ("device_id", "display_name", "deleted", "created_at_ms", "revoked_sha256", "last_seen_ip", "last_seen_ts_ms")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_SHA256_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_IP_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TS_MS_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    display_name: str
    deleted: bool
    created_at_ms: int
    revoked_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    last_seen_ip: str
    last_seen_ts_ms: int
    def __init__(self, device_id: _Optional[str] = ..., display_name: _Optional[str] = ..., deleted: _Optional[bool] = ..., created_at_ms: _Optional[int] = ..., revoked_sha256: _Optional[_Iterable[bytes]] = ..., last_seen_ip: _Optional[str] = ..., last_seen_ts_ms: _Optional[int] = ...) -> None: ...

class TokenFact(_message.Message):
    __slots__ = ("token_sha256", "device_id", "expires_at_ms", "is_refresh_token", "replaces_sha256", "deleted")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    IS_REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REPLACES_SHA256_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    device_id: str
    expires_at_ms: int
    is_refresh_token: bool
    replaces_sha256: bytes
    deleted: bool
    def __init__(self, token_sha256: _Optional[bytes] = ..., device_id: _Optional[str] = ..., expires_at_ms: _Optional[int] = ..., is_refresh_token: _Optional[bool] = ..., replaces_sha256: _Optional[bytes] = ..., deleted: _Optional[bool] = ...) -> None: ...

class ProfileFact(_message.Message):
    __slots__ = ("profile_json", "shown_in_rooms_changed")
    PROFILE_JSON_FIELD_NUMBER: _ClassVar[int]
    SHOWN_IN_ROOMS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    profile_json: bytes
    shown_in_rooms_changed: bool
    def __init__(self, profile_json: _Optional[bytes] = ..., shown_in_rooms_changed: _Optional[bool] = ...) -> None: ...

class AccountDataFact(_message.Message):
    __slots__ = ("room_id", "type", "content_json")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    type: str
    content_json: bytes
    def __init__(self, room_id: _Optional[str] = ..., type: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class FilterFact(_message.Message):
    __slots__ = ("filter_id", "filter_json")
    FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_JSON_FIELD_NUMBER: _ClassVar[int]
    filter_id: str
    filter_json: bytes
    def __init__(self, filter_id: _Optional[str] = ..., filter_json: _Optional[bytes] = ...) -> None: ...

class ContentReportFact(_message.Message):
    __slots__ = ("report_id", "received_at_ms", "reporter", "room_id", "event_id", "user_id", "reason")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REPORTER_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    report_id: str
    received_at_ms: int
    reporter: str
    room_id: str
    event_id: str
    user_id: str
    reason: str
    def __init__(self, report_id: _Optional[str] = ..., received_at_ms: _Optional[int] = ..., reporter: _Optional[str] = ..., room_id: _Optional[str] = ..., event_id: _Optional[str] = ..., user_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ToDeviceFact(_message.Message):
    __slots__ = ("sender", "type", "contents", "transaction_sha256")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_SHA256_FIELD_NUMBER: _ClassVar[int]
    sender: str
    type: str
    contents: _containers.RepeatedCompositeFieldContainer[ToDeviceContent]
    transaction_sha256: bytes
    def __init__(self, sender: _Optional[str] = ..., type: _Optional[str] = ..., contents: _Optional[_Iterable[_Union[ToDeviceContent, _Mapping]]] = ..., transaction_sha256: _Optional[bytes] = ...) -> None: ...

class ToDeviceContent(_message.Message):
    __slots__ = ("content_json", "targets")
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    content_json: bytes
    targets: _containers.RepeatedCompositeFieldContainer[ToDeviceTarget]
    def __init__(self, content_json: _Optional[bytes] = ..., targets: _Optional[_Iterable[_Union[ToDeviceTarget, _Mapping]]] = ...) -> None: ...

class ToDeviceTarget(_message.Message):
    __slots__ = ("device_id", "messages_through", "bytes_through")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_THROUGH_FIELD_NUMBER: _ClassVar[int]
    BYTES_THROUGH_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    messages_through: int
    bytes_through: int
    def __init__(self, device_id: _Optional[str] = ..., messages_through: _Optional[int] = ..., bytes_through: _Optional[int] = ...) -> None: ...

class ToDeviceDeliveredFact(_message.Message):
    __slots__ = ("device_id", "through_position", "positions")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    THROUGH_POSITION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    through_position: int
    positions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, device_id: _Optional[str] = ..., through_position: _Optional[int] = ..., positions: _Optional[_Iterable[int]] = ...) -> None: ...

class NoticeRoomFact(_message.Message):
    __slots__ = ("user_id", "room_id", "claimed_at_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_id: str
    claimed_at_ms: int
    def __init__(self, user_id: _Optional[str] = ..., room_id: _Optional[str] = ..., claimed_at_ms: _Optional[int] = ...) -> None: ...

class PurgedFact(_message.Message):
    __slots__ = ("room_id", "events", "bucket", "position")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    events: _containers.RepeatedCompositeFieldContainer[RewrittenEvent]
    bucket: int
    position: int
    def __init__(self, room_id: _Optional[str] = ..., events: _Optional[_Iterable[_Union[RewrittenEvent, _Mapping]]] = ..., bucket: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class PresenceStatusFact(_message.Message):
    __slots__ = ("status_msg",)
    STATUS_MSG_FIELD_NUMBER: _ClassVar[int]
    status_msg: str
    def __init__(self, status_msg: _Optional[str] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("room_id", "user_id", "command_id", "command_reply", "written_at_ms", "traceparent", "room_event", "receipt", "typing", "forgotten", "account", "device", "token", "profile", "account_data", "filter", "to_device", "to_device_delivered", "presence_status", "alias", "published_room", "upgrade", "login_token", "auth_session", "registration_token", "delayed_event_scheduled", "delayed_event_restarted", "delayed_event_finalised", "content_report", "notice_room", "address", "validation", "mail_count", "chore", "chore_done", "purged")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_REPLY_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    ROOM_EVENT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_DATA_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TO_DEVICE_FIELD_NUMBER: _ClassVar[int]
    TO_DEVICE_DELIVERED_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_STATUS_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_ROOM_FIELD_NUMBER: _ClassVar[int]
    UPGRADE_FIELD_NUMBER: _ClassVar[int]
    LOGIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AUTH_SESSION_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DELAYED_EVENT_SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    DELAYED_EVENT_RESTARTED_FIELD_NUMBER: _ClassVar[int]
    DELAYED_EVENT_FINALISED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_REPORT_FIELD_NUMBER: _ClassVar[int]
    NOTICE_ROOM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    MAIL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHORE_FIELD_NUMBER: _ClassVar[int]
    CHORE_DONE_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    room_id: str
    user_id: str
    command_id: bytes
    command_reply: bytes
    written_at_ms: int
    traceparent: str
    room_event: RoomEventFact
    receipt: ReceiptFact
    typing: TypingFact
    forgotten: ForgottenFact
    account: AccountFact
    device: DeviceFact
    token: TokenFact
    profile: ProfileFact
    account_data: AccountDataFact
    filter: FilterFact
    to_device: ToDeviceFact
    to_device_delivered: ToDeviceDeliveredFact
    presence_status: PresenceStatusFact
    alias: _room_directory_pb2.AliasFact
    published_room: _room_directory_pb2.PublishedRoomFact
    upgrade: _room_directory_pb2.UpgradeFact
    login_token: LoginTokenFact
    auth_session: AuthSessionFact
    registration_token: RegistrationTokenFact
    delayed_event_scheduled: _delayed_events_pb2.DelayedEventScheduledFact
    delayed_event_restarted: _delayed_events_pb2.DelayedEventRestartedFact
    delayed_event_finalised: _delayed_events_pb2.FinalisedDelayedEvent
    content_report: ContentReportFact
    notice_room: NoticeRoomFact
    address: AddressFact
    validation: ValidationFact
    mail_count: MailCountFact
    chore: ChoreFact
    chore_done: ChoreDoneFact
    purged: PurgedFact
    def __init__(self, room_id: _Optional[str] = ..., user_id: _Optional[str] = ..., command_id: _Optional[bytes] = ..., command_reply: _Optional[bytes] = ..., written_at_ms: _Optional[int] = ..., traceparent: _Optional[str] = ..., room_event: _Optional[_Union[RoomEventFact, _Mapping]] = ..., receipt: _Optional[_Union[ReceiptFact, _Mapping]] = ..., typing: _Optional[_Union[TypingFact, _Mapping]] = ..., forgotten: _Optional[_Union[ForgottenFact, _Mapping]] = ..., account: _Optional[_Union[AccountFact, _Mapping]] = ..., device: _Optional[_Union[DeviceFact, _Mapping]] = ..., token: _Optional[_Union[TokenFact, _Mapping]] = ..., profile: _Optional[_Union[ProfileFact, _Mapping]] = ..., account_data: _Optional[_Union[AccountDataFact, _Mapping]] = ..., filter: _Optional[_Union[FilterFact, _Mapping]] = ..., to_device: _Optional[_Union[ToDeviceFact, _Mapping]] = ..., to_device_delivered: _Optional[_Union[ToDeviceDeliveredFact, _Mapping]] = ..., presence_status: _Optional[_Union[PresenceStatusFact, _Mapping]] = ..., alias: _Optional[_Union[_room_directory_pb2.AliasFact, _Mapping]] = ..., published_room: _Optional[_Union[_room_directory_pb2.PublishedRoomFact, _Mapping]] = ..., upgrade: _Optional[_Union[_room_directory_pb2.UpgradeFact, _Mapping]] = ..., login_token: _Optional[_Union[LoginTokenFact, _Mapping]] = ..., auth_session: _Optional[_Union[AuthSessionFact, _Mapping]] = ..., registration_token: _Optional[_Union[RegistrationTokenFact, _Mapping]] = ..., delayed_event_scheduled: _Optional[_Union[_delayed_events_pb2.DelayedEventScheduledFact, _Mapping]] = ..., delayed_event_restarted: _Optional[_Union[_delayed_events_pb2.DelayedEventRestartedFact, _Mapping]] = ..., delayed_event_finalised: _Optional[_Union[_delayed_events_pb2.FinalisedDelayedEvent, _Mapping]] = ..., content_report: _Optional[_Union[ContentReportFact, _Mapping]] = ..., notice_room: _Optional[_Union[NoticeRoomFact, _Mapping]] = ..., address: _Optional[_Union[AddressFact, _Mapping]] = ..., validation: _Optional[_Union[ValidationFact, _Mapping]] = ..., mail_count: _Optional[_Union[MailCountFact, _Mapping]] = ..., chore: _Optional[_Union[ChoreFact, _Mapping]] = ..., chore_done: _Optional[_Union[ChoreDoneFact, _Mapping]] = ..., purged: _Optional[_Union[PurgedFact, _Mapping]] = ...) -> None: ...

class FactDelivery(_message.Message):
    __slots__ = ("shard", "epoch", "after_position", "head_position", "facts")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    shard: str
    epoch: int
    after_position: int
    head_position: int
    facts: _containers.RepeatedCompositeFieldContainer[DeliveredFact]
    def __init__(self, shard: _Optional[str] = ..., epoch: _Optional[int] = ..., after_position: _Optional[int] = ..., head_position: _Optional[int] = ..., facts: _Optional[_Iterable[_Union[DeliveredFact, _Mapping]]] = ...) -> None: ...

class DeliveredFact(_message.Message):
    __slots__ = ("position", "fact")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    FACT_FIELD_NUMBER: _ClassVar[int]
    position: int
    fact: bytes
    def __init__(self, position: _Optional[int] = ..., fact: _Optional[bytes] = ...) -> None: ...

class ConsumerMessage(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[FactDelivery]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[FactDelivery, _Mapping]]] = ...) -> None: ...

class InterestRequest(_message.Message):
    __slots__ = ("consumer", "replace", "add_room_ids", "remove_room_ids", "add_user_ids", "remove_user_ids", "known_epoch", "number")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    ADD_ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    ADD_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    REMOVE_USER_IDS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    replace: bool
    add_room_ids: _containers.RepeatedScalarFieldContainer[str]
    remove_room_ids: _containers.RepeatedScalarFieldContainer[str]
    add_user_ids: _containers.RepeatedScalarFieldContainer[str]
    remove_user_ids: _containers.RepeatedScalarFieldContainer[str]
    known_epoch: int
    number: int
    def __init__(self, consumer: _Optional[str] = ..., replace: _Optional[bool] = ..., add_room_ids: _Optional[_Iterable[str]] = ..., remove_room_ids: _Optional[_Iterable[str]] = ..., add_user_ids: _Optional[_Iterable[str]] = ..., remove_user_ids: _Optional[_Iterable[str]] = ..., known_epoch: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class InterestReply(_message.Message):
    __slots__ = ("unknown", "epoch", "head_position")
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEAD_POSITION_FIELD_NUMBER: _ClassVar[int]
    unknown: bool
    epoch: int
    head_position: int
    def __init__(self, unknown: _Optional[bool] = ..., epoch: _Optional[int] = ..., head_position: _Optional[int] = ...) -> None: ...

class OwnerAnnouncement(_message.Message):
    __slots__ = ("shard", "epoch", "worker")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    shard: str
    epoch: int
    worker: str
    def __init__(self, shard: _Optional[str] = ..., epoch: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

class LedgerHead(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class TokenRevoked(_message.Message):
    __slots__ = ("token_sha256", "user_id", "account_changed")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    token_sha256: _containers.RepeatedScalarFieldContainer[bytes]
    user_id: str
    account_changed: bool
    def __init__(self, token_sha256: _Optional[_Iterable[bytes]] = ..., user_id: _Optional[str] = ..., account_changed: _Optional[bool] = ...) -> None: ...
