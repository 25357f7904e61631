"""Room versions as data: each row is the previous one with the fields changed that its page names.

The fields are grouped by the code that reads them, so that a function takes
the group it needs and never asks "which version is this?". Every field is
positive, and says what is so from the version on that introduced it.

Spec: https://spec.matrix.org/v1.19/rooms/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from matrix_protocol.canonical_json import INTEGER_MAX


class EventIdFormat(Enum):
    """How an event gets its ID."""

    CHOSEN_BY_SERVER = "v1"
    """`$opaque_id:domain`, a member of the PDU."""
    REFERENCE_HASH = "v3"
    """`$` and the reference hash in unpadded base64."""
    URL_SAFE_REFERENCE_HASH = "v4"
    """`$` and the reference hash in URL-safe unpadded base64."""


class StateResolutionAlgorithm(Enum):
    V1 = "v1"
    V2 = "v2"
    V2_1 = "v2.1"
    """Version 12's: starts from the empty state, and adds the conflicted state subgraph."""


@dataclass(frozen=True, eq=False, slots=True)
class EventFormatRules:
    """What a PDU looks like. Read by `matrix_protocol.events`."""

    event_id: EventIdFormat
    references_carry_hashes: bool
    """`prev_events` and `auth_events` are lists of [event ID, {"sha256": reference hash}], not of event IDs."""
    depth_max: int
    strict_canonical_json: bool
    """An event that has no canonical form is dropped: no floats, no integers beyond 2**53 - 1."""
    redacts_in_content: bool
    """The ID of the redacted event is in `content.redacts`, not in the top-level `redacts`."""
    creator_in_create_content: bool
    """The create event's content has a `creator`, equal to its sender."""
    room_id_is_create_event_id: bool
    """The room ID is the create event's ID with the sigil `!`; the create event itself has no `room_id`."""


@dataclass(frozen=True, eq=False, slots=True)
class SignatureRules:
    """Who must sign an event, with which keys."""

    event_id_server_signs: bool
    """The server in the event ID must sign too."""
    enforce_key_validity: bool
    """The key's `valid_until_ts` must reach the event's `origin_server_ts`."""
    authorising_server_signs: bool
    """The server of `content.join_authorised_via_users_server` must sign too."""


@dataclass(frozen=True, eq=False, slots=True)
class RedactionRules:
    """What survives a redaction. Read by `matrix_protocol.events.redaction`."""

    top_level_keys: frozenset[str]
    content_keys: Mapping[str, frozenset[str] | None]
    """By event type; None: the whole content stays. Types that are not here lose all of it."""
    keep_third_party_invite_signed: bool
    """Member events keep `third_party_invite.signed`."""


@dataclass(frozen=True, eq=False, slots=True)
class AuthorizationRules:
    """Who may do what. Read by `matrix_protocol.event_auth`."""

    special_case_aliases: bool
    """`m.room.aliases` may be sent by anybody, for the own server's state key."""
    special_case_redactions: bool
    """`m.room.redaction` needs the redact level, or an event ID of the same server."""
    lenient_power_levels: bool
    """Power levels may be strings that are integers."""
    float_power_levels: bool
    """Power levels may be floats, and are truncated."""
    check_notification_levels: bool
    """Changes of `notifications` levels are checked as those of `events` are."""
    knocking: bool
    restricted_joins: bool
    knock_restricted_joins: bool
    creator_in_create_content: bool
    """The creator is `content.creator` of the create event, not its sender."""
    creators_above_all: bool
    """Creators have infinite power level and cannot stand in `users`; `additional_creators` are creators too."""
    create_event_in_auth_events: bool
    """False: the room ID implies the create event, and it must not be selected."""
    room_id_is_create_event_id: bool


@dataclass(frozen=True, eq=False, slots=True)
class RoomVersionRules:
    """One room version."""

    identifier: str
    event_format: EventFormatRules
    signatures: SignatureRules
    redaction: RedactionRules
    authorization: AuthorizationRules
    state_resolution: StateResolutionAlgorithm
    stable: bool = True


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POWER_LEVEL_KEYS = _keys("ban events events_default kick redact state_default users users_default")
_CONTENT_KEYS_V1: dict[str, frozenset[str] | None] = {
    "m.room.member": _keys("membership"),
    "m.room.create": _keys("creator"),
    "m.room.join_rules": _keys("join_rule"),
    "m.room.power_levels": _POWER_LEVEL_KEYS,
    "m.room.aliases": _keys("aliases"),
    "m.room.history_visibility": _keys("history_visibility"),
}
_CONTENT_KEYS_V6 = {kind: keys for kind, keys in _CONTENT_KEYS_V1.items() if kind != "m.room.aliases"}
_CONTENT_KEYS_V8 = {**_CONTENT_KEYS_V6, "m.room.join_rules": _keys("join_rule allow")}
_CONTENT_KEYS_V9 = {**_CONTENT_KEYS_V8, "m.room.member": _keys("membership join_authorised_via_users_server")}
_CONTENT_KEYS_V11 = {
    **_CONTENT_KEYS_V9,
    "m.room.create": None,
    "m.room.power_levels": _POWER_LEVEL_KEYS | {"invite"},
    "m.room.redaction": _keys("redacts"),
}

