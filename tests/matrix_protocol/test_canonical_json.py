"""Canonical JSON: the specification's vectors, and the `canonicaljson` package as the oracle."""

from __future__ import annotations

import json
from typing import Any

import canonicaljson
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.canonical_json import (
    INTEGER_MAX,
    NotCanonical,
    canonical_json,
    lenient_canonical_json,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=30,
)

# https://spec.matrix.org/v1.19/appendices/#canonical-json, "Examples"
VECTORS = [
    ("{}", "{}"),
    ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
    ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        """{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe",
        "three_pids": [{"medium": "email", "address": "john.doe@example.org"},
                       {"medium": "msisdn", "address": "123456789"}]}}}""",
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":['
        '{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},'
        '"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    (r'{"a": "\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
    ('{"a": -0}', '{"a":0}'),
]


@pytest.mark.parametrize(("given_json", "canonical"), VECTORS)
def test_specification_vector(given_json: str, canonical: str) -> None:
    assert canonical_json(orjson.loads(given_json)) == canonical.encode()


@given(JSON_VALUES)
def test_bytes_equal_those_of_the_canonicaljson_package(value: Any) -> None:
    assert canonical_json(value) == canonicaljson.encode_canonical_json(value)


@given(JSON_VALUES)
def test_encoding_is_its_own_canonical_form(value: Any) -> None:
    encoded = canonical_json(value)
    assert canonical_json(orjson.loads(encoded)) == encoded
    assert orjson.loads(encoded) == value


@given(JSON_VALUES)
def test_lenient_encoding_is_the_same_where_the_value_is_canonical(value: Any) -> None:
    assert lenient_canonical_json(value) == canonical_json(value)


def test_every_control_character_is_written_as_the_grammar_says() -> None:
    text = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\U0001f600'
    assert canonical_json(text) == json.dumps(text, ensure_ascii=False).encode()


def test_keys_are_sorted_by_code_point_not_by_utf_16() -> None:
    assert canonical_json({"\U00010000": 1, "\uffff": 2}) == '{"\uffff":2,"\U00010000":1}'.encode()


@pytest.mark.parametrize("value", [1.0, 1e10, -0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": {"b": [0, {"c": v}]}}, lambda v: (v,)])
def test_float_is_not_canonical_wherever_it_is(value: float, wrap: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(wrap(value))


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**64, -(2**63) - 1, 10**400])
def test_too_large_integer_is_not_canonical(value: int) -> None:
    with pytest.raises(NotCanonical):
        canonical_json({"a": [value]})


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, {1: 2}, {"a": {1, 2}}, b"bytes", object()])
def test_what_is_no_json_is_not_canonical(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)
    with pytest.raises(NotCanonical):
        lenient_canonical_json(value) if not isinstance(value, dict) or 1 not in value else canonical_json(value)


def test_too_deep_value_is_not_canonical() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    for encode in (canonical_json, lenient_canonical_json):
        with pytest.raises(NotCanonical):
            encode(value)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [({"b": 1.5, "a": 10**20}, b'{"a":100000000000000000000,"b":1.5}'), ([2**53], b"[9007199254740992]")],
)
def test_lenient_encoding_takes_floats_and_large_integers(value: object, encoded: bytes) -> None:
    assert lenient_canonical_json(value) == encoded


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_lenient_encoding_refuses_what_json_cannot_say(value: float) -> None:
    with pytest.raises(NotCanonical):
        lenient_canonical_json({"a": value})
