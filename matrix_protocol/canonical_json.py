"""Canonical JSON: the one encoding of a value that hashes and signatures are made of.

orjson with sorted keys gives exactly these bytes (it sorts by UTF-8, which is
the order of code points) and refuses lone surrogates, integers outside
±(2**53 - 1) and more than 254 levels of nesting. What it lets through, floats,
is looked for here.

Spec: https://spec.matrix.org/v1.19/appendices/#canonical-json
"""

from __future__ import annotations

import json
from typing import Any

import orjson

INTEGER_MAX = 2**53 - 1

_STRICT = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME
_STRICT |= orjson.OPT_PASSTHROUGH_DATACLASS


class NotCanonical(ValueError):
    """The value has no canonical form: a float, a too large integer, a lone surrogate, too deep."""


def canonical_json(value: object) -> bytes:
    """The canonical encoding. Raises `NotCanonical`.

    NOTSPEC: the specification's last example encodes `1e10` as `10000000000`.
    A float stays a float here and is refused, as its own text asks ("Float
    values are not permitted by this encoding").
    """
    if _has_float(value):
        raise NotCanonical("floats are not allowed")
    return canonical_json_without_floats(value)


def canonical_json_without_floats(value: object) -> bytes:
    """As `canonical_json`, for a value that is known to hold no floats (part of one that was encoded before)."""
    try:
        return orjson.dumps(value, option=_STRICT)
    except TypeError as error:
        raise NotCanonical(str(error)) from error


def lenient_canonical_json(value: object) -> bytes:
    """The encoding for events of room versions 1 to 5, which may contain floats and large integers.

    "Servers SHOULD be capable of handling JSON which is considered invalid by
    these restrictions where possible." Those get the bytes of the
    specification's sample code, which is what made their hashes.
    """
    try:
        return canonical_json(value)
    except NotCanonical:
        pass
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
        return text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise NotCanonical(str(error)) from error


def _has_float(value: Any) -> bool:
    values = [value]
    for item in values:  # grows while it is walked
        kind = type(item)
        if kind is dict:
            values.extend(item.values())
        elif kind is list or kind is tuple:
            values.extend(item)
        elif kind is float:
            return True
    return False
