from __future__ import annotations

import pytest

from matrix_protocol.type_patterns import TypeMatcher


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("m.room.*", ["m.room.", "m.room.message"], ["m.room", "xm.room.name"]),
        ("*name", ["name", "m.room.name"], ["names"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["ab", "acb", "abcd"]),
        ("*", ["", "anything"], []),
        ("a*a", ["aa", "aba"], ["a"]),
        ("exact", ["exact"], ["exact2", ""]),
    ],
)
def test_star_stands_for_any_characters(pattern: str, matching: list[str], others: list[str]) -> None:
    wanted = TypeMatcher([pattern])
    assert all(wanted.matches(event_type) for event_type in matching)
    assert not any(wanted.matches(event_type) for event_type in others)


def test_pattern_of_many_stars_takes_no_time() -> None:
    wanted = TypeMatcher(["*a" * 500 + "*b"])
    assert not wanted.matches("a" * 100_000)
