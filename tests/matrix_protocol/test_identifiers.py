"""The grammar of identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import (
    UserId,
    exceeds_bytes,
    is_compliant_user_id,
    is_valid_event_id,
    is_valid_key_id,
    is_valid_namespaced_id,
    is_valid_new_localpart,
    is_valid_opaque_id,
    is_valid_room_alias,
    is_valid_room_id,
    is_valid_server_name,
    is_valid_user_id,
    mapped_localpart,
    parse_mxc_uri,
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


@pytest.mark.parametrize(
    ("user_id", "compliant"),
    [("@a:b", True), ("@A/=!:b", True), ("@:b", False), ("@a b:b", False), ("@é:b", False), ("a:b", False)],
)
def test_users_outside_of_events_are_shown_only_if_compliant(user_id: str, compliant: bool) -> None:
    assert is_compliant_user_id(user_id) is compliant


@pytest.mark.parametrize(
    ("name", "localpart"), [("Alice", "alice"), ("#", "=23"), ("á", "=c3=a1"), ("a=b", "a=3db"), ("x/y+z", "x/y+z")]
)
def test_any_name_is_mapped_to_a_localpart_as_the_specification_suggests(name: str, localpart: str) -> None:
    assert mapped_localpart(name) == localpart


@given(st.text(min_size=1))
def test_mapped_localparts_keep_the_current_grammar(name: str) -> None:
    assert is_valid_new_localpart(mapped_localpart(name))


@pytest.mark.parametrize(
    ("text", "opaque", "namespaced"),
    [
        ("m.login.password", True, True),
        ("com.example-x_1", True, True),
        ("A~b", True, False),
        ("1a", True, False),
        ("a" * 255, True, True),
        ("a" * 256, False, False),
        ("", False, False),
        ("a b", False, False),
        ("ä", False, False),
        ("a\n", False, False),
    ],
)
def test_opaque_and_namespaced_identifiers(text: str, opaque: bool, namespaced: bool) -> None:
    assert is_valid_opaque_id(text) is opaque
    assert is_valid_namespaced_id(text) is namespaced


@pytest.mark.parametrize(
    ("key_id", "valid"),
    [("ed25519:a_1", True), ("ed25519:", False), ("ed25519", False), ("ed25519:a-b", False), (":a", False)],
)
def test_key_id(key_id: str, valid: bool) -> None:
    assert is_valid_key_id(key_id) is valid


def test_media_uri_has_two_parts() -> None:
    uri = parse_mxc_uri("mxc://a.example:8448/Ab_-1")
    assert uri == ("a.example:8448", "Ab_-1")
    assert str(uri) == "mxc://a.example:8448/Ab_-1"


@pytest.mark.parametrize(
    "text",
    ["", "mxc://", "mxc://a.example", "mxc://a.example/", "http://a.example/x", "mxc://a_b/x", "mxc://a/x/y",
     "mxc://127.0.0.1/../../../some_service/etc/passwd", "mxc://a/%2e", "mxc://a/" + "x" * 256],
)  # fmt: skip
def test_malformed_media_uri_is_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        parse_mxc_uri(text)


def parts(sigil: str) -> st.SearchStrategy[tuple[str, str]]:
    """Localparts of the historical grammar, and server names."""
    localparts = st.text(st.characters(codec="utf-8", exclude_characters=":\0"), max_size=40)
    hosts = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,6}){0,2}(:[0-9]{1,5})?", fullmatch=True)
    return st.tuples(localparts, hosts)


@given(parts("@"))
def test_user_id_is_formatted_and_parsed_again(both: tuple[str, str]) -> None:
    assert parse_user_id(str(UserId(*both))) == both


@given(st.text())
def test_any_text_is_a_user_id_or_refused_as_an_invalid_parameter(text: str) -> None:
    for candidate in (text, "@" + text, "@a:" + text):
        try:
            parsed = parse_user_id(candidate)
        except InvalidParam:
            assert not is_valid_user_id(candidate)
        else:
            assert str(parsed) == candidate
