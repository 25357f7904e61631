"""Glob-style matching: "`*` matches zero or more characters. `?` matches exactly one character."

Patterns come from users and from other servers, so no pattern may cost more
than its length times the text's. A glob is cut at its asterisks into parts of
a fixed length, and the leftmost place of each part is as good as any later one:
nothing is ever tried twice. Parts without `?` are found as plain strings; the
others become a regular expression of atomic groups, which never go back:

    a*b?c*d   ->   a (?>.*?b.c) (?>.*?d\\Z)

Case is ignored everywhere in Matrix where globs are used, and its "exact
meaning […] is defined by the implementation": here both sides are `fold`ed.

Spec: https://spec.matrix.org/v1.19/appendices/#glob-style-matching
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WILDCARDS: Final = re.compile(r"[*?]+")
_EDGE: Final = r"(?:(?<![A-Za-z0-9_])|(?![A-Za-z0-9_]))"
"""A position that has a character of no word, or the text's end, on at least one side."""
_WORD_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def fold(text: str) -> str:
    """The text without its case, as many characters as before (`?` counts them)."""
    lower = text.lower() if text.isascii() else text.replace("\u0130", "i").lower()
    # Of all characters, only the capital I with a dot has two in lower case, and only the sigma has two lower cases.
    return lower if lower.isascii() else lower.replace("\u03c2", "\u03c3")


class Glob:
    """A pattern. Texts must be folded before they are given to it. Made by `glob`."""

    __slots__ = ("_expression", "_parts", "_word_expression", "characters_min", "is_literal", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = _normal(fold(pattern))
        self._parts = self.pattern.split("*")
        self.characters_min = sum(map(len, self._parts))
        """No shorter text matches."""
        self.is_literal = len(self._parts) == 1 and "?" not in self.pattern
        self._expression: re.Pattern[str] | None = None
        self._word_expression: re.Pattern[str] | None = None

    def matches(self, folded_text: str) -> bool:
        """Is the whole text what the pattern says?"""
        if self.is_literal:
            return folded_text == self.pattern
        if len(folded_text) < self.characters_min:
            return False
        if "?" not in self.pattern:
            return matches_parts(folded_text, self._parts)
        if self._expression is None:
            self._expression = _expression(self._parts, "", r"\Z")
        return self._expression.match(folded_text) is not None

    def matches_words(self, folded_text: str) -> bool:
        """Does the pattern match "any substring […] which starts and ends at a word boundary"?

        "A word boundary is defined as the start or end of the value, or any character not in the sets `[A-Z]`, `[a-z]`,
        `[0-9]` or `_`", beside the substring or at its own end: so `@room` is found in "hello@room!".
        """
        if self.is_literal:
            return contains_words(folded_text, self.pattern)
        if len(folded_text) < self.characters_min:
            return False
        if self._word_expression is None:
            self._word_expression = _expression(self._parts, _EDGE, _EDGE)
        return self._word_expression.match(folded_text) is not None


@lru_cache(maxsize=4096)
def glob(pattern: str) -> Glob:
    """The pattern, ready to match; those that many users have are made once."""
    return Glob(pattern)


def contains_words(folded_text: str, folded_words: str) -> bool:
    """Whether these very words are in the text, with a word boundary on either side."""
    at = folded_text.find(folded_words)
    while at >= 0:
        if _is_edge(folded_text, at) and _is_edge(folded_text, at + len(folded_words)):
            return True
        at = folded_text.find(folded_words, at + 1)
    return False


def _is_edge(text: str, at: int) -> bool:
    return at == 0 or at == len(text) or text[at - 1] not in _WORD_CHARACTERS or text[at] not in _WORD_CHARACTERS


def _normal(pattern: str) -> str:
    """In each run of wildcards, the question marks first and one asterisk: means the same, and costs the least."""

    def normal_run(run: re.Match[str]) -> str:
        return "?" * run[0].count("?") + ("*" if "*" in run[0] else "")

    return _WILDCARDS.sub(normal_run, pattern)


def matches_parts(text: str, parts: list[str]) -> bool:
    """Whether the text is the parts in this order, with anything between them; two parts at least."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _expression(parts: list[str], start: str, end: str) -> re.Pattern[str]:
    """The parts in this order, the first one at `start`, the last one before `end`; to be used with `match`."""
    pieces = ["".join("." if character == "?" else re.escape(character) for character in part) for part in parts]
    pieces[0] = start + pieces[0]
    pieces[-1] += end
    first = f"(?>.*?{pieces[0]})" if start else pieces[0]
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in pieces[1:]), re.DOTALL)
