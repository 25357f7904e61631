"""JSON from outside, parsed so that all that comes later may walk it.

    bytes ──► 1 not too long ──► 2 parse (orjson) ──► 3 not too deep ──► value
                                                      └─ holds floats: parsed again, since large integers must stay so

orjson refuses invalid UTF-8, lone surrogates, NaN and Infinity, and more than 1,024 levels. Of members with one name it
keeps the last, as most parsers do; the specification does not say.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from matrix_protocol.errors import BadJson, NotJson, TooLarge

NESTING_MAX: Final = 200
"""Levels of objects and arrays. The specification names no limit. orjson writes 254 levels and no more, so what is
parsed here can be written again with a good many levels around it; the deepest events that people send have some ten.
"""


def parse_untrusted_json(data: bytes, bytes_max: int, *, nesting_max: int = NESTING_MAX) -> Any:
    """The value. Raises TooLarge before anything is parsed, NotJson, BadJson if it is nested too deeply.

    Integers of any size stay integers: room versions 1 to 5 allow them in events, and their hashes need every digit.
    """
    if len(data) > bytes_max:
        raise TooLarge(f"{len(data)} bytes are too many; at most {bytes_max} are allowed")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"The content is no JSON: {error}") from None
    # orjson took the integers for floats, so none has more than 309 digits: CPython converts them.
    return json.loads(data) if _check_nesting(value, nesting_max) else value


def _check_nesting(value: Any, nesting_max: int) -> bool:
    """Level by level, without recursion. Whether there is a float (orjson makes one of a large integer)."""
    has_float = type(value) is float
    level = [value] if type(value) in (dict, list) else []
    depth = 0
    while level:
        depth += 1
        if depth > nesting_max:
            raise BadJson(f"The content is nested more than {nesting_max} levels deep")
        deeper = []
        for container in level:
            for item in container.values() if type(container) is dict else container:
                kind = type(item)
                if kind is dict or kind is list:
                    deeper.append(item)
                elif kind is float:
                    has_float = True
        level = deeper
    return has_float
