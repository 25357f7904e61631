"""Building events, their two stored parts, redaction, hashes."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix_protocol.errors import BadJson, TooLarge
from matrix_protocol.events.builder import build_create_event, build_event, room_id_of_create_event
from matrix_protocol.events.format import (
    EVENT_BYTES_MAX,
    Event,
    client_format,
    event_from_parts,
    event_from_pdu,
    federation_fields,
    pdu_from_parts,
)
from matrix_protocol.events.hashes import (
    canonical_event_json,
    event_id_of,
    has_valid_content_hash,
    reference_hash,
)
from matrix_protocol.events.redaction import redact
from matrix_protocol.events.unsigned import with_unsigned
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB = user("alice"), user("bob")


def busy_room(version: str) -> Room:
    """One event of every kind that is stored in a special way."""
    room = Room(ALICE, version, power_levels={"users": {BOB.id: 50}, "users_default": 100}).join(BOB).message(BOB)
    room.send(BOB, "m.room.topic", {"topic": "x"}, state_key="")
    return room.redact(BOB, room.last.event_id)


def fields_of(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


# Building


@every_version
def test_built_events_have_valid_hashes_and_ids(version: str) -> None:
    room = busy_room(version)
    for event in room.events:
        assert has_valid_content_hash(event.pdu, room.rules)
        assert event_id_of(event.pdu, room.rules) == event.event_id
        assert fields_of(event_from_pdu(event.pdu, event.event_id, room.rules)) == fields_of(event)
        assert len({other.event_id for other in room.events}) == len(room.events)


@every_version
def test_event_ids_have_the_versions_form(version: str) -> None:
    event_id = busy_room(version).last.event_id
    if version in ("1", "2"):
        assert event_id.endswith(":example.org")
    else:
        assert len(event_id) == 44
        assert ":" not in event_id
        assert version == "3" or not set("+/") & set(event_id)


@every_version
def test_create_event_makes_the_room_id(version: str) -> None:
    room = Room(ALICE, version)
    assert room_id_of_create_event(room.create_event.pdu, room.rules) == room.id
    assert room.create_event.content["room_version"] == version
    assert (room.create_event.content.get("creator") == ALICE.id) is (int(version) <= 10)


@every_version
def test_create_event_needs_a_room_id_exactly_where_it_makes_none(version: str) -> None:
    room = Room(ALICE, version)
    wrong = "!x:example.org" if version == "12" else None
    with pytest.raises(ValueError, match="room ID"):
        build_create_event(
            room_id=wrong, sender=ALICE.id, content={}, origin_server_ts_ms=1, rules=room.rules,
            signing_key=ALICE.signing_key,
        )  # fmt: skip


@every_version
def test_redacts_stands_where_the_version_wants_it(version: str) -> None:
    event = busy_room(version).last
    assert event.redacts is not None
    assert event.pdu.get("redacts") == (None if int(version) >= 11 else event.redacts)
    assert event.content.get("redacts") == (event.redacts if int(version) >= 11 else None)


@versions(1, 2)
def test_references_carry_hashes_in_versions_1_and_2(version: str) -> None:
    room = Room(ALICE, version)
    first, second = room.events[:2]
    assert second.pdu["prev_events"] == [[first.event_id, {"sha256": room.reference_hashes[first.event_id]}]]
    assert second.prev_event_ids == (first.event_id,)


@every_version
def test_size_limit_counts_the_complete_canonical_event(version: str) -> None:
    room = Room(ALICE, version)
    overhead = len(canonical_event_json(room.build(ALICE, "m.room.message", {"body": ""}).pdu, room.rules))
    largest = room.build(ALICE, "m.room.message", {"body": "x" * (EVENT_BYTES_MAX - overhead)})
    assert len(canonical_event_json(largest.pdu, room.rules)) == EVENT_BYTES_MAX
    with pytest.raises(TooLarge):
        room.build(ALICE, "m.room.message", {"body": "x" * (EVENT_BYTES_MAX - overhead + 1)})


@pytest.mark.parametrize("length", [255, 256])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_type_and_state_key_are_at_most_255_bytes(length: int, letter: str) -> None:
    room = Room(ALICE)
    text = letter * (length // len(letter.encode())) + "x" * (length % len(letter.encode()))
    assert len(text.encode()) == length
    for event_type, state_key in [(text, None), ("m.x", text)]:
        if length <= 255:
            room.build(ALICE, event_type, {}, state_key=state_key)
        else:
            with pytest.raises(TooLarge):
                room.build(ALICE, event_type, {}, state_key=state_key)


@versions(6)
@pytest.mark.parametrize("value", [1.5, 2**53, {"a": [1e10]}, "\ud800"])
def test_content_without_canonical_form_is_bad_json(version: str, value: object) -> None:
    with pytest.raises(BadJson):
        Room(ALICE, version).build(ALICE, "m.room.message", {"x": value})


@versions(1, 5)
def test_floats_and_large_integers_are_taken_before_version_6(version: str) -> None:
    room = Room(ALICE, version).send(ALICE, "m.room.message", {"x": 1.5, "y": 2**60})
    assert has_valid_content_hash(room.last.pdu, room.rules)
    with pytest.raises(BadJson):
        room.build(ALICE, "m.room.message", {"x": "\ud800"})


def test_depth_stays_at_its_limit() -> None:
    room = Room(ALICE)
    room.events.extend([room.last] * 3)
    assert room.build(ALICE, "m.x", {}).depth == len(room.events) + 1
    create = room.create_event
    event = build_event(
        room_id=room.id, event_type="m.x", state_key=None, sender=ALICE.id, content={},
        prev_event_ids=[create.event_id], auth_event_ids=[], depth=2**53, origin_server_ts_ms=1, rules=room.rules,
        signing_key=ALICE.signing_key,
    )  # fmt: skip
    assert event.depth == event.pdu["depth"] == 2**53 - 1


# The two stored parts


@every_version
def test_parts_give_the_pdu_back(version: str) -> None:
    room = busy_room(version)
    for event in room.events:
        client_json = client_format(event, {"age": 1})
        federation_json = federation_fields(event)
        assert pdu_from_parts(client_json, federation_json, room.rules) == event.pdu
        assert fields_of(event_from_parts(client_json, federation_json, room.rules)) == fields_of(event)


@every_version
@pytest.mark.parametrize("content", [{}, {"redacts": "$other"}, {"redacts": 1, "reason": "x"}])
@pytest.mark.parametrize("extra", [{}, {"redacts": "$third"}, {"membership": "join", "origin": "x", "org.example": {}}])
def test_parts_give_back_whatever_a_remote_server_put_into_the_pdu(
    version: str, content: dict[str, Any], extra: dict[str, Any]
) -> None:
    room = Room(ALICE, version)
    for event_type in ("m.room.redaction", "m.room.message"):
        built = room.build(ALICE, event_type, content)
        pdu = {**built.pdu, **extra}
        event = event_from_pdu(pdu, built.event_id, room.rules)
        assert pdu_from_parts(client_format(event, {}), federation_fields(event), room.rules) == pdu


@versions(1, 5)
@pytest.mark.parametrize("number", [2**63, 2**64, -(2**70), 10**30, 1.5])
def test_numbers_that_only_old_versions_allow_are_kept_to_the_last_digit(version: str, number: float) -> None:
    room = Room(ALICE, version)
    event = room.build(ALICE, "m.room.message", {"number": number})
    again = event_from_parts(client_format(event, {}), federation_fields(event), room.rules)
    assert again.pdu == event.pdu
    assert has_valid_content_hash(again.pdu, room.rules)


@every_version
def test_client_format_has_its_members_in_order_and_unsigned_last(version: str) -> None:
    room = busy_room(version)
    topic, redaction = (orjson.loads(client_format(event, {"age": 1})) for event in room.events[-2:])
    common = ["content", "event_id", "origin_server_ts", "room_id", "sender"]
    assert list(topic) == [*common, "state_key", "type", "unsigned"]
    assert list(redaction) == [*common, "type", "redacts", "unsigned"]
    assert topic["room_id"] == room.id
    assert redaction["redacts"] == redaction["content"]["redacts"] == room.events[-2].event_id


@every_version
def test_client_format_of_the_create_event_has_the_room_id(version: str) -> None:
    room = Room(ALICE, version)
    assert orjson.loads(client_format(room.create_event, {}))["room_id"] == room.id


UNSIGNED = st.dictionaries(
    st.text(), st.integers() | st.text() | st.dictionaries(st.text(), st.none()) | st.lists(st.none())
)


@given(UNSIGNED.map(lambda unsigned: {key: value for key, value in unsigned.items() if key != "added"}))
def test_unsigned_grows_without_a_parse(unsigned: dict[str, Any]) -> None:
    event = Room(ALICE).message(ALICE, 'x","unsigned":{}}').last
    unsigned = {key: value for key, value in unsigned.items() if not isinstance(value, int) or abs(value) < 2**53}
    client_json = client_format(event, unsigned)
    grown = with_unsigned(with_unsigned(client_json, b'"added":{"a":{}}'), b'"added2":12')
    expected = {**orjson.loads(client_json), "unsigned": {**unsigned, "added": {"a": {}}, "added2": 12}}
    assert orjson.loads(grown) == expected
    assert with_unsigned(client_json, b"") == client_json


# Redaction and hashes

CONTENT: dict[str, tuple[dict[str, Any], list[tuple[int, set[str]]]]] = {
    "m.room.member": (
        {"membership": "join", "displayname": "x", "join_authorised_via_users_server": "@a:b",
         "third_party_invite": {"display_name": "x", "signed": {"token": "t"}}},
        [(1, {"membership"}), (9, {"membership", "join_authorised_via_users_server"}),
         (11, {"membership", "join_authorised_via_users_server", "third_party_invite"})],
    ),
    "m.room.create": (
        {"creator": "@a:b", "room_version": "1", "x": 1}, [(1, {"creator"}), (11, {"creator", "room_version", "x"})],
    ),
    "m.room.join_rules": ({"join_rule": "x", "allow": []}, [(1, {"join_rule"}), (8, {"join_rule", "allow"})]),
    "m.room.power_levels": (
        {"ban": 1, "events": {}, "events_default": 1, "invite": 1, "kick": 1, "notifications": {}, "redact": 1,
         "state_default": 1, "users": {}, "users_default": 1},
        [(1, {"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"}),
         (11, {"ban", "events", "events_default", "invite", "kick", "redact", "state_default", "users",
               "users_default"})],
    ),
    "m.room.aliases": ({"aliases": [], "x": 1}, [(1, {"aliases"}), (6, set())]),
    "m.room.history_visibility": ({"history_visibility": "x", "y": 1}, [(1, {"history_visibility"})]),
    "m.room.redaction": ({"redacts": "$x", "reason": "y"}, [(1, set()), (11, {"redacts"})]),
    "m.room.message": ({"body": "x"}, [(1, set())]),
}  # fmt: skip


@every_version
@pytest.mark.parametrize("event_type", list(CONTENT))
def test_redaction_leaves_what_the_version_says(version: str, event_type: str) -> None:
    content, kept_since = CONTENT[event_type]
    kept = [keys for since, keys in kept_since if since <= int(version)][-1]
    pdu = {"type": event_type, "content": content}
    redacted = redact(pdu, SPECIFIED_ROOM_VERSIONS[version])
    assert set(redacted["content"]) == kept
    if "third_party_invite" in kept:
        assert redacted["content"]["third_party_invite"] == {"signed": {"token": "t"}}
    assert pdu["content"] is content


@every_version
def test_redaction_strips_top_level_keys(version: str) -> None:
    always = {"event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth"}
    always |= {"prev_events", "auth_events", "origin_server_ts"}
    before_11 = {"prev_state", "origin", "membership"}
    pdu: dict[str, Any] = dict.fromkeys([*always, *before_11, "unsigned", "redacts", "x"], 1)
    pdu.update(type="m.room.message", content={})
    assert set(redact(pdu, SPECIFIED_ROOM_VERSIONS[version])) == always | (before_11 if int(version) < 11 else set())


@every_version
@pytest.mark.parametrize("invite", [None, [], {}, {"display_name": "x"}])
def test_redaction_takes_any_third_party_invite(version: str, invite: object) -> None:
    pdu = {"type": "m.room.member", "content": {"membership": "invite", "third_party_invite": invite}}
    assert redact(pdu, SPECIFIED_ROOM_VERSIONS[version])["content"] == {"membership": "invite"}


@every_version
def test_reference_hash_is_the_same_before_and_after_redaction(version: str) -> None:
    room = busy_room(version)
    for event in room.events:
        redacted = {**redact(event.pdu, room.rules), "unsigned": {"redacted_because": {}}}
        assert reference_hash(redacted, room.rules) == reference_hash(event.pdu, room.rules)
        signed_part = {key: value for key, value in redact(event.pdu, room.rules).items() if key != "signatures"}
        assert reference_hash(event.pdu, room.rules) == sha256(canonical_event_json(signed_part, room.rules)).digest()


@every_version
def test_changed_content_has_another_content_hash(version: str) -> None:
    room = Room(ALICE, version).message(ALICE)
    pdu = room.last.pdu
    assert not has_valid_content_hash({**pdu, "content": {"body": "forged"}}, room.rules)
    assert has_valid_content_hash({**pdu, "unsigned": {"age": 1}, "signatures": {}}, room.rules)
    no_hashes: list[Any] = [None, [], {}, {"sha256": None}, {"sha256": "!"}, {"sha256": "é"}, {"md5": "x"}]
    for hashes in no_hashes:
        assert not has_valid_content_hash({**pdu, "hashes": hashes}, room.rules)
