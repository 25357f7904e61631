"""What holds for any event of any room version: redaction, hashes, IDs and signatures."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.canonical_json import INTEGER_MAX
from matrix_protocol.encoding import decode_base64, encode_base64
from matrix_protocol.events.builder import build_event
from matrix_protocol.events.format import Event
from matrix_protocol.events.hashes import content_hash, event_id_of, has_valid_content_hash, reference_hash
from matrix_protocol.events.redaction import redact
from matrix_protocol.events.signing import verify_event_signature
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS, RoomVersionRules
from tests.factories import user
from tests.matrix_protocol.versions import every_version

ALICE = user("alice")
KEYS = {ALICE.signing_key.key_id: ALICE.signing_key.verify_key}
TYPES = [
    "m.room.message",
    "m.room.member",
    "m.room.create",
    "m.room.join_rules",
    "m.room.power_levels",
    "m.room.aliases",
    "m.room.history_visibility",
    "m.room.redaction",
    "m.room.topic",
]
KEYS_OF_CONTENT = [
    "membership",
    "creator",
    "join_rule",
    "allow",
    "ban",
    "events",
    "users",
    "invite",
    "redact",
    "aliases",
    "history_visibility",
    "redacts",
    "third_party_invite",
    "join_authorised_via_users_server",
    "body",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
contents = st.dictionaries(st.sampled_from(KEYS_OF_CONTENT) | st.text(max_size=5), values, max_size=5)
contents |= st.fixed_dictionaries({"third_party_invite": st.fixed_dictionaries({"signed": values, "x": values})})


def built(rules: RoomVersionRules, event_type: str, state_key: str | None, content: dict[str, Any]) -> Event:
    return build_event(
        room_id="!room:a.example",
        event_type=event_type,
        state_key=state_key,
        sender=ALICE.id,
        content=content,
        prev_event_ids=["$p:a.example"],
        auth_event_ids=[],
        depth=7,
        origin_server_ts_ms=1_700_000_000_000,
        rules=rules,
        signing_key=ALICE.signing_key,
        reference_hashes={"$p:a.example": "x" * 43},
    )


events = {
    "event_type": st.sampled_from(TYPES),
    "state_key": st.none() | st.text(max_size=8),
    "content": contents,
}


@pytest.mark.slow
@every_version
@settings(max_examples=20, deadline=None)
@given(**events)
def test_redaction_is_idempotent(version: str, **parts: Any) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    once = redact(built(rules, **parts).pdu, rules)
    assert redact(once, rules) == once


@pytest.mark.slow
@every_version
@settings(max_examples=20, deadline=None)
@given(**events)
def test_a_redacted_event_keeps_its_id_and_its_signatures(version: str, **parts: Any) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    event = built(rules, **parts)
    redacted = redact(event.pdu, rules)
    assert event_id_of(redacted, rules) == event_id_of(event.pdu, rules) == event.event_id
    assert reference_hash(redacted, rules) == reference_hash(event.pdu, rules)
    assert verify_event_signature(redacted, ALICE.server_name, KEYS, rules)


@pytest.mark.slow
@every_version
@settings(max_examples=20, deadline=None)
@given(**events, unsigned=st.dictionaries(st.text(max_size=5), values, max_size=2))
def test_what_nobody_signed_does_not_matter(version: str, unsigned: dict[str, Any], **parts: Any) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    event = built(rules, **parts)
    other = {
        **event.pdu,
        "unsigned": unsigned,
        "signatures": {**event.pdu["signatures"], "b.example": {"ed25519:x": "y"}},
    }
    assert content_hash(other, rules) == content_hash(event.pdu, rules)
    assert event_id_of(other, rules) == event.event_id
    assert verify_event_signature(other, ALICE.server_name, KEYS, rules)


@pytest.mark.slow
@every_version
@settings(max_examples=20, deadline=None)
@given(**events, seed=st.integers(0, 2**16))
def test_any_change_of_what_is_covered_is_found_out(version: str, seed: int, **parts: Any) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    event = built(rules, **parts)
    pdu = deepcopy(event.pdu)
    names = [name for name in pdu if name not in ("signatures", "hashes", "unsigned", "content")]
    name = Random(seed).choice([*sorted(names), "content", "added"])
    pdu[name] = {"changed": seed} if name == "content" else "another" if name == "added" else [name, seed]
    assert not has_valid_content_hash(pdu, rules)
    # What a redaction leaves is signed, too, and is what the event's ID is made of.
    if redact(pdu, rules) != redact(event.pdu, rules):
        assert not verify_event_signature(pdu, ALICE.server_name, KEYS, rules)
        assert reference_hash(pdu, rules) != reference_hash(event.pdu, rules)


@pytest.mark.slow
@every_version
@settings(max_examples=20, deadline=None)
@given(**events, bit=st.integers(0, 511))
def test_a_signature_with_one_bit_turned_does_not_verify(version: str, bit: int, **parts: Any) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    event = built(rules, **parts)
    (key_id, signature), *_ = event.pdu["signatures"][ALICE.server_name].items()
    raw = bytearray(decode_base64(signature))
    raw[bit // 8] ^= 1 << bit % 8
    turned = {**event.pdu, "signatures": {ALICE.server_name: {key_id: encode_base64(bytes(raw))}}}
    assert not verify_event_signature(turned, ALICE.server_name, KEYS, rules)