_REDACTION_V1 = RedactionRules(
    top_level_keys=_keys(
        "event_id type room_id sender state_key content hashes signatures depth prev_events prev_state auth_events"
        " origin origin_server_ts membership"
    ),
    content_keys=MappingProxyType(_CONTENT_KEYS_V1),
    keep_third_party_invite_signed=False,
)
_REDACTION_V6 = replace(_REDACTION_V1, content_keys=MappingProxyType(_CONTENT_KEYS_V6))
_REDACTION_V8 = replace(_REDACTION_V6, content_keys=MappingProxyType(_CONTENT_KEYS_V8))
_REDACTION_V9 = replace(_REDACTION_V8, content_keys=MappingProxyType(_CONTENT_KEYS_V9))
_REDACTION_V11 = replace(
    _REDACTION_V9,
    top_level_keys=_REDACTION_V9.top_level_keys - {"origin", "membership", "prev_state"},
    content_keys=MappingProxyType(_CONTENT_KEYS_V11),
    keep_third_party_invite_signed=True,
)

_FORMAT_V1 = EventFormatRules(
    event_id=EventIdFormat.CHOSEN_BY_SERVER,
    references_carry_hashes=True,
    depth_max=2**63 - 1,
    strict_canonical_json=False,
    redacts_in_content=False,
    creator_in_create_content=True,
    room_id_is_create_event_id=False,
)
_FORMAT_V3 = replace(_FORMAT_V1, event_id=EventIdFormat.REFERENCE_HASH, references_carry_hashes=False)
_FORMAT_V4 = replace(_FORMAT_V3, event_id=EventIdFormat.URL_SAFE_REFERENCE_HASH)
_FORMAT_V6 = replace(_FORMAT_V4, strict_canonical_json=True, depth_max=INTEGER_MAX)
_FORMAT_V11 = replace(_FORMAT_V6, redacts_in_content=True, creator_in_create_content=False)
_FORMAT_V12 = replace(_FORMAT_V11, room_id_is_create_event_id=True)

_SIGNATURES_V1 = SignatureRules(event_id_server_signs=True, enforce_key_validity=False, authorising_server_signs=False)
_SIGNATURES_V3 = replace(_SIGNATURES_V1, event_id_server_signs=False)
_SIGNATURES_V5 = replace(_SIGNATURES_V3, enforce_key_validity=True)
_SIGNATURES_V8 = replace(_SIGNATURES_V5, authorising_server_signs=True)

_AUTH_V1 = AuthorizationRules(
    special_case_aliases=True,
    special_case_redactions=True,
    lenient_power_levels=True,
    float_power_levels=True,
    check_notification_levels=False,
    knocking=False,
    restricted_joins=False,
    knock_restricted_joins=False,
    creator_in_create_content=True,
    creators_above_all=False,
    create_event_in_auth_events=True,
    room_id_is_create_event_id=False,
)
_AUTH_V3 = replace(_AUTH_V1, special_case_redactions=False)
_AUTH_V6 = replace(_AUTH_V3, special_case_aliases=False, float_power_levels=False, check_notification_levels=True)
_AUTH_V7 = replace(_AUTH_V6, knocking=True)
_AUTH_V8 = replace(_AUTH_V7, restricted_joins=True)
_AUTH_V10 = replace(_AUTH_V8, knock_restricted_joins=True, lenient_power_levels=False)
_AUTH_V11 = replace(_AUTH_V10, creator_in_create_content=False)
_AUTH_V12 = replace(
    _AUTH_V11, creators_above_all=True, create_event_in_auth_events=False, room_id_is_create_event_id=True
)

_V2_RESOLUTION = StateResolutionAlgorithm.V2

V1 = RoomVersionRules("1", _FORMAT_V1, _SIGNATURES_V1, _REDACTION_V1, _AUTH_V1, StateResolutionAlgorithm.V1)
V2 = replace(V1, identifier="2", state_resolution=_V2_RESOLUTION)
V3 = replace(V2, identifier="3", event_format=_FORMAT_V3, signatures=_SIGNATURES_V3, authorization=_AUTH_V3)
V4 = replace(V3, identifier="4", event_format=_FORMAT_V4)
V5 = replace(V4, identifier="5", signatures=_SIGNATURES_V5)
V6 = replace(V5, identifier="6", event_format=_FORMAT_V6, redaction=_REDACTION_V6, authorization=_AUTH_V6)
V7 = replace(V6, identifier="7", authorization=_AUTH_V7)
V8 = replace(V7, identifier="8", signatures=_SIGNATURES_V8, redaction=_REDACTION_V8, authorization=_AUTH_V8)
V9 = replace(V8, identifier="9", redaction=_REDACTION_V9)
V10 = replace(V9, identifier="10", authorization=_AUTH_V10)
V11 = replace(V10, identifier="11", event_format=_FORMAT_V11, redaction=_REDACTION_V11, authorization=_AUTH_V11)
V12 = replace(
    V11,
    identifier="12",
    event_format=_FORMAT_V12,
    authorization=_AUTH_V12,
    state_resolution=StateResolutionAlgorithm.V2_1,
)

SPECIFIED_ROOM_VERSIONS: Mapping[str, RoomVersionRules] = MappingProxyType(
    {rules.identifier: rules for rules in (V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12)}
)
"""Every version of the specification; "a recognised version" in the auth rules means these."""

ROOM_VERSIONS: Mapping[str, RoomVersionRules] = SPECIFIED_ROOM_VERSIONS
"""The versions that this server can host and offers to its users."""

DEFAULT_ROOM_VERSION = "12"
