"""From the body's bytes to what a handler asks for.

| it is not …                                   | errcode      |
|-----------------------------------------------|--------------|
| JSON in UTF-8, nested at most so deep         | M_NOT_JSON   |
| of the types that the specification names     | M_BAD_JSON   |

An empty body counts as `{}` where every field may be missing (the body is
optional then, or was forgotten by a client that had nothing to say).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, NewType, get_origin

import msgspec
import orjson

from matrix_protocol.errors import BadJson, InvalidParam, MatrixError, MissingParam, NotJson

JsonObject = dict[str, Any]
RawBody = NewType("RawBody", bytes)
"""A body as it came, whatever it is."""
RawJsonObject = NewType("RawJsonObject", bytes)
"""A body that is checked to be a JSON object, but handed on as it came."""

NESTING_MAX = 100
"""Deepest nesting of arrays and objects in a body. The specification has no limit; every parser has one."""

Decoder = Callable[[bytes], object]

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\x00\x00")


def body_decoder(wanted: Any) -> Decoder:
    """What decodes a body into a type: a msgspec Struct, `dict[str, Any]`, RawJsonObject, or anything msgspec knows."""
    if wanted is RawBody:
        return bytes
    if wanted is RawJsonObject:
        return _raw_object
    if wanted is dict or get_origin(wanted) is dict:
        return _object
    decode = msgspec.json.Decoder(wanted).decode

    def decoder(body: bytes) -> object:
        check_text(body)
        check_nesting(body)
        check_numbers(body)
        try:
            return decode(body or b"{}")
        except msgspec.ValidationError as error:
            if not body:
                raise NotJson("The request needs a JSON object as its body") from error
            raise BadJson(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise NotJson("The request's body is not JSON") from error

    return decoder


def _object(body: bytes) -> JsonObject:
    check_nesting(body)
    try:
        value = orjson.loads(body)
    except ValueError as error:
        raise NotJson("The request's body is not JSON") from error
    if type(value) is not dict:
        raise BadJson("Expected `object` as the request's body")
    return value


def _raw_object(body: bytes) -> bytes:
    _object(body)
    return body


def check_text(body: bytes) -> None:
    """Raise NotJson for what is not UTF-8: msgspec does not look into members that nobody asks for."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise NotJson("The request's body is not UTF-8") from error


def check_numbers(body: bytes) -> None:
    """Raise BadJson for integers beyond 64 bits, which msgspec reads and orjson cannot write."""
    if _LONG_NUMBER.search(body) and _LONG_NUMBER.search(_STRINGS.sub(b"", body)):
        raise BadJson("The request's body holds a number that is too long")


def check_nesting(body: bytes) -> None:
    """Raise NotJson if arrays and objects are nested deeper than NESTING_MAX, before any parser sees them."""
    if body.count(b"{") + body.count(b"[") <= NESTING_MAX:
        return
    steps = _STRINGS.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(1 if step else -1 for step in steps), default=0) > NESTING_MAX:
        raise NotJson(f"The request's body is nested deeper than {NESTING_MAX} levels")


def query_decoder(wanted: type[msgspec.Struct]) -> Callable[[Mapping[str, list[str]]], object]:
    """What converts query parameters into a Struct; a parameter given twice counts once unless its field is a list.

    NOTSPEC: `null` counts as if an optional parameter were missing: so it comes from clients that put together what
    they have not got.
    """
    lists = {
        field.encode_name
        for field in msgspec.structs.fields(wanted)
        if get_origin(field.type) is list or field.type is list
    }

    def decoder(query: Mapping[str, list[str]]) -> object:
        values = {name: values if name in lists else values[0] for name, values in query.items()}
        try:
            return msgspec.convert(values, wanted, strict=False)
        except msgspec.ValidationError as error:
            raise _query_error(str(error)) from error

    return decoder


def _query_error(message: str) -> MatrixError:
    kind = MissingParam if message.startswith("Object missing required field") else InvalidParam
    return kind(f"Query: {message}")
