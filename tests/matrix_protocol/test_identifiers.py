"""The grammar of identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import (
    exceeds_bytes,
    is_valid_event_id,
    is_valid_new_localpart,
    is_valid_room_alias,
    is_valid_room_id,
    is_valid_server_name,
    is_valid_user_id,
    parse_user_id,
    server_name_of,
)


@pytest.mark.parametrize(
    "name",
    [
        "matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234", "[1234:5678::abcd]", "[1234:5678::abcd]:5678",
        "localhost", "MATRIX.org", "a-b.example", "[::1]", "1.2.3", "1.2.3.4.5",
    ],
)  # fmt: skip
def test_valid_server_name(name: str) -> None:
    assert is_valid_server_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", ":80", "matrix.org:", "matrix.org:123456", "matrix.org:8x", "under_score", "a b", "a/b", "é.example",
        "[1::2::3]", "[::1", "::1", "256.1.1.1", "a" * 256, "matrix.org\n", "matrix.org:80\n", "[gg::1]", "٣.example",
    ],
)  # fmt: skip
def test_invalid_server_name(name: str) -> None:
    assert not is_valid_server_name(name)


@pytest.mark.parametrize(
    "user_id", ["@alice:example.org", "@:example.org", "@Älice Ω\n:example.org:80", "@a:[::1]:80", "@=/+-_.:x"]
)
def test_historical_user_id_is_valid(user_id: str) -> None:
    assert is_valid_user_id(user_id)


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "@",
        "alice:example.org",
        "@alice",
        "@alice:",
        "@a\x00:example.org",
        "@a\ud800:example.org",
        "@a:b:c",
        "@a:b c",
    ],
)
def test_invalid_user_id(user_id: str) -> None:
    assert not is_valid_user_id(user_id)
    with pytest.raises(InvalidParam):
        parse_user_id(user_id)


def test_user_id_has_two_parts() -> None:
    parsed = parse_user_id("@alice:example.org:8448")
    assert parsed == ("alice", "example.org:8448")
    assert str(parsed) == "@alice:example.org:8448"
    assert server_name_of("@alice:example.org:8448") == "example.org:8448"
    assert server_name_of("$hash") == ""


@pytest.mark.parametrize(("localpart", "valid"), [
    ("alice", True), ("a.b_c=d-e/f+9", True), ("", False), ("Alice", False), ("ä", False), ("a b", False),
    ("a\n", False),
])  # fmt: skip
def test_new_localpart_keeps_the_current_grammar(localpart: str, valid: bool) -> None:
    assert is_valid_new_localpart(localpart) is valid


def test_identifiers_are_at_most_255_bytes() -> None:
    longest = "@" + "a" * (254 - len(":example.org")) + ":example.org"
    assert len(longest) == 255
    assert is_valid_user_id(longest)
    assert not is_valid_user_id("@a" + longest[1:])
    assert not is_valid_user_id("@" + "ä" * 130 + ":example.org")


@pytest.mark.parametrize(
    "room_id", ["!a:example.org", "!:example.org", "!" + "A" * 43, "!Nhcu5BS-UMnFX7hBVfVSoXiD7_gH6"]
)
def test_valid_room_id(room_id: str) -> None:
    assert is_valid_room_id(room_id)


@pytest.mark.parametrize("room_id", ["", "!", "a:example.org", "!a:", "!a b", "!" + "A" * 255, "!a\x00:x", "#a:x"])
def test_invalid_room_id(room_id: str) -> None:
    assert not is_valid_room_id(room_id)


@pytest.mark.parametrize("event_id", ["$a:example.org", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$Rqnc-F_d"])
def test_valid_event_id(event_id: str) -> None:
    assert is_valid_event_id(event_id)


@pytest.mark.parametrize("event_id", ["", "$", "a:example.org", "$a:", "$a b", "$é", "$" + "A" * 255])
def test_invalid_event_id(event_id: str) -> None:
    assert not is_valid_event_id(event_id)


@pytest.mark.parametrize(("alias", "valid"), [
    ("#room:example.org", True), ("#日本 語:example.org", True), ("#:example.org", False), ("room:example.org", False),
    ("#room", False), ("#room:", False), ("#ro\x00om:example.org", False),
])  # fmt: skip
def test_room_alias(alias: str, valid: bool) -> None:
    assert is_valid_room_alias(alias) is valid


@given(st.text(), st.integers(0, 40))
def test_exceeds_bytes_counts_utf_8(text: str, limit: int) -> None:
    assert exceeds_bytes(text, limit) is (len(text.encode()) > limit)
