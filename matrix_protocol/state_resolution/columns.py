"""The little of a state event that a resolution looks at: made once of its content, then stored beside the event.

What the auth rules say whatever the state, and what a value means in the room version, is decided here, so that the
kernels know no room version. Needs no numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from matrix_protocol.event_auth import AuthEvent, Rejection, StateKey
from matrix_protocol.event_auth.auth_events import third_party_invite_token
from matrix_protocol.event_auth.member import names_its_signer
from matrix_protocol.event_auth.power_levels import (
    DEFAULT_LEVELS,
    INFINITE_POWER_LEVEL,
    PowerLevels,
    power_levels_of,
    readable_levels,
)
from matrix_protocol.event_auth.power_levels_event import check_power_levels
from matrix_protocol.event_auth.redaction import redacts_own_server
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import server_name_of
from matrix_protocol.join_rules import join_rule_of
from matrix_protocol.room_versions import AuthorizationRules, RoomVersionRules
from matrix_protocol.state_resolution import layout
from matrix_protocol.state_resolution.v2 import is_power_event

_LEVEL_MAX = layout.INFINITE_LEVEL - 1
_KINDS = {
    "m.room.create": layout.CREATE,
    "m.room.power_levels": layout.POWER_LEVELS,
    "m.room.join_rules": layout.JOIN_RULES,
    "m.room.member": layout.MEMBER,
    "m.room.third_party_invite": layout.THIRD_PARTY_INVITE,
}
_MEMBERSHIPS = {"leave": layout.LEAVE, "join": layout.JOIN, "invite": layout.INVITE, "ban": layout.BAN}
_JOIN_RULES = {"invite": layout.BY_INVITATION, "public": layout.PUBLIC}
_CREATE_CONTENT = ("additional_creators", "creator", "m.federate")

assert INFINITE_POWER_LEVEL == layout.INFINITE_LEVEL

_Number = Annotated[int, Meta(ge=0, lt=layout.EVENTS_MAX)]
_Level = Annotated[int, Meta(ge=-layout.INFINITE_LEVEL, le=layout.INFINITE_LEVEL)]
_NamedLevels = Annotated[
    list[_Level | None], Meta(min_length=len(layout.NAMED_LEVELS), max_length=len(layout.NAMED_LEVELS))
]


class LevelsColumns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The levels of a power-levels event that can be read as such; `named` are those of `layout.NAMED_LEVELS`."""

    named: _NamedLevels
    users: dict[str, _Level]
    events: dict[str, _Level]
    notifications: dict[str, _Level]


class EventColumns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One state event. The auth events are named by their numbers: the places in which the room got its events."""

    number: _Number
    event_id: str
    type: str
    state_key: str
    sender: str
    timestamp: Annotated[int, Meta(ge=-layout.TIMESTAMP_MAX - 1, le=layout.TIMESTAMP_MAX)]
    kind: Annotated[int, Meta(ge=layout.OTHER, le=layout.THIRD_PARTY_INVITE)]
    membership: Annotated[int, Meta(ge=layout.LEAVE, le=layout.UNKNOWN)]
    join_rule: Annotated[int, Meta(ge=layout.BY_INVITATION, le=layout.NOBODY)]
    flags: Annotated[int, Meta(ge=0, le=layout.FLAGS_MAX)]
    auth_numbers: Annotated[tuple[_Number, ...], Meta(max_length=layout.AUTH_EVENTS_MAX)]
    power_levels_number: Annotated[int, Meta(ge=layout.NOTHING, lt=layout.EVENTS_MAX)]
    sender_level: _Level
    other: str | None
    """Join: the user who authorised it. Invite: the token of the third-party invite."""
    levels: LevelsColumns | None
    create_content: dict[str, Any] | None

    def to_bytes(self) -> bytes:
        return _ENCODER.encode(self)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(EventColumns)


def columns_from_bytes(stored: bytes) -> EventColumns:
    """Raises ValueError if these are none: every number is within its bounds, but may not fit into the room."""
    return _DECODER.decode(stored)


def all_strings(columns: EventColumns) -> str:
    """Every string that gets a number, one behind the other."""
    strings = columns.type + columns.state_key + columns.sender + (columns.other or "")
    levels = columns.levels
    return strings if levels is None else strings + "".join(chain(levels.users, levels.events, levels.notifications))


def reason_against(columns: EventColumns, number: int) -> str | None:
    """Why these columns cannot be those of the room's event with this number; None: they can."""
    kind, auth_numbers = columns.kind, columns.auth_numbers
    if columns.number != number:
        return f"is number {columns.number} of its room, and not {number}"
    if (kind == layout.CREATE) is not (number == 0):
        return "is a second create event" if number else "is no create event, which comes first"
    if kind != _KINDS.get(columns.type, layout.OTHER):
        return f"is no event of kind {kind}"
    if (columns.levels is not None) is not (kind == layout.POWER_LEVELS):
        return "has levels of another kind of event"
    if auth_numbers and (max(auth_numbers) >= number or min(auth_numbers) < 0):
        return "has an auth event that comes after it"
    if columns.power_levels_number != layout.NOTHING and columns.power_levels_number not in auth_numbers:
        return "follows power levels that are no auth event of it"
    return None


