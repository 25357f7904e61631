"""Event types in filters: "A '*' can be used as a wildcard to match any sequence of characters."

No regular expressions: a client could write one that takes hours.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from __future__ import annotations

from collections.abc import Iterable


class TypeMatcher:
    """Types as a set, and patterns apart."""

    __slots__ = ("_names", "_patterns")

    def __init__(self, types: Iterable[str]) -> None:
        types = list(types)
        self._names = frozenset(name for name in types if "*" not in name)
        self._patterns = [pattern.split("*") for pattern in types if "*" in pattern]

    def matches(self, event_type: str) -> bool:
        return event_type in self._names or any(_matches(event_type, parts) for parts in self._patterns)


def _matches(text: str, parts: list[str]) -> bool:
    """Whether the text is the parts in this order, with anything between them. Linear, whatever the pattern."""
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
