"""What users may do with their power."""

from __future__ import annotations

import pytest

from matrix_protocol.event_auth.power_levels import DEFAULT_LEVELS, INFINITE_POWER_LEVEL, PowerLevels
from matrix_protocol.power_levels import (
    can_ban,
    can_change_level,
    can_invite,
    can_kick,
    can_notify_room,
    can_redact,
    can_send,
    can_send_state,
    can_unban,
    can_upgrade,
    is_creator_above_all,
)

USERS = {"creator": INFINITE_POWER_LEVEL, "creator2": INFINITE_POWER_LEVEL, "admin": 100, "mod": 50, "mod2": 50}
LEVELS = PowerLevels(
    {**DEFAULT_LEVELS, "ban": 60, "invite": 10},
    USERS,
    {"m.room.tombstone": 100, "m.room.topic": 0, "m.room.power_levels": 50, "m.room.redaction": 0},
    {"room": 20},
)


def test_those_below_can_be_kicked_with_the_kick_level() -> None:
    assert can_kick(LEVELS, "mod", "user")
    assert not can_kick(LEVELS, "mod", "mod2")
    assert not can_kick(LEVELS, "user", "user2")
    assert can_kick(LEVELS, "creator", "admin")


def test_creators_are_above_all_but_not_above_each_other() -> None:
    assert is_creator_above_all(LEVELS, "creator")
    assert not is_creator_above_all(LEVELS, "admin")
    assert not can_kick(LEVELS, "creator", "creator2")
    assert not can_ban(LEVELS, "admin", "creator")


def test_ban_and_unban_need_the_ban_level() -> None:
    assert can_ban(LEVELS, "admin", "mod")
    assert can_unban(LEVELS, "admin", "mod")
    assert not can_ban(LEVELS, "mod", "user")
    assert not can_unban(LEVELS, "mod", "user")
    assert not can_unban(PowerLevels({**DEFAULT_LEVELS, "kick": 100}, USERS, {}, {}), "mod", "user")


def test_own_events_can_be_redacted_by_who_may_send_redactions() -> None:
    assert can_redact(LEVELS, "user", "user")
    assert can_redact(LEVELS, "mod", "admin")
    assert not can_redact(LEVELS, "user", "user2")
    silent = PowerLevels({**DEFAULT_LEVELS, "events_default": 10}, USERS, {}, {})
    assert not can_redact(silent, "user", "user")


def test_levels_of_event_types_invites_and_notifications() -> None:
    assert can_send(LEVELS, "user", "m.room.message")
    assert can_send_state(LEVELS, "user", "m.room.topic")
    assert not can_send_state(LEVELS, "user", "m.room.name")
    assert [can_upgrade(LEVELS, user) for user in ("admin", "mod")] == [True, False]
    assert [can_invite(LEVELS, user) for user in ("mod", "user")] == [True, False]
    assert [can_notify_room(LEVELS, user) for user in ("mod", "user")] == [True, False]


@pytest.mark.parametrize(
    ("user", "target", "level", "allowed"),
    [
        ("mod", "user", 50, True),
        ("mod", "user", 51, False),
        ("mod", "mod2", 0, False),
        ("mod", "mod2", 50, True),
        ("mod", "mod", 0, True),
        ("mod", "mod", 51, False),
        ("mod", "admin", 0, False),
        ("user", "user2", 0, False),
        ("admin", "mod", 100, True),
        ("creator", "admin", 2**53 - 1, True),
        ("creator", "creator2", 100, False),
        ("creator", "creator", 100, False),
    ],
)
def test_levels_can_be_changed_of_those_below_up_to_ones_own(user: str, target: str, level: int, allowed: bool) -> None:
    assert can_change_level(LEVELS, user, target, level) is allowed
