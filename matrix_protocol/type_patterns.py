"""Event types in filters: "A '*' can be used as a wildcard to match any sequence of characters."

No regular expressions: a client could write one that takes hours.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix_protocol.globs import matches_parts


class TypeMatcher:
    """Types as a set, and patterns apart."""

    __slots__ = ("_names", "_patterns")

    def __init__(self, types: Iterable[str]) -> None:
        types = list(types)
        self._names = frozenset(name for name in types if "*" not in name)
        self._patterns = [pattern.split("*") for pattern in types if "*" in pattern]

    def matches(self, event_type: str) -> bool:
        return event_type in self._names or any(matches_parts(event_type, parts) for parts in self._patterns)
