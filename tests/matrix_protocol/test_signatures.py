"""Signing JSON and events: the specification's vectors, and what must not verify."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.encoding import decode_base64, encode_base64, encode_base64_url_safe
from matrix_protocol.events.hashes import content_hash, redacted_bytes
from matrix_protocol.events.signing import servers_that_must_sign, sign_event_also, verify_event_signature
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.signatures import (
    SigningKey,
    format_signing_key,
    generate_signing_key,
    parse_signing_key,
    sign_json,
    signature_key_ids,
    verify_signed_json,
)
from tests.factories import Room, signing_key_of, user
from tests.matrix_protocol.versions import every_version, versions

# https://spec.matrix.org/v1.19/appendices/#cryptographic-test-vectors
SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
KEY = SigningKey("ed25519:1", decode_base64(SEED))
SERVER = "domain"
KEYS = {KEY.key_id: KEY.verify_key}


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_json_signing_vector(value: dict[str, Any], signature: str) -> None:
    signed = sign_json(value, SERVER, KEY)
    assert signed == {**value, "signatures": {SERVER: {"ed25519:1": signature}}}
    assert verify_signed_json(signed, SERVER, KEYS)


@pytest.mark.parametrize(
    ("event", "content_hash_base64", "signature"),
    [
        (
            {
                "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1000000,
                "signatures": {}, "hashes": {}, "type": "X", "content": {}, "prev_events": [], "auth_events": [],
                "depth": 3, "unsigned": {"age_ts": 1000000},
            },
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            {
                "content": {"body": "Here is the message content"}, "event_id": "$0:domain", "origin": "domain",
                "origin_server_ts": 1000000, "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
                "signatures": {}, "unsigned": {"age_ts": 1000000},
            },
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ],
)  # fmt: skip
def test_event_signing_vector(event: dict[str, Any], content_hash_base64: str, signature: str) -> None:
    rules = SPECIFIED_ROOM_VERSIONS["1"]
    assert encode_base64(content_hash(event, rules)) == content_hash_base64
    event["hashes"] = {"sha256": content_hash_base64}
    assert encode_base64(KEY.sign(redacted_bytes(event, rules))) == signature
    event["signatures"] = {SERVER: {"ed25519:1": signature}}
    assert verify_event_signature(event, SERVER, KEYS, rules)


def test_unpadded_base64_vectors() -> None:
    for plain, encoded in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
    ]:
        assert encode_base64(plain.encode()) == encoded
        assert decode_base64(encoded) == plain.encode()
    assert decode_base64("Zg==") == b"f"
    assert (encode_base64(b"\xfb\xff"), encode_base64_url_safe(b"\xfb\xff")) == ("+/8", "-_8")
    assert decode_base64("-_8") == decode_base64("+/8")


def test_unsigned_and_other_signatures_stay_and_are_not_covered() -> None:
    value: dict[str, Any] = {"a": 1, "unsigned": {"age": 1}, "signatures": {"other": {"ed25519:x": "AAAA"}}}
    signed = sign_json(value, SERVER, KEY)
    assert signed["unsigned"] == {"age": 1}
    assert signed["signatures"]["other"] == {"ed25519:x": "AAAA"}
    assert "domain" not in value["signatures"]
    assert verify_signed_json({**signed, "unsigned": {"age": 2}}, SERVER, KEYS)


@pytest.mark.parametrize("signatures", [[1], "x", None, {SERVER: [1]}])
def test_what_is_no_signature_gives_way_to_one(signatures: object) -> None:
    signed = sign_json({"a": 1, "signatures": signatures}, SERVER, KEY)
    assert list(signed["signatures"][SERVER]) == [KEY.key_id]
    assert verify_signed_json(signed, SERVER, KEYS)


def test_second_key_of_a_server_is_added_beside_the_first() -> None:
    other = SigningKey("ed25519:2", bytes(32))
    signed = sign_json(sign_json({"a": 1}, SERVER, KEY), SERVER, other)
    assert signature_key_ids(signed, SERVER) == ["ed25519:1", "ed25519:2"]
    assert verify_signed_json(signed, SERVER, {**KEYS, "ed25519:2": other.verify_key})
    assert not verify_signed_json(signed, SERVER, {**KEYS, "ed25519:2": KEY.verify_key})


SIGNED = sign_json({"a": 1}, SERVER, KEY)


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        {**SIGNED, "a": 2},
        {**SIGNED, "b": 1},
        {**SIGNED, "a": 1.5},
        {**SIGNED, "signatures": None},
        {**SIGNED, "signatures": []},
        {**SIGNED, "signatures": {"domain": None}},
        {**SIGNED, "signatures": {"other": SIGNED["signatures"]["domain"]}},
        {**SIGNED, "signatures": {"domain": {"rsa:1": SIGNED["signatures"]["domain"]["ed25519:1"]}}},
        {**SIGNED, "signatures": {"domain": {"ed25519:2": SIGNED["signatures"]["domain"]["ed25519:1"]}}},
        {**SIGNED, "signatures": {"domain": {"ed25519:1": None}}},
        {**SIGNED, "signatures": {"domain": {"ed25519:1": "!"}}},
        {**SIGNED, "signatures": {"domain": {"ed25519:1": "AAAA"}}},
        {**SIGNED, "signatures": {"domain": {"ed25519:1": "A" * 86}}},
    ],
)
def test_wrong_signature_does_not_verify(value: dict[str, Any]) -> None:
    verdict = verify_signed_json(value, SERVER, KEYS)
    assert not verdict
    assert verdict.reason


def test_verify_key_of_the_wrong_length_verifies_nothing() -> None:
    assert not verify_signed_json(SIGNED, SERVER, {"ed25519:1": b"short"})


def test_signing_key_is_written_and_read_again() -> None:
    key = generate_signing_key("a_abcd")
    line = format_signing_key(key)
    assert line.startswith("ed25519 a_abcd ")
    again = parse_signing_key(line)
    assert (again.key_id, again.verify_key) == ("ed25519:a_abcd", key.verify_key)
    assert key.verify_key_base64 == encode_base64(key.verify_key)


def test_signing_key_does_not_show_its_secret() -> None:
    assert SEED not in repr(KEY)
    for bad in ["", "ed25519 a", f"rsa a {SEED}", "ed25519 a !!!", f"ed25519 a {SEED[:20]}", f"ed25519 a b {SEED}"]:
        with pytest.raises(ValueError, match="signing key") as caught:
            parse_signing_key(bad)
        assert SEED[:20] not in str(caught.value)


ALICE, BOB = user("alice"), user("bob", "elsewhere.net")


@every_version
def test_built_event_is_signed_by_the_senders_server(version: str) -> None:
    room = Room(ALICE, version).join(BOB).message(BOB)
    for event, server in [(room.create_event, "example.org"), (room.last, "elsewhere.net")]:
        key = signing_key_of(server)
        assert server in servers_that_must_sign(event, room.rules)
        assert verify_event_signature(event.pdu, server, {key.key_id: key.verify_key}, room.rules)
        tampered = {**event.pdu, "depth": 99}
        assert not verify_event_signature(tampered, server, {key.key_id: key.verify_key}, room.rules)


@every_version
def test_redacted_event_keeps_its_signature(version: str) -> None:
    room = Room(ALICE, version).message(ALICE)
    key = signing_key_of("example.org")
    redacted = {**room.last.pdu, "content": {}}
    assert verify_event_signature(redacted, "example.org", {key.key_id: key.verify_key}, room.rules)


@versions(1, 2)
def test_server_of_the_event_id_must_sign_too(version: str) -> None:
    room = Room(ALICE, version).message(ALICE)
    room.last.event_id = "$x:third.example"
    assert servers_that_must_sign(room.last, room.rules) == {"example.org", "third.example"}


@every_version
def test_server_that_authorises_a_join_must_sign_too_since_version_8(version: str) -> None:
    room = Room(ALICE, version)
    content = {"membership": "join", "join_authorised_via_users_server": ALICE.id}
    event = room.build(BOB, "m.room.member", content, state_key=BOB.id)
    needed = {"elsewhere.net", "example.org"} if int(version) >= 8 else {"elsewhere.net"}
    assert servers_that_must_sign(event, room.rules) == needed
    key = signing_key_of("example.org")
    countersigned = sign_event_also(event, "example.org", key, room.rules)
    assert countersigned.event_id == event.event_id
    for server in ("elsewhere.net", "example.org"):
        own = signing_key_of(server)
        assert verify_event_signature(countersigned.pdu, server, {own.key_id: own.verify_key}, room.rules)


@versions(3)
def test_invitation_from_a_third_party_invite_needs_no_signature_of_the_senders_server(version: str) -> None:
    room = Room(ALICE, version)
    event = room.build(ALICE, "m.room.member", {"membership": "invite", "third_party_invite": {}}, state_key=BOB.id)
    assert servers_that_must_sign(event, room.rules) == frozenset()