class CreateEvent(NamedTuple):
    """The room's create event, as far as the auth rules look at it."""

    event_id: str
    sender: str
    state_key: str | None
    content: Mapping[str, Any]


class Place(NamedTuple):
    """Where an event stands in its room."""

    number: int
    auth_numbers: tuple[int, ...]
    power_levels_number: int
    sender_level: int


def columns_of(
    event: Event, place: Place, create_event: CreateEvent, rules: RoomVersionRules, *, rejected: bool
) -> EventColumns:
    """`event` is a state event that passed the checks that don't depend on the state."""
    assert event.state_key is not None
    content, authorization = event.content, rules.authorization
    kind = _KINDS.get(event.type, layout.OTHER)
    flags = _flags(event, create_event, rules) | (layout.REJECTED if rejected else 0)
    levels = _levels(content, authorization) if kind == layout.POWER_LEVELS else None
    return EventColumns(
        place.number,
        event.event_id,
        event.type,
        event.state_key,
        event.sender,
        event.origin_server_ts_ms,
        kind,
        _membership(content, authorization) if kind == layout.MEMBER else layout.LEAVE,
        _join_rule(content, authorization) if kind == layout.JOIN_RULES else layout.BY_INVITATION,
        flags,
        place.auth_numbers,
        place.power_levels_number,
        clamped(place.sender_level),
        _other(event) if kind == layout.MEMBER else None,
        levels,
        {name: content[name] for name in _CREATE_CONTENT if name in content} if kind == layout.CREATE else None,
    )


def create_event_of(columns: EventColumns) -> CreateEvent:
    return CreateEvent(columns.event_id, columns.sender, columns.state_key, columns.create_content or {})


def clamped(level: int) -> int:
    """NOTSPEC: levels beyond 62 bits, which versions up to 5 don't forbid, count as equal."""
    return level if level == layout.INFINITE_LEVEL else max(-_LEVEL_MAX, min(_LEVEL_MAX, level))


def _membership(content: Mapping[str, Any], rules: AuthorizationRules) -> int:
    membership = content.get("membership")
    if not isinstance(membership, str):
        return layout.LEAVE
    if membership == "knock" and rules.knocking:
        return layout.KNOCK
    return _MEMBERSHIPS.get(membership, layout.UNKNOWN)


def _join_rule(content: Mapping[str, Any], rules: AuthorizationRules) -> int:
    """What it means in this room version; a rule that came later means that nobody can join."""
    join_rule = join_rule_of(content)
    if join_rule == "knock" and rules.knocking:
        return layout.BY_KNOCK
    if join_rule == "restricted" and rules.restricted_joins:
        return layout.RESTRICTED
    if join_rule == "knock_restricted" and rules.knock_restricted_joins:
        return layout.KNOCK_RESTRICTED
    return _JOIN_RULES.get(join_rule, layout.NOBODY)


def _other(event: Event) -> str | None:
    if event.content.get("membership") == "invite":
        return third_party_invite_token(event.content)
    user_id = event.content.get("join_authorised_via_users_server")
    return user_id if isinstance(user_id, str) else None


