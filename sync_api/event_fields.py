"""`event_fields` of a filter: which members of an event's JSON a client wants.

Costs a parse for each event, and only those who ask for it.
Spec: https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

Tree = dict[str, Any]
"""Wanted members by name: a tree for a part of the value, None for all of it."""


class EventFields:
    __slots__ = ("_tree",)

    def __init__(self, paths: Iterable[str]) -> None:
        self._tree: Tree = {}
        for path in paths:
            _add(self._tree, path_parts(path))

    def of_event(self, client_json: bytes) -> bytes:
        return orjson.dumps(_picked(orjson.loads(client_json), self._tree))


def path_parts(path: str) -> list[str]:
    """The names in a dot-separated path.

    "Any literal dot or backslash found in a property name should be escaped with a backslash. […] Other escape
    sequences are left as-is."
    """
    parts = [""]
    characters = iter(path)
    for character in characters:
        if character == ".":
            parts.append("")
            continue
        if character == "\\":
            escaped = next(characters, "")
            character = escaped if escaped in (".", "\\") else character + escaped
        parts[-1] += character
    return parts


def _add(tree: Tree, parts: list[str]) -> None:
    for part in parts[:-1]:
        below = tree.setdefault(part, {})
        if below is None:
            return  # all of it is wanted already
        tree = below
    tree[parts[-1]] = None


def _picked(value: dict[str, Any], tree: Tree) -> dict[str, Any]:
    picked = {}
    for name, below in tree.items():
        if name in value:
            found = value[name]
            if below is None:
                picked[name] = found
            elif isinstance(found, dict):
                picked[name] = _picked(found, below)
    return picked
