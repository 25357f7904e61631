"""Matching of subjects, as NATS defines it."""

from __future__ import annotations

import pytest

from service_kit.bus.subjects import is_valid, is_valid_pattern, matches


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("*.b", "a.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("*.*.>", "a.b", False),
        ("*.*.>", "a.b.c", True),
    ],
)
def test_pattern_matches_whole_tokens(pattern: str, subject: str, expected: bool) -> None:
    assert matches(pattern, subject) is expected


@pytest.mark.parametrize("pattern", ["", "a b", "a\n", "a..b", ".a", "a.", "a.b*", ">.a", "a>"])
def test_impossible_patterns_are_known(pattern: str) -> None:
    assert not is_valid_pattern(pattern)


def test_possible_subjects_and_patterns_are_known() -> None:
    assert is_valid("command.room.17")
    assert all(is_valid_pattern(pattern) for pattern in ("a", "a.*.b", "*", ">", "a.>"))
