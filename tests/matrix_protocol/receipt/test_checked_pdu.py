"""Steps 1 to 3 of the checks performed on receipt: format, signatures, hashes."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth import check_auth_rules
from matrix_protocol.events.format import event_from_pdu
from matrix_protocol.events.redaction import redact
from matrix_protocol.events.signing import servers_that_must_sign, sign_event_also
from matrix_protocol.receipt import CheckedPdu, Dropped, Step, UnverifiedPdu, check_format, check_signatures
from matrix_protocol.room_versions import RoomVersionRules
from tests.factories import Room, signing_key_of, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, DAVE = user("alice"), user("dave", "elsewhere.net")


def keys_of(*server_names: str) -> dict[str, dict[str, bytes]]:
    keys = {name: signing_key_of(name) for name in server_names}
    return {name: {key.key_id: key.verify_key} for name, key in keys.items()}


KEYS = keys_of("example.org", "elsewhere.net")


def received(
    pdu: dict[str, Any], rules: RoomVersionRules, keys: dict[str, dict[str, bytes]] | None = None
) -> CheckedPdu | Dropped:
    unverified = check_format(pdu, rules)
    if isinstance(unverified, Dropped):
        return unverified
    return check_signatures(unverified, KEYS if keys is None else keys, rules)


def room(version: str) -> Room:
    return Room(ALICE, version).join(DAVE).message(ALICE)


@every_version
def test_events_of_servers_that_follow_the_rules_pass(version: str) -> None:
    scene = room(version)
    for event in scene.events:
        checked = received({**event.pdu, "unsigned": {"age": 1}}, scene.rules)
        assert isinstance(checked, CheckedPdu), checked
        assert (checked.event.event_id, checked.event.pdu, checked.is_redacted) == (event.event_id, event.pdu, False)


@every_version
@pytest.mark.parametrize("pdu", [None, [], {}, {"type": "m.room.message"}])
def test_what_is_no_event_is_dropped_at_step_1(version: str, pdu: Any) -> None:
    dropped = check_format(pdu, room(version).rules)
    assert isinstance(dropped, Dropped)
    assert (dropped.step, bool(dropped.reason)) == (Step.FORMAT, True)


@every_version
def test_another_event_or_room_than_asked_for_is_dropped_at_step_1(version: str) -> None:
    scene = room(version)
    event = scene.last
    asked_for = check_format(event.pdu, scene.rules, event_id=event.event_id, room_id=scene.id)
    assert isinstance(asked_for, UnverifiedPdu)
    for asked in ({"event_id": "$other"}, {"room_id": "!other:example.org"}):
        dropped = check_format(event.pdu, scene.rules, **asked)
        assert isinstance(dropped, Dropped)
        assert dropped.step is Step.FORMAT


@every_version
def test_event_without_its_servers_signature_is_dropped_at_step_2(version: str) -> None:
    scene = room(version)
    unsigned = {**scene.last.pdu, "signatures": {"elsewhere.net": {"ed25519:test": "x"}}}
    dropped = received(unsigned, scene.rules)
    assert isinstance(dropped, Dropped)
    assert dropped.step is Step.SIGNATURES


@every_version
def test_event_whose_servers_keys_are_not_known_is_dropped_at_step_2(version: str) -> None:
    scene = room(version)
    dropped = received(scene.last.pdu, scene.rules, keys_of("elsewhere.net"))
    assert isinstance(dropped, Dropped)
    assert "example.org" in dropped.reason


@every_version
def test_event_whose_essence_was_changed_is_dropped_at_step_2(version: str) -> None:
    scene = room(version)
    dropped = received({**scene.last.pdu, "depth": 99}, scene.rules)
    assert isinstance(dropped, Dropped)
    assert dropped.step is Step.SIGNATURES


@every_version
def test_event_whose_content_was_changed_goes_on_redacted(version: str) -> None:
    scene = room(version)
    changed = {**scene.last.pdu, "content": {"body": "something else"}}
    checked = received(changed, scene.rules)
    assert isinstance(checked, CheckedPdu)
    assert checked.is_redacted
    assert checked.event.event_id == scene.last.event_id
    assert checked.event.content == {}
    assert checked.event.pdu == redact(scene.last.pdu, scene.rules)


@versions(8)
def test_restricted_join_needs_the_authorising_servers_signature_too(version: str) -> None:
    scene = room(version)
    content = {"membership": "join", "join_authorised_via_users_server": ALICE.id}
    join = scene.build(DAVE, "m.room.member", content, state_key=DAVE.id)
    dropped = received(join.pdu, scene.rules)
    assert isinstance(dropped, Dropped)
    assert "example.org" in dropped.reason
    signed = sign_event_also(join, "example.org", ALICE.signing_key, scene.rules)
    assert isinstance(received(signed.pdu, scene.rules), CheckedPdu)


@versions(3)
def test_invitation_from_a_third_party_invite_may_come_from_another_server(version: str) -> None:
    scene = room(version)
    invite = {"signed": {"mxid": DAVE.id, "token": "t", "signatures": {}}}
    content = {"membership": "invite", "third_party_invite": invite}
    event = scene.build(ALICE, "m.room.member", content, state_key=DAVE.id)
    assert servers_that_must_sign(event, scene.rules) == frozenset()
    assert isinstance(received({**event.pdu, "signatures": {}}, scene.rules), CheckedPdu)


@versions(3)
@pytest.mark.parametrize("invite", [{}, {"signed": {}}, None, "x"])
def test_a_third_party_invitation_that_is_none_after_its_redaction_is_no_way_round_the_senders_signature(
    version: str, invite: object
) -> None:
    """Whoever knows Alice's name could otherwise invite in it: without a signature, with a hash that is wrong."""
    scene = room(version)
    content = {"membership": "invite", "third_party_invite": invite}
    event = scene.build(ALICE, "m.room.member", content, state_key=DAVE.id)
    forged = {**event.pdu, "signatures": {}, "hashes": {"sha256": "AAAA"}}
    unverified = check_format(forged, scene.rules)
    assert isinstance(unverified, UnverifiedPdu)
    assert unverified.is_redacted
    is_still_one = "third_party_invite" in unverified.event.content
    assert unverified.signed_by == (frozenset() if is_still_one else {"example.org"})
    if not is_still_one:
        dropped = received(forged, scene.rules)
        assert isinstance(dropped, Dropped)
        assert dropped.step is Step.SIGNATURES


@versions(8)
@pytest.mark.parametrize("authorising_user", ["x", "../../admin", "@a:127.0.0.1:22/x y", "@" + "a" * 300 + ":b", "", 1])
def test_nobody_is_asked_for_keys_of_what_is_no_server(version: str, authorising_user: object) -> None:
    scene = room(version)
    content = {"membership": "join", "join_authorised_via_users_server": authorising_user}
    join = scene.build(DAVE, "m.room.member", content, state_key=DAVE.id)
    unverified = check_format(join.pdu, scene.rules)
    assert isinstance(unverified, UnverifiedPdu)
    assert unverified.signed_by == {"elsewhere.net"}
    tricked = {**join.pdu, "signatures": {**join.pdu["signatures"], "": {"ed25519:x": "y"}}}
    assert check_auth_rules(event_from_pdu(tricked, join.event_id, scene.rules), scene.state, scene.rules) is not None
