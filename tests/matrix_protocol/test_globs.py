"""Globs, compared with a matcher that tries everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.globs import Glob, contains_words, fold

WORD = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")

patterns = st.text("ab *?_-", max_size=8)
texts = st.text("ab _-", max_size=12)


def slow_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(slow_match(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and slow_match(pattern[1:], text[1:])


def is_boundary(text: str, at: int) -> bool:
    return at in (0, len(text)) or not {text[at - 1], text[at]} <= WORD


def slow_word_match(pattern: str, text: str) -> bool:
    edges = [at for at in range(len(text) + 1) if is_boundary(text, at)]
    return any(slow_match(pattern, text[start:end]) for start in edges for end in edges if start <= end)


@given(patterns, texts)
def test_glob_matches_what_trying_everything_matches(pattern: str, text: str) -> None:
    assert Glob(pattern).matches(text) is slow_match(pattern, text)


@given(patterns, texts)
def test_words_are_found_where_trying_every_substring_finds_them(pattern: str, text: str) -> None:
    assert Glob(pattern).matches_words(text) is slow_word_match(pattern, text)


def test_folding_keeps_the_number_of_characters_and_needs_doing_once() -> None:
    every_character = "".join(map(chr, range(0x110000)))
    folded = fold(every_character)
    assert len(folded) == len(every_character)
    assert fold(folded) == folded


def test_case_is_ignored_in_other_scripts_too() -> None:
    assert Glob("ΣΑΣ*").matches(fold("σας και"))
    assert Glob("straße").matches(fold("STRAßE"))
    assert Glob("?stanbul").matches(fold("İstanbul"))


@pytest.mark.parametrize(
    ("pattern", "body", "found"),
    [
        ("ex*ple", "An example event.", True),
        ("ex*ple", "exple", True),
        ("ex*ple", "An exciting triple-whammy", True),
        ("ex*ple", "An examplesque event", False),
        ("cake", "cakes", False),
        ("cake", "a_cake", False),
        ("cake", "CAKE!", True),
        ("@room", "hello@room!", True),
        ("a.c", "abc", False),
        ("\\d", "5", False),
        ("[ab]", "a", False),
    ],
)
def test_pattern_in_a_body(pattern: str, body: str, found: bool) -> None:
    assert Glob(pattern).matches_words(fold(body)) is found


def test_words_may_hold_the_characters_of_patterns() -> None:
    assert contains_words("ask *bob* now", "*bob*")
    assert not contains_words("ask alicebob now", "*bob")


@pytest.mark.parametrize("pattern", ["*a" * 120 + "b", "?" * 250 + "b", "*a?" * 80 + "b", "a*" * 120 + "?c"])
def test_no_pattern_tries_a_place_twice_in_the_longest_body(pattern: str) -> None:
    # A matcher that goes back needs more steps for most of these than there are atoms: the test would not end.
    body = "a" * 65_536
    assert not Glob(pattern).matches(body)
    assert not Glob(pattern).matches_words(body)
