"""JSON from outside: what is let in, and that all of it can be walked and written again."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.canonical_json import INTEGER_MAX, canonical_json, lenient_canonical_json
from matrix_protocol.errors import BadJson, MatrixError, NotJson, TooLarge
from matrix_protocol.untrusted_json import NESTING_MAX, parse_untrusted_json

LIMIT = 65536
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=30,
)


@given(JSON_VALUES)
def test_what_is_canonical_comes_back_as_it_was(value: Any) -> None:
    assert parse_untrusted_json(canonical_json(value), 10**7) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_one_of_three_errors(data: bytes) -> None:
    try:
        value = parse_untrusted_json(data, 100)
    except (TooLarge, NotJson, BadJson):
        return
    assert value == json.loads(data)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_is_bounded_and_what_is_let_in_can_be_written(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deepest = opening * NESTING_MAX + b"0" + closing * NESTING_MAX
    value = parse_untrusted_json(deepest, LIMIT)
    assert canonical_json(value) == lenient_canonical_json(value) == deepest
    assert canonical_json({"pdus": [value]})
    for depth in (NESTING_MAX + 1, 1000, 20_000):
        with pytest.raises(MatrixError) as refused:
            parse_untrusted_json(opening * depth + b"0" + closing * depth, 10**6)
        assert isinstance(refused.value, BadJson | NotJson)


def test_too_many_bytes_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(TooLarge):
        parse_untrusted_json(b"x" * (LIMIT + 1), LIMIT)


@pytest.mark.parametrize("text", ["100000000000000000000", "[-18446744073709551616, 1.5]", '{"a":9007199254740993}'])
def test_large_integers_stay_exact(text: str) -> None:
    value = parse_untrusted_json(text.encode(), LIMIT)
    assert value == json.loads(text)
    assert lenient_canonical_json(value) == text.replace(", ", ",").encode()


def test_an_integer_that_nobody_could_mean_is_refused() -> None:
    with pytest.raises(NotJson):
        parse_untrusted_json(b"[1.5, 1" + b"0" * 10_000 + b"]", LIMIT)


@pytest.mark.parametrize("data", [b"", b"nul", b"{", b"\xff", b'"\xed\xa0\x80"', b'"\\ud800"', b"NaN", b"[Infinity]"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        parse_untrusted_json(data, LIMIT)


def test_of_members_with_one_name_the_last_counts() -> None:
    assert parse_untrusted_json(b'{"a":1,"a":2}', LIMIT) == orjson.loads(b'{"a":1,"a":2}') == {"a": 2}
