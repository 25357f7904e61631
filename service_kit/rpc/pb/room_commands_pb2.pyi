from service_kit.rpc.pb import delayed_events_pb2 as _delayed_events_pb2
from service_kit.rpc.pb import room_directory_pb2 as _room_directory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateRoom(_message.Message):
    __slots__ = ("creator", "room_version", "origin_server_ts_ms", "request_json", "member_content_json", "invitee_content_json", "alias")
    class InviteeContentJsonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    ROOM_VERSION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_SERVER_TS_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    MEMBER_CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    INVITEE_CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    creator: str
    room_version: str
    origin_server_ts_ms: int
    request_json: bytes
    member_content_json: bytes
    invitee_content_json: _containers.ScalarMap[str, bytes]
    alias: str
    def __init__(self, creator: _Optional[str] = ..., room_version: _Optional[str] = ..., origin_server_ts_ms: _Optional[int] = ..., request_json: _Optional[bytes] = ..., member_content_json: _Optional[bytes] = ..., invitee_content_json: _Optional[_Mapping[str, bytes]] = ..., alias: _Optional[str] = ...) -> None: ...

class SendEvent(_message.Message):
    __slots__ = ("sender", "device_id", "client_txn_id", "event_type", "state_key", "content_json", "redacts", "guest")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TXN_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    REDACTS_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    sender: str
    device_id: str
    client_txn_id: str
    event_type: str
    state_key: str
    content_json: bytes
    redacts: str
    guest: bool
    def __init__(self, sender: _Optional[str] = ..., device_id: _Optional[str] = ..., client_txn_id: _Optional[str] = ..., event_type: _Optional[str] = ..., state_key: _Optional[str] = ..., content_json: _Optional[bytes] = ..., redacts: _Optional[str] = ..., guest: _Optional[bool] = ...) -> None: ...

class ChangeMembership(_message.Message):
    __slots__ = ("sender", "target", "action", "content_json", "device_id", "guest")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[ChangeMembership.Action]
        JOIN: _ClassVar[ChangeMembership.Action]
        INVITE: _ClassVar[ChangeMembership.Action]
        LEAVE: _ClassVar[ChangeMembership.Action]
        KICK: _ClassVar[ChangeMembership.Action]
        BAN: _ClassVar[ChangeMembership.Action]
        UNBAN: _ClassVar[ChangeMembership.Action]
        KNOCK: _ClassVar[ChangeMembership.Action]
        UPDATE_PROFILE: _ClassVar[ChangeMembership.Action]
        ACCEPT_THIRD_PARTY_INVITE: _ClassVar[ChangeMembership.Action]
    ACTION_UNSPECIFIED: ChangeMembership.Action
    JOIN: ChangeMembership.Action
    INVITE: ChangeMembership.Action
    LEAVE: ChangeMembership.Action
    KICK: ChangeMembership.Action
    BAN: ChangeMembership.Action
    UNBAN: ChangeMembership.Action
    KNOCK: ChangeMembership.Action
    UPDATE_PROFILE: ChangeMembership.Action
    ACCEPT_THIRD_PARTY_INVITE: ChangeMembership.Action
    SENDER_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    sender: str
    target: str
    action: ChangeMembership.Action
    content_json: bytes
    device_id: str
    guest: bool
    def __init__(self, sender: _Optional[str] = ..., target: _Optional[str] = ..., action: _Optional[_Union[ChangeMembership.Action, str]] = ..., content_json: _Optional[bytes] = ..., device_id: _Optional[str] = ..., guest: _Optional[bool] = ...) -> None: ...

