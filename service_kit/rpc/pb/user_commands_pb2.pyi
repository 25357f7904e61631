from service_kit.rpc.pb import facts_pb2 as _facts_pb2
from service_kit.rpc.pb import presence_pb2 as _presence_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NewSession(_message.Message):
    __slots__ = ("device_id", "initial_device_display_name", "access_token_sha256", "refresh_token_sha256", "access_token_lifetime_ms", "client_ip")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    INITIAL_DEVICE_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_IP_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    initial_device_display_name: str
    access_token_sha256: bytes
    refresh_token_sha256: bytes
    access_token_lifetime_ms: int
    client_ip: str
    def __init__(self, device_id: _Optional[str] = ..., initial_device_display_name: _Optional[str] = ..., access_token_sha256: _Optional[bytes] = ..., refresh_token_sha256: _Optional[bytes] = ..., access_token_lifetime_ms: _Optional[int] = ..., client_ip: _Optional[str] = ...) -> None: ...

class RegisterUser(_message.Message):
    __slots__ = ("user_id", "password", "admin", "guest", "session", "guest_token_sha256", "accepted_policies", "third_party_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    GUEST_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_POLICIES_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    password: str
    admin: bool
    guest: bool
    session: NewSession
    guest_token_sha256: bytes
    accepted_policies: _containers.RepeatedScalarFieldContainer[str]
    third_party_id: _facts_pb2.ThirdPartyId
    def __init__(self, user_id: _Optional[str] = ..., password: _Optional[str] = ..., admin: _Optional[bool] = ..., guest: _Optional[bool] = ..., session: _Optional[_Union[NewSession, _Mapping]] = ..., guest_token_sha256: _Optional[bytes] = ..., accepted_policies: _Optional[_Iterable[str]] = ..., third_party_id: _Optional[_Union[_facts_pb2.ThirdPartyId, _Mapping]] = ...) -> None: ...

class SetModeration(_message.Message):
    __slots__ = ("user_id", "locked", "suspended")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    locked: bool
    suspended: bool
    def __init__(self, user_id: _Optional[str] = ..., locked: _Optional[bool] = ..., suspended: _Optional[bool] = ...) -> None: ...

class GetAccount(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class NewLoginToken(_message.Message):
    __slots__ = ("user_id", "token_sha256", "lifetime_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    token_sha256: bytes
    lifetime_ms: int
    def __init__(self, user_id: _Optional[str] = ..., token_sha256: _Optional[bytes] = ..., lifetime_ms: _Optional[int] = ...) -> None: ...

class LoginWithToken(_message.Message):
    __slots__ = ("token_sha256", "session")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    session: NewSession
    def __init__(self, token_sha256: _Optional[bytes] = ..., session: _Optional[_Union[NewSession, _Mapping]] = ...) -> None: ...

class AuthStage(_message.Message):
    __slots__ = ("stage", "detail_json")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_JSON_FIELD_NUMBER: _ClassVar[int]
    stage: str
    detail_json: bytes
    def __init__(self, stage: _Optional[str] = ..., detail_json: _Optional[bytes] = ...) -> None: ...

class PassStage(_message.Message):
    __slots__ = ("session", "stage")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    session: str
    stage: AuthStage
    def __init__(self, session: _Optional[str] = ..., stage: _Optional[_Union[AuthStage, _Mapping]] = ...) -> None: ...

class GetStages(_message.Message):
    __slots__ = ("session", "end")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    session: str
    end: bool
    def __init__(self, session: _Optional[str] = ..., end: _Optional[bool] = ...) -> None: ...

class UseRegistrationToken(_message.Message):
    __slots__ = ("token_sha256", "uses_max", "act")
    class Act(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ASK: _ClassVar[UseRegistrationToken.Act]
        TAKE: _ClassVar[UseRegistrationToken.Act]
        GIVE_BACK: _ClassVar[UseRegistrationToken.Act]
    ASK: UseRegistrationToken.Act
    TAKE: UseRegistrationToken.Act
    GIVE_BACK: UseRegistrationToken.Act
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    USES_MAX_FIELD_NUMBER: _ClassVar[int]
    ACT_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    uses_max: int
    act: UseRegistrationToken.Act
    def __init__(self, token_sha256: _Optional[bytes] = ..., uses_max: _Optional[int] = ..., act: _Optional[_Union[UseRegistrationToken.Act, str]] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("server_name", "medium", "address")
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    server_name: str
    medium: str
    address: str
    def __init__(self, server_name: _Optional[str] = ..., medium: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class ClaimAddress(_message.Message):
    __slots__ = ("address", "user_id", "instead_of")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    INSTEAD_OF_FIELD_NUMBER: _ClassVar[int]
    address: Address
    user_id: str
    instead_of: str
    def __init__(self, address: _Optional[_Union[Address, _Mapping]] = ..., user_id: _Optional[str] = ..., instead_of: _Optional[str] = ...) -> None: ...

class ReleaseAddress(_message.Message):
    __slots__ = ("address", "user_id", "claimed_at_ms")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    address: Address
    user_id: str
    claimed_at_ms: int
    def __init__(self, address: _Optional[_Union[Address, _Mapping]] = ..., user_id: _Optional[str] = ..., claimed_at_ms: _Optional[int] = ...) -> None: ...

class GetAddress(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: Address
    def __init__(self, address: _Optional[_Union[Address, _Mapping]] = ...) -> None: ...

class BeginValidation(_message.Message):
    __slots__ = ("sid", "address", "purpose", "client_secret_sha256", "send_attempt", "next_link", "lifetime_ms", "mail_kind", "base_url", "address_code", "mails_per_hour_max")
    SID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    SEND_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NEXT_LINK_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    MAIL_KIND_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_CODE_FIELD_NUMBER: _ClassVar[int]
    MAILS_PER_HOUR_MAX_FIELD_NUMBER: _ClassVar[int]
    sid: str
    address: Address
    purpose: str
    client_secret_sha256: bytes
    send_attempt: int
    next_link: str
    lifetime_ms: int
    mail_kind: str
    base_url: str
    address_code: str
    mails_per_hour_max: int
    def __init__(self, sid: _Optional[str] = ..., address: _Optional[_Union[Address, _Mapping]] = ..., purpose: _Optional[str] = ..., client_secret_sha256: _Optional[bytes] = ..., send_attempt: _Optional[int] = ..., next_link: _Optional[str] = ..., lifetime_ms: _Optional[int] = ..., mail_kind: _Optional[str] = ..., base_url: _Optional[str] = ..., address_code: _Optional[str] = ..., mails_per_hour_max: _Optional[int] = ...) -> None: ...

class SubmitValidation(_message.Message):
    __slots__ = ("sid", "token", "client_secret_sha256", "look")
    SID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    LOOK_FIELD_NUMBER: _ClassVar[int]
    sid: str
    token: str
    client_secret_sha256: bytes
    look: bool
    def __init__(self, sid: _Optional[str] = ..., token: _Optional[str] = ..., client_secret_sha256: _Optional[bytes] = ..., look: _Optional[bool] = ...) -> None: ...

class GetValidation(_message.Message):
    __slots__ = ("sid", "client_secret_sha256", "purpose", "end")
    SID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    sid: str
    client_secret_sha256: bytes
    purpose: str
    end: bool
    def __init__(self, sid: _Optional[str] = ..., client_secret_sha256: _Optional[bytes] = ..., purpose: _Optional[str] = ..., end: _Optional[bool] = ...) -> None: ...

class AddThirdPartyId(_message.Message):
    __slots__ = ("user_id", "third_party_id", "third_party_ids_max")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_ID_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_IDS_MAX_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    third_party_id: _facts_pb2.ThirdPartyId
    third_party_ids_max: int
    def __init__(self, user_id: _Optional[str] = ..., third_party_id: _Optional[_Union[_facts_pb2.ThirdPartyId, _Mapping]] = ..., third_party_ids_max: _Optional[int] = ...) -> None: ...

class RemoveThirdPartyId(_message.Message):
    __slots__ = ("user_id", "medium", "address")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    medium: str
    address: str
    def __init__(self, user_id: _Optional[str] = ..., medium: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class FinishChore(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class LoginWithPassword(_message.Message):
    __slots__ = ("user_id", "password", "session")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    password: str
    session: NewSession
    def __init__(self, user_id: _Optional[str] = ..., password: _Optional[str] = ..., session: _Optional[_Union[NewSession, _Mapping]] = ...) -> None: ...

class CheckPassword(_message.Message):
    __slots__ = ("user_id", "password")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    password: str
    def __init__(self, user_id: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class CheckUsername(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class LookUpToken(_message.Message):
    __slots__ = ("token_sha256", "client_ip")
    TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    CLIENT_IP_FIELD_NUMBER: _ClassVar[int]
    token_sha256: bytes
    client_ip: str
    def __init__(self, token_sha256: _Optional[bytes] = ..., client_ip: _Optional[str] = ...) -> None: ...

class RefreshToken(_message.Message):
    __slots__ = ("refresh_token_sha256", "new_access_token_sha256", "new_refresh_token_sha256", "access_token_lifetime_ms")
    REFRESH_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    NEW_ACCESS_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    NEW_REFRESH_TOKEN_SHA256_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_LIFETIME_MS_FIELD_NUMBER: _ClassVar[int]
    refresh_token_sha256: bytes
    new_access_token_sha256: bytes
    new_refresh_token_sha256: bytes
    access_token_lifetime_ms: int
    def __init__(self, refresh_token_sha256: _Optional[bytes] = ..., new_access_token_sha256: _Optional[bytes] = ..., new_refresh_token_sha256: _Optional[bytes] = ..., access_token_lifetime_ms: _Optional[int] = ...) -> None: ...

class Logout(_message.Message):
    __slots__ = ("user_id", "device_id", "all_devices")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_DEVICES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    all_devices: bool
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., all_devices: _Optional[bool] = ...) -> None: ...

class SetPassword(_message.Message):
    __slots__ = ("user_id", "password", "logout_devices", "keep_device_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    LOGOUT_DEVICES_FIELD_NUMBER: _ClassVar[int]
    KEEP_DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    password: str
    logout_devices: bool
    keep_device_id: str
    def __init__(self, user_id: _Optional[str] = ..., password: _Optional[str] = ..., logout_devices: _Optional[bool] = ..., keep_device_id: _Optional[str] = ...) -> None: ...

class DeactivateUser(_message.Message):
    __slots__ = ("user_id", "erase")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ERASE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    erase: bool
    def __init__(self, user_id: _Optional[str] = ..., erase: _Optional[bool] = ...) -> None: ...

class ListUsers(_message.Message):
    __slots__ = ("after_user_id", "limit")
    AFTER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after_user_id: str
    limit: int
    def __init__(self, after_user_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GetProfile(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class SetProfileField(_message.Message):
    __slots__ = ("user_id", "field", "value_json", "remove")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    field: str
    value_json: bytes
    remove: bool
    def __init__(self, user_id: _Optional[str] = ..., field: _Optional[str] = ..., value_json: _Optional[bytes] = ..., remove: _Optional[bool] = ...) -> None: ...

class ListDevices(_message.Message):
    __slots__ = ("user_id", "device_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ...) -> None: ...

class UpdateDevice(_message.Message):
    __slots__ = ("user_id", "device_id", "display_name")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    display_name: str
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class DeleteDevices(_message.Message):
    __slots__ = ("user_id", "device_ids")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_IDS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., device_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class SetAccountData(_message.Message):
    __slots__ = ("user_id", "room_id", "type", "content_json")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_id: str
    type: str
    content_json: bytes
    def __init__(self, user_id: _Optional[str] = ..., room_id: _Optional[str] = ..., type: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class GetAccountData(_message.Message):
    __slots__ = ("user_id", "room_id", "type")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_id: str
    type: str
    def __init__(self, user_id: _Optional[str] = ..., room_id: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class ChangePushRule(_message.Message):
    __slots__ = ("user_id", "kind", "rule_id", "put", "remove", "set_enabled", "set_actions_json")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    SET_ENABLED_FIELD_NUMBER: _ClassVar[int]
    SET_ACTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    kind: str
    rule_id: str
    put: PutPushRule
    remove: bool
    set_enabled: bool
    set_actions_json: bytes
    def __init__(self, user_id: _Optional[str] = ..., kind: _Optional[str] = ..., rule_id: _Optional[str] = ..., put: _Optional[_Union[PutPushRule, _Mapping]] = ..., remove: _Optional[bool] = ..., set_enabled: _Optional[bool] = ..., set_actions_json: _Optional[bytes] = ...) -> None: ...

class PutPushRule(_message.Message):
    __slots__ = ("body_json", "before", "after")
    BODY_JSON_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    body_json: bytes
    before: str
    after: str
    def __init__(self, body_json: _Optional[bytes] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class SetTag(_message.Message):
    __slots__ = ("user_id", "room_id", "tag", "content_json")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_id: str
    tag: str
    content_json: bytes
    def __init__(self, user_id: _Optional[str] = ..., room_id: _Optional[str] = ..., tag: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class SendToDevice(_message.Message):
    __slots__ = ("sender", "device_id", "client_txn_id", "event_type", "messages")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TXN_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    sender: str
    device_id: str
    client_txn_id: str
    event_type: str
    messages: _containers.RepeatedCompositeFieldContainer[ToDeviceMessage]
    def __init__(self, sender: _Optional[str] = ..., device_id: _Optional[str] = ..., client_txn_id: _Optional[str] = ..., event_type: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[ToDeviceMessage, _Mapping]]] = ...) -> None: ...

class ToDeviceMessage(_message.Message):
    __slots__ = ("user_id", "device_id", "content_json")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    content_json: bytes
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., content_json: _Optional[bytes] = ...) -> None: ...

class DeliveredToDevice(_message.Message):
    __slots__ = ("user_id", "device_id", "through_position")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    THROUGH_POSITION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    through_position: int
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., through_position: _Optional[int] = ...) -> None: ...

class ReportPresence(_message.Message):
    __slots__ = ("devices",)
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    devices: _containers.RepeatedCompositeFieldContainer[DevicePresence]
    def __init__(self, devices: _Optional[_Iterable[_Union[DevicePresence, _Mapping]]] = ...) -> None: ...

class DevicePresence(_message.Message):
    __slots__ = ("user_id", "device_id", "presence", "active")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    presence: str
    active: bool
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., presence: _Optional[str] = ..., active: _Optional[bool] = ...) -> None: ...

class SetPresence(_message.Message):
    __slots__ = ("user_id", "device_id", "presence", "status_msg")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_MSG_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    presence: str
    status_msg: str
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., presence: _Optional[str] = ..., status_msg: _Optional[str] = ...) -> None: ...

class GetPresence(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class SaveFilter(_message.Message):
    __slots__ = ("user_id", "filter_json")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_JSON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    filter_json: bytes
    def __init__(self, user_id: _Optional[str] = ..., filter_json: _Optional[bytes] = ...) -> None: ...

class GetFilter(_message.Message):
    __slots__ = ("user_id", "filter_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    filter_id: str
    def __init__(self, user_id: _Optional[str] = ..., filter_id: _Optional[str] = ...) -> None: ...

class ReportContent(_message.Message):
    __slots__ = ("reporter", "room_id", "event_id", "user_id", "reason")
    REPORTER_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    reporter: str
    room_id: str
    event_id: str
    user_id: str
    reason: str
    def __init__(self, reporter: _Optional[str] = ..., room_id: _Optional[str] = ..., event_id: _Optional[str] = ..., user_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListContentReports(_message.Message):
    __slots__ = ("day", "after_report_id", "limit")
    DAY_FIELD_NUMBER: _ClassVar[int]
    AFTER_REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    day: int
    after_report_id: str
    limit: int
    def __init__(self, day: _Optional[int] = ..., after_report_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ClaimNoticeRoom(_message.Message):
    __slots__ = ("user_id", "room_id", "replaces_room_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    REPLACES_ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    room_id: str
    replaces_room_id: str
    def __init__(self, user_id: _Optional[str] = ..., room_id: _Optional[str] = ..., replaces_room_id: _Optional[str] = ...) -> None: ...

class UserCommand(_message.Message):
    __slots__ = ("register_user", "login_with_password", "check_password", "check_username", "look_up_token", "refresh_token", "logout", "set_password", "deactivate_user", "list_users", "get_profile", "set_profile_field", "list_devices", "update_device", "delete_devices", "set_account_data", "get_account_data", "save_filter", "get_filter", "change_push_rule", "set_tag", "set_moderation", "get_account", "new_login_token", "login_with_token", "pass_stage", "get_stages", "use_registration_token", "report_content", "list_content_reports", "send_to_device", "delivered_to_device", "report_presence", "set_presence", "get_presence", "claim_notice_room", "claim_address", "release_address", "get_address", "begin_validation", "submit_validation", "get_validation", "add_third_party_id", "remove_third_party_id", "finish_chore")
    REGISTER_USER_FIELD_NUMBER: _ClassVar[int]
    LOGIN_WITH_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CHECK_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CHECK_USERNAME_FIELD_NUMBER: _ClassVar[int]
    LOOK_UP_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOGOUT_FIELD_NUMBER: _ClassVar[int]
    SET_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATE_USER_FIELD_NUMBER: _ClassVar[int]
    LIST_USERS_FIELD_NUMBER: _ClassVar[int]
    GET_PROFILE_FIELD_NUMBER: _ClassVar[int]
    SET_PROFILE_FIELD_FIELD_NUMBER: _ClassVar[int]
    LIST_DEVICES_FIELD_NUMBER: _ClassVar[int]
    UPDATE_DEVICE_FIELD_NUMBER: _ClassVar[int]
    DELETE_DEVICES_FIELD_NUMBER: _ClassVar[int]
    SET_ACCOUNT_DATA_FIELD_NUMBER: _ClassVar[int]
    GET_ACCOUNT_DATA_FIELD_NUMBER: _ClassVar[int]
    SAVE_FILTER_FIELD_NUMBER: _ClassVar[int]
    GET_FILTER_FIELD_NUMBER: _ClassVar[int]
    CHANGE_PUSH_RULE_FIELD_NUMBER: _ClassVar[int]
    SET_TAG_FIELD_NUMBER: _ClassVar[int]
    SET_MODERATION_FIELD_NUMBER: _ClassVar[int]
    GET_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NEW_LOGIN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOGIN_WITH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PASS_STAGE_FIELD_NUMBER: _ClassVar[int]
    GET_STAGES_FIELD_NUMBER: _ClassVar[int]
    USE_REGISTRATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REPORT_CONTENT_FIELD_NUMBER: _ClassVar[int]
    LIST_CONTENT_REPORTS_FIELD_NUMBER: _ClassVar[int]
    SEND_TO_DEVICE_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_TO_DEVICE_FIELD_NUMBER: _ClassVar[int]
    REPORT_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    SET_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    GET_PRESENCE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_NOTICE_ROOM_FIELD_NUMBER: _ClassVar[int]
    CLAIM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BEGIN_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    GET_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    ADD_THIRD_PARTY_ID_FIELD_NUMBER: _ClassVar[int]
    REMOVE_THIRD_PARTY_ID_FIELD_NUMBER: _ClassVar[int]
    FINISH_CHORE_FIELD_NUMBER: _ClassVar[int]
    register_user: RegisterUser
    login_with_password: LoginWithPassword
    check_password: CheckPassword
    check_username: CheckUsername
    look_up_token: LookUpToken
    refresh_token: RefreshToken
    logout: Logout
    set_password: SetPassword
    deactivate_user: DeactivateUser
    list_users: ListUsers
    get_profile: GetProfile
    set_profile_field: SetProfileField
    list_devices: ListDevices
    update_device: UpdateDevice
    delete_devices: DeleteDevices
    set_account_data: SetAccountData
    get_account_data: GetAccountData
    save_filter: SaveFilter
    get_filter: GetFilter
    change_push_rule: ChangePushRule
    set_tag: SetTag
    set_moderation: SetModeration
    get_account: GetAccount
    new_login_token: NewLoginToken
    login_with_token: LoginWithToken
    pass_stage: PassStage
    get_stages: GetStages
    use_registration_token: UseRegistrationToken
    report_content: ReportContent
    list_content_reports: ListContentReports
    send_to_device: SendToDevice
    delivered_to_device: DeliveredToDevice
    report_presence: ReportPresence
    set_presence: SetPresence
    get_presence: GetPresence
    claim_notice_room: ClaimNoticeRoom
    claim_address: ClaimAddress
    release_address: ReleaseAddress
    get_address: GetAddress
    begin_validation: BeginValidation
    submit_validation: SubmitValidation
    get_validation: GetValidation
    add_third_party_id: AddThirdPartyId
    remove_third_party_id: RemoveThirdPartyId
    finish_chore: FinishChore
    def __init__(self, register_user: _Optional[_Union[RegisterUser, _Mapping]] = ..., login_with_password: _Optional[_Union[LoginWithPassword, _Mapping]] = ..., check_password: _Optional[_Union[CheckPassword, _Mapping]] = ..., check_username: _Optional[_Union[CheckUsername, _Mapping]] = ..., look_up_token: _Optional[_Union[LookUpToken, _Mapping]] = ..., refresh_token: _Optional[_Union[RefreshToken, _Mapping]] = ..., logout: _Optional[_Union[Logout, _Mapping]] = ..., set_password: _Optional[_Union[SetPassword, _Mapping]] = ..., deactivate_user: _Optional[_Union[DeactivateUser, _Mapping]] = ..., list_users: _Optional[_Union[ListUsers, _Mapping]] = ..., get_profile: _Optional[_Union[GetProfile, _Mapping]] = ..., set_profile_field: _Optional[_Union[SetProfileField, _Mapping]] = ..., list_devices: _Optional[_Union[ListDevices, _Mapping]] = ..., update_device: _Optional[_Union[UpdateDevice, _Mapping]] = ..., delete_devices: _Optional[_Union[DeleteDevices, _Mapping]] = ..., set_account_data: _Optional[_Union[SetAccountData, _Mapping]] = ..., get_account_data: _Optional[_Union[GetAccountData, _Mapping]] = ..., save_filter: _Optional[_Union[SaveFilter, _Mapping]] = ..., get_filter: _Optional[_Union[GetFilter, _Mapping]] = ..., change_push_rule: _Optional[_Union[ChangePushRule, _Mapping]] = ..., set_tag: _Optional[_Union[SetTag, _Mapping]] = ..., set_moderation: _Optional[_Union[SetModeration, _Mapping]] = ..., get_account: _Optional[_Union[GetAccount, _Mapping]] = ..., new_login_token: _Optional[_Union[NewLoginToken, _Mapping]] = ..., login_with_token: _Optional[_Union[LoginWithToken, _Mapping]] = ..., pass_stage: _Optional[_Union[PassStage, _Mapping]] = ..., get_stages: _Optional[_Union[GetStages, _Mapping]] = ..., use_registration_token: _Optional[_Union[UseRegistrationToken, _Mapping]] = ..., report_content: _Optional[_Union[ReportContent, _Mapping]] = ..., list_content_reports: _Optional[_Union[ListContentReports, _Mapping]] = ..., send_to_device: _Optional[_Union[SendToDevice, _Mapping]] = ..., delivered_to_device: _Optional[_Union[DeliveredToDevice, _Mapping]] = ..., report_presence: _Optional[_Union[ReportPresence, _Mapping]] = ..., set_presence: _Optional[_Union[SetPresence, _Mapping]] = ..., get_presence: _Optional[_Union[GetPresence, _Mapping]] = ..., claim_notice_room: _Optional[_Union[ClaimNoticeRoom, _Mapping]] = ..., claim_address: _Optional[_Union[ClaimAddress, _Mapping]] = ..., release_address: _Optional[_Union[ReleaseAddress, _Mapping]] = ..., get_address: _Optional[_Union[GetAddress, _Mapping]] = ..., begin_validation: _Optional[_Union[BeginValidation, _Mapping]] = ..., submit_validation: _Optional[_Union[SubmitValidation, _Mapping]] = ..., get_validation: _Optional[_Union[GetValidation, _Mapping]] = ..., add_third_party_id: _Optional[_Union[AddThirdPartyId, _Mapping]] = ..., remove_third_party_id: _Optional[_Union[RemoveThirdPartyId, _Mapping]] = ..., finish_chore: _Optional[_Union[FinishChore, _Mapping]] = ...) -> None: ...

class TokenOwner(_message.Message):
    __slots__ = ("user_id", "device_id", "expires_at_ms", "soft_logged_out", "admin", "guest", "locked", "suspended")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SOFT_LOGGED_OUT_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    expires_at_ms: int
    soft_logged_out: bool
    admin: bool
    guest: bool
    locked: bool
    suspended: bool
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., expires_at_ms: _Optional[int] = ..., soft_logged_out: _Optional[bool] = ..., admin: _Optional[bool] = ..., guest: _Optional[bool] = ..., locked: _Optional[bool] = ..., suspended: _Optional[bool] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("user_id", "admin", "guest", "deactivated", "locked", "suspended", "third_party_ids")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATED_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_IDS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    admin: bool
    guest: bool
    deactivated: bool
    locked: bool
    suspended: bool
    third_party_ids: _containers.RepeatedCompositeFieldContainer[_facts_pb2.ThirdPartyId]
    def __init__(self, user_id: _Optional[str] = ..., admin: _Optional[bool] = ..., guest: _Optional[bool] = ..., deactivated: _Optional[bool] = ..., locked: _Optional[bool] = ..., suspended: _Optional[bool] = ..., third_party_ids: _Optional[_Iterable[_Union[_facts_pb2.ThirdPartyId, _Mapping]]] = ...) -> None: ...

class AddressOwner(_message.Message):
    __slots__ = ("user_id", "claimed_at_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    claimed_at_ms: int
    def __init__(self, user_id: _Optional[str] = ..., claimed_at_ms: _Optional[int] = ...) -> None: ...

class Validation(_message.Message):
    __slots__ = ("medium", "address", "validated_at_ms", "next_link", "server_name", "purpose")
    MEDIUM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_LINK_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    medium: str
    address: str
    validated_at_ms: int
    next_link: str
    server_name: str
    purpose: str
    def __init__(self, medium: _Optional[str] = ..., address: _Optional[str] = ..., validated_at_ms: _Optional[int] = ..., next_link: _Optional[str] = ..., server_name: _Optional[str] = ..., purpose: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("user_id", "device_id", "expires_in_ms")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_MS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    device_id: str
    expires_in_ms: int
    def __init__(self, user_id: _Optional[str] = ..., device_id: _Optional[str] = ..., expires_in_ms: _Optional[int] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device_id", "display_name", "last_seen_ip", "last_seen_ts_ms")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_IP_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TS_MS_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    display_name: str
    last_seen_ip: str
    last_seen_ts_ms: int
    def __init__(self, device_id: _Optional[str] = ..., display_name: _Optional[str] = ..., last_seen_ip: _Optional[str] = ..., last_seen_ts_ms: _Optional[int] = ...) -> None: ...

class UserSummary(_message.Message):
    __slots__ = ("user_id", "admin", "deactivated", "created_at_ms", "guest")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    admin: bool
    deactivated: bool
    created_at_ms: int
    guest: bool
    def __init__(self, user_id: _Optional[str] = ..., admin: _Optional[bool] = ..., deactivated: _Optional[bool] = ..., created_at_ms: _Optional[int] = ..., guest: _Optional[bool] = ...) -> None: ...

class UserReply(_message.Message):
    __slots__ = ("session", "token_owner", "devices", "json", "filter_id", "users", "matched", "more", "account", "stages", "content_reports", "room_id", "address_owner", "validation", "presence")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_OWNER_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    FILTER_ID_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_REPORTS_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_OWNER_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    session: Session
    token_owner: TokenOwner
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    json: bytes
    filter_id: str
    users: _containers.RepeatedCompositeFieldContainer[UserSummary]
    matched: bool
    more: bool
    account: Account
    stages: _containers.RepeatedCompositeFieldContainer[AuthStage]
    content_reports: _containers.RepeatedCompositeFieldContainer[_facts_pb2.ContentReportFact]
    room_id: str
    address_owner: AddressOwner
    validation: Validation
    presence: _presence_pb2.UserPresence
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., token_owner: _Optional[_Union[TokenOwner, _Mapping]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., json: _Optional[bytes] = ..., filter_id: _Optional[str] = ..., users: _Optional[_Iterable[_Union[UserSummary, _Mapping]]] = ..., matched: _Optional[bool] = ..., more: _Optional[bool] = ..., account: _Optional[_Union[Account, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[AuthStage, _Mapping]]] = ..., content_reports: _Optional[_Iterable[_Union[_facts_pb2.ContentReportFact, _Mapping]]] = ..., room_id: _Optional[str] = ..., address_owner: _Optional[_Union[AddressOwner, _Mapping]] = ..., validation: _Optional[_Union[Validation, _Mapping]] = ..., presence: _Optional[_Union[_presence_pb2.UserPresence, _Mapping]] = ...) -> None: ...