def _levels(content: Mapping[str, Any], rules: AuthorizationRules) -> LevelsColumns:
    named = readable_levels({name: content.get(name) for name in DEFAULT_LEVELS}, rules)
    # "notifications" is compared from version 6 on.
    notifications = _clamped_levels(content.get("notifications"), rules) if rules.check_notification_levels else {}
    return LevelsColumns(
        [clamped(named[name]) if name in named else None for name in layout.NAMED_LEVELS],
        _clamped_levels(content.get("users"), rules),
        _clamped_levels(content.get("events"), rules),
        notifications,
    )


def _clamped_levels(value: object, rules: AuthorizationRules) -> dict[str, int]:
    return {key: clamped(level) for key, level in readable_levels(value, rules).items()}


def _flags(event: Event, create_event: CreateEvent, rules: RoomVersionRules) -> int:
    flags = layout.POWER_EVENT if is_power_event(event) else 0
    if event.type == "m.room.create":
        # `check_state_dependent_auth_rules` has nothing to say about it.
        return flags | layout.ALWAYS_ALLOWED
    authorization = rules.authorization
    if authorization.room_id_is_create_event_id and event.room_id[1:] != create_event.event_id[1:]:
        return flags | layout.NEVER_ALLOWED
    sender_server = server_name_of(event.sender)
    if create_event.content.get("m.federate") is False and sender_server != server_name_of(create_event.sender):
        return flags | layout.NEVER_ALLOWED
    if event.type == "m.room.member":
        return flags | _member_flags(event, create_event, authorization)
    if event.type == "m.room.aliases" and authorization.special_case_aliases:
        return flags | (layout.ALWAYS_ALLOWED if sender_server == event.state_key else layout.NEVER_ALLOWED)
    state_key = event.state_key or ""
    if event.type != "m.room.third_party_invite" and state_key.startswith("@") and state_key != event.sender:
        return flags | layout.NEVER_ALLOWED
    if event.type == "m.room.power_levels" and _is_malformed(event, create_event, authorization):
        return flags | layout.NEVER_ALLOWED
    if event.type == "m.room.redaction" and authorization.special_case_redactions and not redacts_own_server(event):
        return flags | layout.REDACTS_ELSEWHERE
    return flags


def _member_flags(event: Event, create_event: CreateEvent, rules: AuthorizationRules) -> int:
    content = event.content
    membership = _membership(content, rules)
    if not isinstance(content.get("membership"), str) or membership == layout.UNKNOWN:
        return layout.NEVER_ALLOWED
    if rules.restricted_joins and "join_authorised_via_users_server" in content and not names_its_signer(event):
        return layout.NEVER_ALLOWED
    if membership == layout.JOIN and event.prev_event_ids == (create_event.event_id,):
        first = create_event.content.get("creator") if rules.creator_in_create_content else create_event.sender
        return layout.FIRST_JOIN if event.state_key == first else 0
    if membership == layout.INVITE and "third_party_invite" in content:
        is_complete = _third_party_user_id(content) == event.state_key and third_party_invite_token(content) is not None
        return layout.THIRD_PARTY if is_complete else layout.NEVER_ALLOWED
    return 0


def _third_party_user_id(content: Mapping[str, Any]) -> object:
    invite = content["third_party_invite"]
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    return signed.get("mxid") if isinstance(signed, Mapping) else None


def _is_malformed(event: Event, create_event: CreateEvent, rules: AuthorizationRules) -> bool:
    """Do the rules refuse these power levels even as the first of the room?"""
    rejection: Rejection | None = check_power_levels(event, _OnlyCreate(create_event, rules), create_event, rules)
    return rejection is not None


class _OnlyCreate:
    """The state of a room that has but a create event."""

    def __init__(self, create_event: CreateEvent, rules: AuthorizationRules) -> None:
        self._create_event = create_event
        self._rules = rules

    def get(self, event_type: str, state_key: str) -> AuthEvent | None:
        key: StateKey = (event_type, state_key)
        return self._create_event if key == ("m.room.create", "") else None

    def membership(self, user_id: str) -> str:
        return "leave"

    def power_levels(self) -> PowerLevels:
        return power_levels_of(self._create_event, None, self._rules)
