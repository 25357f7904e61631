"""What a room upgrade makes of the old room: the new one's create event, and the state that it begins with.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from matrix_protocol.canonical_json import INTEGER_MAX
from matrix_protocol.event_auth.power_levels import (
    DEFAULT_LEVELS,
    INFINITE_POWER_LEVEL,
    PowerLevels,
    parse_level,
    readable_levels,
)
from matrix_protocol.json_types import JsonObject
from matrix_protocol.power_levels import POWER_LEVELS, TOMBSTONE
from matrix_protocol.room_versions import AuthorizationRules, RoomVersionRules

JOIN_RULES: Final = "m.room.join_rules"

CARRIED_TYPES: Final = (
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.guest_access",
    "m.room.history_visibility",
    JOIN_RULES,
    "m.room.canonical_alias",
    POWER_LEVELS,
)
"""With the state key "". "the recommended state events to transfer", and the canonical alias, as the aliases move.

The power levels come last: until there are any, the creator may send everything, also where their level in the old
room would not do for each of these.
"""

_FORMER_CREATOR_LEVEL_MIN: Final = 100
_TOMBSTONE_LEVEL: Final = 150
_OLD_ROOM_LEVEL_MIN: Final = 50


def successor_create_content(
    create_content: Mapping[str, Any],
    room_id: str,
    last_event_id: str,
    rules: RoomVersionRules,
    additional_creators: Sequence[str],
) -> JsonObject:
    """The content of the new room's create event, for `room_creation.create_event_content`.

    "Creates a replacement room with a `m.room.create` event containing a `predecessor` field, the applicable
    `room_version`, and a `type` field which is copied from the `predecessor` room." So is `m.federate`: a room that was
    not for other servers is not opened to them.
    """
    copied = {key: create_content[key] for key in ("m.federate", "type") if key in create_content}
    content = {**copied, "predecessor": {"event_id": last_event_id, "room_id": room_id}}
    if rules.authorization.creators_above_all and additional_creators:
        # "When upgrading to a room version which doesn't support additional creators, this field is ignored"
        content["additional_creators"] = list(dict.fromkeys(additional_creators))
    return content


def carried_content(event_type: str, content: Mapping[str, Any], rules: RoomVersionRules) -> JsonObject:
    """Of any of CARRIED_TYPES but the power levels, as the new room version understands it."""
    if event_type == JOIN_RULES and not _knows_join_rule(content.get("join_rule"), rules.authorization):
        # A rule that the version does not know lets nobody in, invited or not.
        return {"join_rule": "invite"}
    return dict(content)


def _knows_join_rule(join_rule: object, rules: AuthorizationRules) -> bool:
    return {
        "knock": rules.knocking,
        "restricted": rules.restricted_joins,
        "knock_restricted": rules.knock_restricted_joins,
    }.get(str(join_rule), True)


def carried_power_levels(
    content: Mapping[str, Any],
    levels: PowerLevels,
    old_rules: RoomVersionRules,
    new_rules: RoomVersionRules,
    new_creators: Iterable[str],
) -> JsonObject:
    """The new room's power levels: those of the old one, in a form that the new version accepts.

    `content` is that of the old event, {} if there is none; `levels` is what it means. Creators of the old room who
    are not those of the new one have the highest level that the old room names: "additional creators are not
    transferred automatically", but they are not turned into nobodies either.
    """
    creators = frozenset(new_creators)
    authorization = old_rules.authorization
    carried: JsonObject = {
        key: _clamped(level)
        for key in DEFAULT_LEVELS
        if (level := parse_level(content.get(key), authorization)) is not None
    }
    for key in ("events", "notifications"):
        if named := readable_levels(content.get(key), authorization):
            carried[key] = {name: _clamped(level) for name, level in named.items()}
    highest = max([_FORMER_CREATOR_LEVEL_MIN, *_finite_levels(carried, levels)])
    carried["users"] = {
        user_id: highest if level >= INFINITE_POWER_LEVEL else _clamped(level)
        for user_id, level in levels.users_with_levels().items()
    }
    if not new_rules.authorization.creators_above_all:
        # Whoever upgrades a room has power in it, else nobody might have any.
        for creator in creators:
            level = levels.user_level(creator)
            carried["users"][creator] = highest if level >= INFINITE_POWER_LEVEL else _clamped(level)
        return carried
    # "If the `users` property in `content` contains the `sender` of the `m.room.create` event or any of the
    # `additional_creators` array […], reject."
    carried["users"] = {user_id: level for user_id, level in carried["users"].items() if user_id not in creators}
    events = carried.setdefault("events", {})
    state_default = carried.get("state_default", DEFAULT_LEVELS["state_default"])
    if events.get(TOMBSTONE, state_default) <= state_default:
        # "If the room's version is 12 or higher, the power level for sending `m.room.tombstone` events MUST explicitly
        # be higher than `state_default`. For example, set to 150 instead of 100."
        events[TOMBSTONE] = max(_TOMBSTONE_LEVEL, state_default + 1)
    return carried


def closed_power_levels(content: Mapping[str, Any], levels: PowerLevels) -> JsonObject:
    """The old room's power levels from then on.

    "the power levels in the old room should also be modified to prevent sending of events and inviting new users. For
    example, setting `events_default` and `invite` to the greater of `50` and `users_default + 1`."
    """
    closed = max(_OLD_ROOM_LEVEL_MIN, levels.users_default + 1)
    return {**content, "events_default": max(levels.events_default, closed), "invite": max(levels.invite, closed)}


def _finite_levels(carried: JsonObject, levels: PowerLevels) -> list[int]:
    users = [level for level in levels.users_with_levels().values() if level < INFINITE_POWER_LEVEL]
    defaults = [level for level in carried.values() if isinstance(level, int)]
    return [_clamped(level) for level in (*users, *defaults, *carried.get("events", {}).values())]


def _clamped(level: int) -> int:
    return max(-INTEGER_MAX, min(INTEGER_MAX, level))
