"""Power levels: what a power levels event means, or its absence.

Spec: https://spec.matrix.org/v1.19/client-server-api/#mroompower_levels
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from matrix_protocol.event_auth.auth_event import AuthEvent
from matrix_protocol.room_versions import AuthorizationRules

INFINITE_POWER_LEVEL = 2**62
"""The level of a creator since version 12: above every level that can be written down."""

DEFAULT_LEVELS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "redact": 50,
    "kick": 50,
    "invite": 0,
}
_CREATOR_WITHOUT_EVENT = 100
# "a single base 10 integer […] optionally with any number of leading zeroes; optionally prefixed with a single `-` or
#  `+` character before the integer; optionally with any number of leading or trailing whitespace characters"
# NOTSPEC: at most 30 digits, leading zeroes among them: the event's size would be the only bound otherwise.
_STRING_LEVEL = re.compile(r"\s*[+-]?[0-9]{1,30}\s*", re.ASCII)

Levels = Mapping[str, int]


class PowerLevels:
    """The levels of one power-levels event (or of none), parsed. Immutable by convention."""

    __slots__ = (
        "_event_levels",
        "_user_levels",
        "ban",
        "events_default",
        "invite",
        "kick",
        "notifications",
        "redact",
        "state_default",
        "users_default",
    )

    def __init__(self, defaults: Levels, users: Levels, events: Levels, notifications: Levels) -> None:
        self._user_levels = users
        self._event_levels = events
        self.notifications = notifications
        self.users_default = defaults["users_default"]
        self.events_default = defaults["events_default"]
        self.state_default = defaults["state_default"]
        self.ban = defaults["ban"]
        self.redact = defaults["redact"]
        self.kick = defaults["kick"]
        self.invite = defaults["invite"]

    def user_level(self, user_id: str) -> int:
        return self._user_levels.get(user_id, self.users_default)

    def event_level(self, event_type: str, is_state: bool) -> int:
        """The *required power level* of the event type.

        "The event type is either listed explicitly in the `events` section or given by either `state_default` or
        `events_default` depending on if the event is a state event or not."
        """
        return self._event_levels.get(event_type, self.state_default if is_state else self.events_default)

    def notification_level(self, key: str) -> int:
        """Who may notify everybody with `@room` (key "room"): 50 if nothing is said."""
        return self.notifications.get(key, 50)

    def can_send(self, user_id: str, event_type: str, is_state: bool) -> bool:
        return self.user_level(user_id) >= self.event_level(event_type, is_state)

    def users_with_levels(self) -> Levels:
        """The users that are named, creators of version 12 among them."""
        return self._user_levels


def power_levels_of(
    create_event: AuthEvent, power_levels_event: AuthEvent | None, rules: AuthorizationRules
) -> PowerLevels:
    """The levels in a room with these two events; None: the room has no power levels event.

    Entries that an accepted event cannot have count as absent.
    """
    if power_levels_event is None:
        return _power_levels_without_event(create_event, rules)
    content = power_levels_event.content
    defaults = dict(DEFAULT_LEVELS)
    for name in DEFAULT_LEVELS:
        level = parse_level(content.get(name), rules)
        if level is not None:
            defaults[name] = level
    users = readable_levels(content.get("users"), rules)
    if rules.creators_above_all:
        users = {**users, **dict.fromkeys(creators_of(create_event, rules), INFINITE_POWER_LEVEL)}
    events = readable_levels(content.get("events"), rules)
    return PowerLevels(defaults, users, events, readable_levels(content.get("notifications"), rules))


def _power_levels_without_event(create_event: AuthEvent, rules: AuthorizationRules) -> PowerLevels:
    """ "If the room contains no `m.room.power_levels` event, the room's creator has a power level of 100, and all other
    users have a power level of 0."""
    creator_level = INFINITE_POWER_LEVEL if rules.creators_above_all else _CREATOR_WITHOUT_EVENT
    users = dict.fromkeys(creators_of(create_event, rules), creator_level)
    return PowerLevels(DEFAULT_LEVELS, users, {}, {})


def creators_of(create_event: AuthEvent, rules: AuthorizationRules) -> frozenset[str]:
    """The room creators.

    "The user ID denoted by the `sender` of the `m.room.create` event in the room. Any user IDs contained in the
    `additional_creators` array in `content`" (version 12); one creator before: `content.creator` up to version 10.
    """
    if rules.creators_above_all:
        additional = create_event.content.get("additional_creators")
        named = [user for user in additional if isinstance(user, str)] if isinstance(additional, list) else []
        return frozenset([create_event.sender, *named])
    if rules.creator_in_create_content:
        creator = create_event.content.get("creator")
        return frozenset([creator]) if isinstance(creator, str) else frozenset()
    return frozenset([create_event.sender])


def parse_level(value: object, rules: AuthorizationRules) -> int | None:
    """The integer that a value of a power levels event means in this room version; None if it means none."""
    if type(value) is int:
        return value
    if isinstance(value, str) and rules.lenient_power_levels and _STRING_LEVEL.fullmatch(value):
        return int(value)
    if type(value) is float and rules.float_power_levels and abs(value) < float("inf"):
        return int(value)  # "the value is truncated at the decimal point"
    return None


def readable_levels(value: object, rules: AuthorizationRules) -> dict[str, int]:
    if not isinstance(value, Mapping):
        return {}
    parsed = ((key, parse_level(level, rules)) for key, level in value.items())
    return {key: level for key, level in parsed if level is not None}


def strict_levels(value: object, rules: AuthorizationRules) -> dict[str, int] | None:
    """All the levels of an object; None if it is none, or one of its values is no level."""
    if not isinstance(value, Mapping):
        return None
    levels: dict[str, int] = {}
    for key, item in value.items():
        level = parse_level(item, rules)
        if level is None:
            return None
        levels[key] = level
    return levels
