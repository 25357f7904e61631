"""Any JSON, encoded: what the specification's own encoder says, which reads back as the same value; or NotCanonical."""

from __future__ import annotations

import json
from typing import Any

import canonicaljson
import orjson

from matrix_protocol.canonical_json import INTEGER_MAX, NotCanonical, canonical_json, lenient_canonical_json

NESTING_MAX = 100
"""Deeper, the encoders that we compare with recurse further than Python lets them."""


def fuzz_one(data: bytes) -> None:
    value = _value(data)
    try:
        encoded = canonical_json(value)
    except NotCanonical:
        assert _is_unfit(value)
    else:
        assert encoded == canonicaljson.encode_canonical_json(value)
        assert json.loads(encoded) == value
    try:
        lenient = lenient_canonical_json(value)
    except NotCanonical:
        return
    assert json.loads(lenient) == value


def _value(data: bytes) -> Any:
    """orjson refuses lone surrogates and infinities, and Python's parser does not: both have their turn."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: 0)
    except (ValueError, RecursionError):
        return None
    return value if _depth(value) < NESTING_MAX else None


def _parts(value: Any) -> list[Any]:
    parts = [value]
    for item in parts:
        if isinstance(item, dict):
            parts += [*item, *item.values()]
        elif isinstance(item, list):
            parts += item
    return parts


def _is_unfit(value: Any) -> bool:
    return _depth(value) >= NESTING_MAX or any(
        isinstance(part, float)
        or (isinstance(part, int) and abs(part) > INTEGER_MAX)
        or (isinstance(part, str) and part.encode("utf-8", "replace").decode() != part)
        for part in _parts(value)
    )


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            part
            for item in level
            if isinstance(item, dict | list)
            for part in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
