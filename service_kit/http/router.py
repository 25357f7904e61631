"""From method and path to the endpoint: a tree of path segments.

    /_matrix ─ client ─ v3 ─ rooms ─ {roomId} ┬ ban          POST
                      ╰ r0 (the same node)    ╰ state ─ {eventType} ─ {stateKey}   GET, PUT

Clients encode `!`, `:`, `@` and `$` or do not; an encoded slash stays within
its segment, and what is encoded twice is decoded once. A path that ends in a
slash is also found without it.

NOTSPEC: a path that begins with several slashes counts as if it were one, as
people enter `https://matrix.example.org/` as the address of their homeserver
and some clients put `/_matrix` behind it. The prefix `r0` is answered as `v3`.
Earlier ones (`api/v1`, `v2_alpha`) are gone, and features that were tried under
`unstable/` and are in the specification now have their final paths alone:
clients learn from `/versions` which to use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from matrix_protocol.errors import InvalidParam

T = TypeVar("T")

PATH_BYTES_MAX = 8192
SEGMENTS_MAX = 32
REMEMBERED_BYTES_MAX = 300


class DuplicateRoute(Exception):
    """Two endpoints want the same method and path."""


class Match(NamedTuple, Generic[T]):
    methods: Mapping[str, T]
    values: tuple[str, ...]
    """Of the path's parameters, in their order, decoded."""


class _Node(Generic[T]):
    __slots__ = ("fixed", "methods", "parameter")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.methods: dict[str, T] = {}


class Router(Generic[T]):
    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, path: str, endpoint: T) -> None:
        """Register an endpoint; `{name}` in the path stands for any one segment that is not empty."""
        node = self._root
        for segment in path.strip("/").split("/"):
            node = _descend(node, segment)
        if method in node.methods:
            raise DuplicateRoute(f"{method} {path} is declared twice")
        node.methods[method] = endpoint

    def match(self, raw_path: str) -> Match[T] | None:
        """Find what answers this percent-encoded path, whatever the method. Raises InvalidParam (not UTF-8)."""
        if len(raw_path) > PATH_BYTES_MAX:
            return None
        if raw_path.startswith("//"):
            raw_path = "/" + raw_path.lstrip("/")
        segments = raw_path.split("/")
        if len(segments) > SEGMENTS_MAX:
            return None
        if "%" in raw_path:
            segments = [decoded(segment) if "%" in segment else segment for segment in segments]
        if not segments[-1]:
            segments.pop()
        values: list[str] = []
        node = _walk(self._root, segments, values) or _search(self._root, segments, 1, values)
        return Match(node.methods, tuple(values)) if node is not None else None


def _descend(node: _Node[T], segment: str) -> _Node[T]:
    if segment.startswith("{"):
        if node.parameter is None:
            node.parameter = _Node()
        return node.parameter
    child = node.fixed.get(segment)
    if child is None:
        child = node.fixed[segment] = _Node()
        if segment == "v3":
            # NOTSPEC: r0 was the prefix until Matrix 1.1; clients of that time still run, and v3 is a superset.
            node.fixed["r0"] = child
    return child


def _walk(node: _Node[T], segments: list[str], values: list[str]) -> _Node[T] | None:
    """The node for the segments, by the first way that offers itself; None if that leads nowhere."""
    for segment in islice(segments, 1, None):
        child = node.fixed.get(segment)
        if child is None:
            child = node.parameter
            if child is None or not segment:
                return None
            values.append(segment)
        node = child
    return node if node.methods else None


def _search(node: _Node[T], segments: list[str], index: int, values: list[str]) -> _Node[T] | None:
    """The same by all ways, fixed segments before parameters: only where `_walk` has failed."""
    if index == 1:
        values.clear()
    if index >= len(segments):
        return node if node.methods else None
    segment = segments[index]
    child = node.fixed.get(segment)
    if child is not None and (found := _search(child, segments, index + 1, values)) is not None:
        return found
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _search(node.parameter, segments, index + 1, values)
    if found is None:
        values.pop()
    return found


def decoded(segment: str) -> str:
    """Raises InvalidParam."""
    return _remembered(segment) if len(segment) <= REMEMBERED_BYTES_MAX else _decoded(segment)


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise InvalidParam("The path is not percent-encoded UTF-8") from error


# The same room and user IDs come again and again.
_remembered = lru_cache(maxsize=4096)(_decoded)


def parameters_of(path: str) -> Iterator[str]:
    """The names in braces, in order."""
    for segment in path.split("/"):
        if segment.startswith("{") and segment.endswith("}"):
            yield segment[1:-1]
