"""Who may change the power levels: "If type is `m.room.power_levels`" (rule 10 of version 12, 9 in 6 to 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_protocol.event_auth.auth_event import AuthEvent, Rejection
from matrix_protocol.event_auth.auth_state import AuthState
from matrix_protocol.event_auth.power_levels import DEFAULT_LEVELS, Levels, creators_of, readable_levels, strict_levels
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import is_valid_user_id
from matrix_protocol.room_versions import AuthorizationRules


def check_power_levels(
    event: Event, state: AuthState, create_event: AuthEvent, rules: AuthorizationRules
) -> Rejection | None:
    """The rule "If type is `m.room.power_levels`"; its steps are numbered as in version 12."""
    content = event.content
    # "10.1 If any of the properties `users_default`, `events_default`, `state_default`, `ban`, `redact`, `kick`, or
    #  `invite` in `content` are present and not an integer, reject."
    # NOTSPEC: written down since version 10 only; before, nothing is said about values that are no level at all.
    new_defaults = strict_levels({name: content[name] for name in DEFAULT_LEVELS if name in content}, rules)
    if new_defaults is None:
        return Rejection("a default or action level is not an integer")
    # "10.2 If either of the properties `events` or `notifications` in `content` are present and not an object with
    #  values that are integers, reject."
    new_events = strict_levels(content.get("events", {}), rules)
    new_notifications = strict_levels(content.get("notifications", {}), rules)
    if new_events is None or (new_notifications is None and rules.check_notification_levels):
        return Rejection("`events` or `notifications` is not an object of integers")
    # "10.3 If the `users` property in `content` is not an object with keys that are valid user IDs with values that
    #  are integers, reject."
    # NOTSPEC: no `users` is an empty object, as the schema lets it be left out.
    new_users = strict_levels(content.get("users", {}), rules)
    if new_users is None or not all(map(is_valid_user_id, new_users)):
        return Rejection("`users` is not an object of integers by user ID")
    # "10.4 If the `users` property in `content` contains the `sender` of the `m.room.create` event or any of the
    #  `additional_creators` array (if present) from the `content` of the `m.room.create` event, reject."
    if rules.creators_above_all and not creators_of(create_event, rules).isdisjoint(new_users):
        return Rejection("`users` names a creator of the room, whose power is infinite")
    # "10.5 If there is no previous `m.room.power_levels` event in the room, allow."
    current = state.get("m.room.power_levels", "")
    if current is None:
        return None
    new = {"": new_defaults, "events": new_events, "notifications": new_notifications or {}, "users": new_users}
    return _check_changes(event.sender, state.power_levels().user_level(event.sender), current.content, new, rules)


def _check_changes(
    sender: str, sender_level: int, current: Mapping[str, Any], new: Mapping[str, Levels], rules: AuthorizationRules
) -> Rejection | None:
    # "10.6 For the properties `users_default`, […] `invite` check if they were added, changed or removed. For each
    #  found alteration: 1. If the current value is higher than the `sender`'s current power level, reject. 2. If the
    #  new value is higher than the `sender`'s current power level, reject."
    current_defaults = readable_levels({name: current.get(name) for name in DEFAULT_LEVELS}, rules)
    if rejection := _check_alterations("", current_defaults, new[""], sender_level):
        return rejection
    # "10.7 For each entry being changed in, or removed from, the `events` or `notifications` properties: If the current
    #  value is greater than the `sender`'s current power level, reject. 10.8 For each entry being added to, or changed
    #  in, [them]: If the new value is greater than the `sender`'s current power level, reject."
    for name in ("events", "notifications") if rules.check_notification_levels else ("events",):
        if rejection := _check_alterations(name, readable_levels(current.get(name), rules), new[name], sender_level):
            return rejection
    return _check_user_changes(sender, sender_level, readable_levels(current.get("users"), rules), new["users"])


def _check_alterations(where: str, current: Levels, new: Levels, sender_level: int) -> Rejection | None:
    for key in _altered(current, new):
        if max(current.get(key, sender_level), new.get(key, sender_level)) > sender_level:
            return Rejection(f"the level of {where} {key} is above the sender's, before or after the change")
    return None


def _check_user_changes(sender: str, sender_level: int, current: Levels, new: Levels) -> Rejection | None:
    for user_id in _altered(current, new):
        # "10.9 For each entry being changed in, or removed from, the `users` property, other than the `sender`'s own
        #  entry: If the current value is greater than or equal to the `sender`'s current power level, reject."
        if user_id != sender and user_id in current and current[user_id] >= sender_level:
            return Rejection(f"the level of {user_id} is not below the sender's")
        # "10.10 For each entry being added to, or changed in, the `users` property: If the new value is greater than
        #  the `sender`'s current power level, reject."
        if user_id in new and new[user_id] > sender_level:
            return Rejection(f"the new level of {user_id} is above the sender's")
    return None


def _altered(current: Levels, new: Levels) -> list[str]:
    """The keys that were added, changed or removed."""
    if current == new:
        return []
    return [key for key in {**current, **new} if current.get(key) != new.get(key)]
