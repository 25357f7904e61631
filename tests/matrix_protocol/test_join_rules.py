"""What a room's join rules mean when they say nothing, or nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.join_rules import join_rule_of
from matrix_protocol.room_summary import published_room


@pytest.mark.parametrize("content", [None, {}, {"allow": []}])
def test_silence_means_by_invitation(content: dict[str, Any] | None) -> None:
    assert join_rule_of(content) == "invite"


@pytest.mark.parametrize("join_rule", [None, 1, True, ["public"], {"public": True}, ""])
def test_what_is_no_string_lets_nobody_in(join_rule: object) -> None:
    assert join_rule_of({"join_rule": join_rule}) == "private"
    shown = published_room(
        "!a:x.org", lambda type_: {"join_rule": join_rule} if type_ == "m.room.join_rules" else None, 1
    )
    assert shown["join_rule"] == "private"


@pytest.mark.parametrize("join_rule", ["public", "knock", "org.example.custom"])
def test_names_are_passed_on(join_rule: str) -> None:
    assert join_rule_of({"join_rule": join_rule}) == join_rule
