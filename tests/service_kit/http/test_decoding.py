from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import BadJson, InvalidParam, MissingParam, NotJson
from service_kit.http.decoding import NESTING_MAX, RawJsonObject, body_decoder, check_nesting, query_decoder


class Body(msgspec.Struct):
    user_id: str
    reason: str | None = None


class Optional(msgspec.Struct):
    reason: str | None = None


def test_body_becomes_the_struct_and_unknown_members_are_ignored() -> None:
    assert body_decoder(Body)(b'{"user_id":"@a:b","x":1}') == Body("@a:b")


def test_empty_body_counts_as_empty_object_where_nothing_is_required() -> None:
    assert body_decoder(Optional)(b"") == Optional()


def test_empty_body_is_not_json_where_something_is_required() -> None:
    with pytest.raises(NotJson):
        body_decoder(Body)(b"")


@pytest.mark.parametrize("body", [b"x", b"{", b"\xff", b'{"user_id":"\xff"}', b'"\\ud800"', b"NaN", b"{'a':1}"])
@pytest.mark.parametrize("wanted", [Body, dict[str, Any], RawJsonObject])
def test_what_is_not_json_is_refused_as_such(wanted: Any, body: bytes) -> None:
    with pytest.raises(NotJson):
        body_decoder(wanted)(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"a"'])
@pytest.mark.parametrize("wanted", [Body, dict[str, Any], RawJsonObject])
def test_what_is_no_object_is_bad_json(wanted: Any, body: bytes) -> None:
    with pytest.raises(BadJson):
        body_decoder(wanted)(body)


@pytest.mark.parametrize("number", [b"9223372036854775808", b"-123456789012345678901234567890", b"1" * 300])
def test_number_that_could_not_be_written_again_is_bad_json(number: bytes) -> None:
    with pytest.raises(BadJson):
        body_decoder(Body)(b'{"user_id":"@a:b","x":{"":[%b]}}' % number)
    assert body_decoder(Body)(b'{"user_id":"%b"}' % number) == Body(number.decode())


def test_text_of_members_that_nobody_asks_for_is_checked_too() -> None:
    with pytest.raises(NotJson):
        body_decoder(Body)(b'{"user_id":"@a:b","x":"\xff"}')


def test_wrong_type_names_the_field() -> None:
    with pytest.raises(BadJson, match=r"\$\.reason"):
        body_decoder(Body)(b'{"user_id":"@a:b","reason":3}')


def test_missing_field_is_named() -> None:
    with pytest.raises(BadJson, match="user_id"):
        body_decoder(Body)(b"{}")


def test_raw_object_is_handed_on_as_it_came() -> None:
    assert body_decoder(RawJsonObject)(b' {"b": 1, "a": 2} ') == b' {"b": 1, "a": 2} '


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def test_nesting_is_bounded_before_parsing() -> None:
    check_nesting(nested(NESTING_MAX))
    with pytest.raises(NotJson):
        check_nesting(nested(NESTING_MAX + 1))


def test_brackets_in_strings_and_side_by_side_are_not_nesting() -> None:
    check_nesting(b'{"a":"' + b"{[" * 500 + b'\\"[","b":[' + b"[]," * 500 + b"0]}")


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nesting_of_any_json_is_what_a_parser_finds(value: Any) -> None:
    # Wrapped so deep that the exact count decides, not the number of brackets.
    levels = NESTING_MAX - depth_of(value)
    check_nesting(b"[" * levels + msgspec.json.encode(value) + b"]" * levels)
    with pytest.raises(NotJson):
        check_nesting(b"[" * (levels + 1) + msgspec.json.encode(value) + b"]" * (levels + 1))


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("body", [b"[" * 200_000, b"]" * 1000 + b"[" * 1000, b'"' + b"[" * 500, b'"\\' + b"{" * 500])
def test_nonsense_of_brackets_is_refused_by_the_decoder(body: bytes) -> None:
    with pytest.raises(NotJson):
        body_decoder(dict[str, Any])(body)


class Query(msgspec.Struct, rename={"direction": "dir"}):
    direction: Literal["b", "f"]
    limit: int | None = None
    full: bool = False
    via: list[str] = []


def test_query_values_are_converted_and_lists_collected() -> None:
    decode = query_decoder(Query)
    query = {"dir": ["b"], "limit": ["5", "6"], "full": ["true"], "via": ["x", "y"], "other": ["z"]}
    assert decode(query) == Query("b", 5, True, ["x", "y"])


def test_missing_query_parameter_is_a_missing_parameter() -> None:
    with pytest.raises(MissingParam, match="dir"):
        query_decoder(Query)({})


@pytest.mark.parametrize("query", [{"dir": ["x"]}, {"dir": ["b"], "limit": ["x"]}, {"dir": ["b"], "full": ["maybe"]}])
def test_wrong_query_parameter_is_an_invalid_parameter(query: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidParam):
        query_decoder(Query)(query)