class SetReceipt(_message.Message):
    __slots__ = ("user_id", "receipt_type", "event_id", "thread_id", "ts_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    THREAD_ID_FIELD_NUMBER: _ClassVar[int]
    TS_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    receipt_type: str
    event_id: str
    thread_id: str
    ts_ms: int
    def __init__(self, user_id: _Optional[str] = ..., receipt_type: _Optional[str] = ..., event_id: _Optional[str] = ..., thread_id: _Optional[str] = ..., ts_ms: _Optional[int] = ...) -> None: ...

class SetTyping(_message.Message):
    __slots__ = ("user_id", "typing", "timeout_ms", "only_if_expired")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPING_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    ONLY_IF_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    typing: bool
    timeout_ms: int
    only_if_expired: bool
    def __init__(self, user_id: _Optional[str] = ..., typing: _Optional[bool] = ..., timeout_ms: _Optional[int] = ..., only_if_expired: _Optional[bool] = ...) -> None: ...

class ForgetRoom(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class PurgeRoom(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RoomCommand(_message.Message):
    __slots__ = ("create_room", "send_event", "change_membership", "set_receipt", "set_typing", "forget_room", "set_alias", "delete_alias", "set_visibility", "begin_upgrade", "create_successor", "complete_upgrade", "settle", "schedule_delayed_event", "change_delayed_event", "purge_room")
    CREATE_ROOM_FIELD_NUMBER: _ClassVar[int]
    SEND_EVENT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    SET_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    SET_TYPING_FIELD_NUMBER: _ClassVar[int]
    FORGET_ROOM_FIELD_NUMBER: _ClassVar[int]
    SET_ALIAS_FIELD_NUMBER: _ClassVar[int]
    DELETE_ALIAS_FIELD_NUMBER: _ClassVar[int]
    SET_VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    BEGIN_UPGRADE_FIELD_NUMBER: _ClassVar[int]
    CREATE_SUCCESSOR_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_UPGRADE_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_DELAYED_EVENT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_DELAYED_EVENT_FIELD_NUMBER: _ClassVar[int]
    PURGE_ROOM_FIELD_NUMBER: _ClassVar[int]
    create_room: CreateRoom
    send_event: SendEvent
    change_membership: ChangeMembership
    set_receipt: SetReceipt
    set_typing: SetTyping
    forget_room: ForgetRoom
    set_alias: _room_directory_pb2.SetAlias
    delete_alias: _room_directory_pb2.DeleteAlias
    set_visibility: _room_directory_pb2.SetVisibility
    begin_upgrade: _room_directory_pb2.BeginUpgrade
    create_successor: _room_directory_pb2.CreateSuccessor
    complete_upgrade: _room_directory_pb2.CompleteUpgrade
    settle: _room_directory_pb2.Settle
    schedule_delayed_event: _delayed_events_pb2.ScheduleDelayedEvent
    change_delayed_event: _delayed_events_pb2.ChangeDelayedEvent
    purge_room: PurgeRoom
    def __init__(self, create_room: _Optional[_Union[CreateRoom, _Mapping]] = ..., send_event: _Optional[_Union[SendEvent, _Mapping]] = ..., change_membership: _Optional[_Union[ChangeMembership, _Mapping]] = ..., set_receipt: _Optional[_Union[SetReceipt, _Mapping]] = ..., set_typing: _Optional[_Union[SetTyping, _Mapping]] = ..., forget_room: _Optional[_Union[ForgetRoom, _Mapping]] = ..., set_alias: _Optional[_Union[_room_directory_pb2.SetAlias, _Mapping]] = ..., delete_alias: _Optional[_Union[_room_directory_pb2.DeleteAlias, _Mapping]] = ..., set_visibility: _Optional[_Union[_room_directory_pb2.SetVisibility, _Mapping]] = ..., begin_upgrade: _Optional[_Union[_room_directory_pb2.BeginUpgrade, _Mapping]] = ..., create_successor: _Optional[_Union[_room_directory_pb2.CreateSuccessor, _Mapping]] = ..., complete_upgrade: _Optional[_Union[_room_directory_pb2.CompleteUpgrade, _Mapping]] = ..., settle: _Optional[_Union[_room_directory_pb2.Settle, _Mapping]] = ..., schedule_delayed_event: _Optional[_Union[_delayed_events_pb2.ScheduleDelayedEvent, _Mapping]] = ..., change_delayed_event: _Optional[_Union[_delayed_events_pb2.ChangeDelayedEvent, _Mapping]] = ..., purge_room: _Optional[_Union[PurgeRoom, _Mapping]] = ...) -> None: ...

class RoomReply(_message.Message):
    __slots__ = ("event_id", "room_id", "guests_must_leave", "upgrade", "predecessor_room_id", "more_to_purge")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    GUESTS_MUST_LEAVE_FIELD_NUMBER: _ClassVar[int]
    UPGRADE_FIELD_NUMBER: _ClassVar[int]
    PREDECESSOR_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    MORE_TO_PURGE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    room_id: str
    guests_must_leave: bool
    upgrade: _room_directory_pb2.UpgradeFact
    predecessor_room_id: str
    more_to_purge: bool
    def __init__(self, event_id: _Optional[str] = ..., room_id: _Optional[str] = ..., guests_must_leave: _Optional[bool] = ..., upgrade: _Optional[_Union[_room_directory_pb2.UpgradeFact, _Mapping]] = ..., predecessor_room_id: _Optional[str] = ..., more_to_purge: _Optional[bool] = ...) -> None: ...
