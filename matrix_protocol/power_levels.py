"""What users may do with their power: one question each, for endpoints and summaries.

The auth rules (`matrix_protocol.event_auth`) decide about events; these tell
beforehand what they would say about the levels alone. Memberships, bans and join
rules come in addition (`matrix_protocol.membership`).

Spec: https://spec.matrix.org/v1.19/client-server-api/#permissions
"""

from __future__ import annotations

from typing import Final

from matrix_protocol.event_auth.power_levels import INFINITE_POWER_LEVEL, PowerLevels

POWER_LEVELS: Final = "m.room.power_levels"
TOMBSTONE: Final = "m.room.tombstone"


def is_creator_above_all(levels: PowerLevels, user_id: str) -> bool:
    """Since version 12: "The power level of "room creators" is infinitely high"."""
    return levels.user_level(user_id) >= INFINITE_POWER_LEVEL


def can_send(levels: PowerLevels, user_id: str, event_type: str) -> bool:
    """An event that is no state event."""
    return levels.can_send(user_id, event_type, False)


def can_send_state(levels: PowerLevels, user_id: str, event_type: str) -> bool:
    return levels.can_send(user_id, event_type, True)


def can_invite(levels: PowerLevels, user_id: str) -> bool:
    return levels.user_level(user_id) >= levels.invite


def can_kick(levels: PowerLevels, user_id: str, target: str) -> bool:
    """ "If the `sender`'s power level is greater than or equal to the *kick level*, and the *target user*'s power level
    is less than the `sender`'s power level, allow." Also to withdraw an invite and to turn down a knock."""
    return levels.user_level(user_id) >= levels.kick and _is_above(levels, user_id, target)


def can_ban(levels: PowerLevels, user_id: str, target: str) -> bool:
    """ "If the `sender`'s power level is greater than or equal to the *ban level*, and the *target user*'s power level
    is less than the `sender`'s power level, allow." """
    return levels.user_level(user_id) >= levels.ban and _is_above(levels, user_id, target)


def can_unban(levels: PowerLevels, user_id: str, target: str) -> bool:
    """It needs the ban level ("If the *target user*'s current membership state is `ban`, and the `sender`'s power level
    is less than the *ban level*, reject"), and what a kick needs."""
    return levels.user_level(user_id) >= levels.ban and can_kick(levels, user_id, target)


def can_redact(levels: PowerLevels, user_id: str, author: str) -> bool:
    """An event of this author, by one of our users: their own, or anybody's with the redact level.

    Either needs the level to send an `m.room.redaction`. NOTSPEC: "the domain of the redaction event's `sender` matches
    that of the original event's `sender`" is enough for other servers' redactions; among our own users that would let
    everybody redact everybody.
    """
    return can_send(levels, user_id, "m.room.redaction") and (
        user_id == author or levels.user_level(user_id) >= levels.redact
    )


def can_notify_room(levels: PowerLevels, user_id: str, key: str = "room") -> bool:
    return levels.user_level(user_id) >= levels.notification_level(key)


def can_upgrade(levels: PowerLevels, user_id: str) -> bool:
    """Whether the user may leave a tombstone; a room upgrade begins with it."""
    return can_send_state(levels, user_id, TOMBSTONE)


def can_change_level(levels: PowerLevels, user_id: str, target: str, new_level: int) -> bool:
    """May the user give the target this level, in the state that these levels are of?"""
    # "If the `users` property in `content` contains the `sender` of the `m.room.create` event or any of the
    #  `additional_creators` array […], reject." (12)
    if is_creator_above_all(levels, target) or not can_send_state(levels, user_id, POWER_LEVELS):
        return False
    own_level = levels.user_level(user_id)
    # "For each entry being changed in, or removed from, the `users` property, other than the `sender`'s own entry: If
    #  the current value is greater than or equal to the `sender`'s current power level, reject."
    current = levels.users_with_levels().get(target)
    if current is not None and current != new_level and target != user_id and current >= own_level:
        return False
    # "If the new value is greater than the `sender`'s current power level, reject."
    return current == new_level or new_level <= own_level


def _is_above(levels: PowerLevels, user_id: str, target: str) -> bool:
    return levels.user_level(target) < levels.user_level(user_id)
