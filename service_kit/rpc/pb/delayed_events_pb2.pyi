from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DelayedEvent(_message.Message):
    __slots__ = ("delay_id", "room_id", "sender", "device_id", "guest", "event_type", "state_key", "content_json", "delay_ms", "scheduled_at_ms")
    DELAY_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_JSON_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    delay_id: str
    room_id: str
    sender: str
    device_id: str
    guest: bool
    event_type: str
    state_key: str
    content_json: bytes
    delay_ms: int
    scheduled_at_ms: int
    def __init__(self, delay_id: _Optional[str] = ..., room_id: _Optional[str] = ..., sender: _Optional[str] = ..., device_id: _Optional[str] = ..., guest: _Optional[bool] = ..., event_type: _Optional[str] = ..., state_key: _Optional[str] = ..., content_json: _Optional[bytes] = ..., delay_ms: _Optional[int] = ..., scheduled_at_ms: _Optional[int] = ...) -> None: ...

class ScheduleDelayedEvent(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: DelayedEvent
    def __init__(self, event: _Optional[_Union[DelayedEvent, _Mapping]] = ...) -> None: ...

class ChangeDelayedEvent(_message.Message):
    __slots__ = ("user_id", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[ChangeDelayedEvent.Action]
        SEND: _ClassVar[ChangeDelayedEvent.Action]
        CANCEL: _ClassVar[ChangeDelayedEvent.Action]
        RESTART: _ClassVar[ChangeDelayedEvent.Action]
        SEND_IF_DUE: _ClassVar[ChangeDelayedEvent.Action]
    ACTION_UNSPECIFIED: ChangeDelayedEvent.Action
    SEND: ChangeDelayedEvent.Action
    CANCEL: ChangeDelayedEvent.Action
    RESTART: ChangeDelayedEvent.Action
    SEND_IF_DUE: ChangeDelayedEvent.Action
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    action: ChangeDelayedEvent.Action
    def __init__(self, user_id: _Optional[str] = ..., action: _Optional[_Union[ChangeDelayedEvent.Action, str]] = ...) -> None: ...

class DelayedEventScheduledFact(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: DelayedEvent
    def __init__(self, event: _Optional[_Union[DelayedEvent, _Mapping]] = ...) -> None: ...

class DelayedEventRestartedFact(_message.Message):
    __slots__ = ("delay_id", "room_id", "sender", "delay_ms", "scheduled_at_ms")
    DELAY_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    delay_id: str
    room_id: str
    sender: str
    delay_ms: int
    scheduled_at_ms: int
    def __init__(self, delay_id: _Optional[str] = ..., room_id: _Optional[str] = ..., sender: _Optional[str] = ..., delay_ms: _Optional[int] = ..., scheduled_at_ms: _Optional[int] = ...) -> None: ...

class FinalisedDelayedEvent(_message.Message):
    __slots__ = ("event", "finalised_at_ms", "event_id", "error_json")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FINALISED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_JSON_FIELD_NUMBER: _ClassVar[int]
    event: DelayedEvent
    finalised_at_ms: int
    event_id: str
    error_json: bytes
    def __init__(self, event: _Optional[_Union[DelayedEvent, _Mapping]] = ..., finalised_at_ms: _Optional[int] = ..., event_id: _Optional[str] = ..., error_json: _Optional[bytes] = ...) -> None: ...

class DelayedEventRequest(_message.Message):
    __slots__ = ("delay_id", "shard_number", "user_id")
    DELAY_ID_FIELD_NUMBER: _ClassVar[int]
    SHARD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    delay_id: str
    shard_number: int
    user_id: str
    def __init__(self, delay_id: _Optional[str] = ..., shard_number: _Optional[int] = ..., user_id: _Optional[str] = ...) -> None: ...

class DelayedEventsRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...
