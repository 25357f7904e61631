"""What a room upgrade carries over."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth.power_levels import PowerLevels, power_levels_of
from matrix_protocol.room_upgrade import (
    carried_content,
    carried_power_levels,
    closed_power_levels,
    successor_create_content,
)
from matrix_protocol.room_versions import ROOM_VERSIONS

ALICE, BOB, CAROL = "@alice:a.example", "@bob:a.example", "@carol:a.example"
Content = dict[str, Any]


class Event:
    event_id = "$e"
    state_key = ""

    def __init__(self, content: Content, sender: str = ALICE) -> None:
        self.content = content
        self.sender = sender


def levels_of(version: str, content: Content | None, **create: Any) -> PowerLevels:
    create_event = Event({"creator": ALICE, **create})
    rules = ROOM_VERSIONS[version].authorization
    return power_levels_of(create_event, None if content is None else Event(content), rules)


def carried(old: str, new: str, content: Content | None, creators: list[str], **create: Any) -> Content:
    levels = levels_of(old, content, **create)
    return carried_power_levels(content or {}, levels, ROOM_VERSIONS[old], ROOM_VERSIONS[new], creators)


def test_create_content_names_the_predecessor_and_keeps_the_type() -> None:
    old = {"type": "m.space", "m.federate": False, "creator": ALICE, "room_version": "9", "additional_creators": [BOB]}
    content = successor_create_content(old, "!old:a.example", "$last", ROOM_VERSIONS["12"], [CAROL, CAROL])
    assert content == {
        "type": "m.space",
        "m.federate": False,
        "predecessor": {"room_id": "!old:a.example", "event_id": "$last"},
        "additional_creators": [CAROL],
    }
    content = successor_create_content({}, "!old:a.example", "$last", ROOM_VERSIONS["11"], [CAROL])
    assert content == {"predecessor": {"room_id": "!old:a.example", "event_id": "$last"}}


@pytest.mark.parametrize(
    ("version", "join_rule", "kept"),
    [
        ("6", "public", True),
        ("6", "knock", False),
        ("7", "knock", True),
        ("7", "restricted", False),
        ("8", "restricted", True),
        ("9", "knock_restricted", False),
        ("10", "knock_restricted", True),
        ("12", "org.example.rule", True),
    ],
)
def test_join_rule_that_the_new_version_does_not_know_becomes_invite(version: str, join_rule: str, kept: bool) -> None:
    content = {"join_rule": join_rule, "allow": []}
    expected = content if kept else {"join_rule": "invite"}
    assert carried_content("m.room.join_rules", content, ROOM_VERSIONS[version]) == expected
    assert carried_content("m.room.name", {"name": "x"}, ROOM_VERSIONS[version]) == {"name": "x"}


def test_levels_stay_what_they_are_among_versions_without_creators_above_all() -> None:
    content = {"users": {ALICE: 100, BOB: 50}, "events": {"m.room.name": 10}, "ban": 60, "notifications": {"room": 20}}
    assert carried("9", "11", content, [BOB]) == content


def test_levels_are_written_as_the_new_version_wants_them() -> None:
    content = {
        "users": {ALICE: "100", BOB: 2**60},
        "ban": " 50 ",
        "kick": "many",
        "events": {"x": "+7", "y": []},
        "z": 1,
    }
    assert carried("5", "11", content, [ALICE]) == {
        "users": {ALICE: 100, BOB: 2**53 - 1},
        "ban": 50,
        "events": {"x": 7},
    }


def test_creators_of_version_12_are_not_named_and_the_tombstone_is_theirs() -> None:
    content = {"users": {ALICE: 100, BOB: 50, CAROL: 100}, "events": {"m.room.tombstone": 50}, "state_default": 50}
    assert carried("11", "12", content, [ALICE, CAROL]) == {
        "users": {BOB: 50},
        "events": {"m.room.tombstone": 150},
        "state_default": 50,
    }
    assert carried("11", "12", {"events": {"m.room.tombstone": 51}}, [ALICE])["events"] == {"m.room.tombstone": 51}
    assert carried("11", "12", {"state_default": 200}, [ALICE])["events"] == {"m.room.tombstone": 201}
    assert carried("11", "12", {}, [ALICE])["events"] == {"m.room.tombstone": 150}


def test_former_creators_keep_the_highest_level_that_is_named() -> None:
    content = {"users": {CAROL: 20}, "events": {"m.room.tombstone": 150}}
    assert carried("12", "12", content, [BOB], additional_creators=[BOB])["users"] == {ALICE: 150, CAROL: 20}
    assert carried("12", "11", content, [ALICE], additional_creators=[BOB])["users"] == {
        ALICE: 150,
        BOB: 150,
        CAROL: 20,
    }


def test_room_without_power_levels_gets_its_creators() -> None:
    assert carried("11", "11", None, [ALICE]) == {"users": {ALICE: 100}}
    assert carried("12", "11", None, [ALICE]) == {"users": {ALICE: 100}}
    assert carried("12", "12", None, [BOB]) == {"users": {ALICE: 100}, "events": {"m.room.tombstone": 150}}


@pytest.mark.parametrize(
    ("content", "level"),
    [({}, 50), ({"users_default": 60}, 61), ({"events_default": 70, "invite": 10}, 50), ({"invite": 90}, 50)],
)
def test_old_room_lets_only_moderators_speak_and_invite(content: Content, level: int) -> None:
    content = {**content, "users": {ALICE: 100}}
    closed = closed_power_levels(content, levels_of("11", content))
    assert closed == {
        **content,
        "events_default": max(level, content.get("events_default", 0)),
        "invite": max(level, content.get("invite", 0)),
    }
