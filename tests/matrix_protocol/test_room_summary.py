"""Heroes, counts, and rooms in short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from matrix_protocol.room_summary import (
    SUMMARY_STATE_TYPES,
    MemberCounts,
    allowed_room_ids,
    heroes,
    member_counts,
    published_room,
    room_summary,
    topic_of,
)

STATE: dict[str, Any] = {
    "m.room.avatar": {"url": "mxc://a.example/x"},
    "m.room.canonical_alias": {"alias": "#room:a.example"},
    "m.room.create": {"type": "m.space", "room_version": "11"},
    "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    "m.room.guest_access": {"guest_access": "can_join"},
    "m.room.history_visibility": {"history_visibility": "world_readable"},
    "m.room.join_rules": {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": "!space:a.example"}],
    },
    "m.room.name": {"name": "Room"},
    "m.room.topic": {"topic": "Things"},
}
PUBLISHED = {
    "room_id": "!r:a.example",
    "num_joined_members": 3,
    "guest_can_join": True,
    "world_readable": True,
    "avatar_url": "mxc://a.example/x",
    "canonical_alias": "#room:a.example",
    "join_rule": "restricted",
    "name": "Room",
    "room_type": "m.space",
    "topic": "Things",
}


def test_heroes_are_the_first_five_joined_or_invited_others() -> None:
    members = [(f"u{number}", "join" if number % 2 else "invite") for number in range(8)]
    assert heroes(members, "u1") == ["u0", "u2", "u3", "u4", "u5"]


def test_users_who_are_gone_are_no_heroes_while_somebody_is_there() -> None:
    assert heroes([("a", "leave"), ("b", "ban"), ("me", "join"), ("c", "join")], "me") == ["c"]


def test_room_of_the_user_alone_has_those_who_left_or_were_banned_as_heroes() -> None:
    members = [
        ("me", "join"),
        ("k", "knock"),
        *[(f"u{number}", "leave" if number % 2 else "ban") for number in range(7)],
    ]
    assert heroes(members, "me") == ["u0", "u1", "u2", "u3", "u4"]


def test_members_are_read_no_further_than_needed() -> None:
    def members() -> Iterator[tuple[str, str]]:
        for number in range(5):
            yield f"u{number}", "join"
        raise AssertionError("read too far")

    assert len(heroes(members(), "me")) == 5


def test_room_in_the_directory_has_the_members_of_the_specification() -> None:
    assert published_room("!r:a.example", STATE.get, 3) == PUBLISHED


def test_summary_tells_version_encryption_and_allowed_rooms_besides() -> None:
    assert room_summary("!r:a.example", STATE.get, 3) == {
        **PUBLISHED,
        "allowed_room_ids": ["!space:a.example"],
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "11",
    }


def test_all_state_that_is_asked_for_is_listed() -> None:
    asked: set[str] = set()

    def content_of(event_type: str) -> None:
        asked.add(event_type)

    room_summary("!r:a.example", content_of, 0)
    assert asked == set(SUMMARY_STATE_TYPES)


@pytest.mark.parametrize("value", [None, "", 1, [], {}])
def test_values_that_are_none_or_malformed_are_left_out(value: object) -> None:
    members = ("url", "alias", "type", "room_version", "algorithm", "guest_access", "history_visibility")
    content = dict.fromkeys((*members, "join_rule", "allow", "name", "topic"), value)
    assert room_summary("!r:a.example", dict.fromkeys(SUMMARY_STATE_TYPES, content).get, 0) == {
        "room_id": "!r:a.example",
        "num_joined_members": 0,
        "guest_can_join": False,
        "world_readable": False,
        "join_rule": "private",
        "room_version": "1",
    }


@pytest.mark.parametrize(
    ("content", "topic"),
    [
        (None, None),
        ({"topic": "T"}, "T"),
        (
            {"topic": "T", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "<b>T"}, {"body": "plain"}]}},
            "plain",
        ),
        ({"topic": "T", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "<b>T"}]}}, "T"),
        ({"topic": "T", "m.topic": {"m.text": [7, {"body": 1}]}}, "T"),
        ({"topic": "T", "m.topic": []}, "T"),
        ({"topic": "", "m.topic": {"m.text": [{"body": "plain"}]}}, None),
    ],
)
def test_topic_is_plain_text(content: dict[str, Any] | None, topic: str | None) -> None:
    assert topic_of(content) == topic


def test_allowed_rooms_are_those_of_membership_conditions_once_each() -> None:
    allow = [
        {"type": "m.room_membership", "room_id": "!a:a.example"},
        {"type": "other", "room_id": "!b:a.example"},
        {"type": "m.room_membership", "room_id": 7},
        "m.room_membership",
        {"type": "m.room_membership", "room_id": "!a:a.example"},
    ]
    assert allowed_room_ids({"join_rule": "knock_restricted", "allow": allow}) == ["!a:a.example"]
    assert allowed_room_ids({"join_rule": "public", "allow": allow}) == []


def test_members_are_counted_by_membership() -> None:
    assert member_counts(["join", "join", "invite", "leave", "ban", "knock"]) == MemberCounts(2, 1)
