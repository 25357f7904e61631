"""Patterns of event types with stars: the answer is that of a plain search through all ways to match."""

from __future__ import annotations

from matrix_protocol.type_patterns import TypeMatcher

LENGTH_MAX = 200


def fuzz_one(data: bytes) -> None:
    text, *patterns = data[:LENGTH_MAX].decode("utf-8", "replace").split("\n")
    expected = any(_matches(text, pattern) for pattern in patterns)
    assert TypeMatcher(patterns).matches(text) is expected
    for pattern in patterns:
        assert TypeMatcher([pattern]).matches(pattern.replace("*", text))


def _matches(text: str, pattern: str) -> bool:
    """Which beginnings of the text does each beginning of the pattern match?"""
    reached = {0}
    for character in pattern:
        if character == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if text[at : at + 1] == character}
    return len(text) in reached
