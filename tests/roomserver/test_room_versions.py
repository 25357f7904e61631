"""A room of each version: what its owner makes is what other servers of that version accept."""

from __future__ import annotations

from base64 import b64decode

import orjson
import pytest

from matrix_protocol.errors import Forbidden
from matrix_protocol.event_auth import StateOfEvents, check_auth_rules, check_state_independent_auth_rules
from matrix_protocol.events.format import Event, pdu_from_parts
from matrix_protocol.events.hashes import has_valid_content_hash, reference_hash
from matrix_protocol.events.signing import servers_that_must_sign, verify_event_signature
from matrix_protocol.events.untrusted import event_from_untrusted_pdu
from matrix_protocol.room_versions import ROOM_VERSIONS, RoomVersionRules
from roomserver.tables import CURRENT_STATE_BY_ROOM, TIMELINE_BY_ROOM
from tests.roomserver.scene import ALICE, BOB, CAROL, HOSTED, Action, Scene

ERIN = "@erin:b.example"


async def a_room_lives(scene: Scene, version: str) -> str:
    """Every kind of event that the auth rules know, from two servers, before and after the owner is replaced."""
    room_id = await scene.create_room(version=version, preset="public_chat", invite=[CAROL])
    await scene.join(ERIN, room_id)
    event_id = await scene.send(ERIN, room_id)
    await scene.fail_over()
    await scene.join(CAROL, room_id)
    levels = await scene.state(room_id, "m.room.power_levels")
    assert levels is not None
    levels["users"] = {**levels.get("users", {}), CAROL: 50}
    await scene.set_state(ALICE, room_id, "m.room.power_levels", levels)
    await scene.set_state(CAROL, room_id, "m.room.name", {"name": "N"})
    await scene.redact(CAROL, room_id, event_id)
    await scene.fail_over()
    await scene.change(Action.BAN, CAROL, ERIN, room_id)
    await scene.change(Action.UNBAN, CAROL, ERIN, room_id)
    await scene.invite(CAROL, BOB, room_id)
    await scene.leave(ALICE, room_id)
    await scene.settle()
    return room_id


async def received(scene: Scene, room_id: str, rules: RoomVersionRules) -> list[Event]:
    """The room's events as another server takes them; the redacted one among them has no valid content hash."""
    rows = await scene.store.scan(TIMELINE_BY_ROOM, (room_id, 0), limit=1000)
    events = []
    for row in rows:
        pdu = pdu_from_parts(row.client_json, row.federation_json, rules)
        event = event_from_untrusted_pdu(pdu, rules)
        assert event.event_id == row.event_id
        assert has_valid_content_hash(pdu, rules) is (
            "redacted_because" not in orjson.loads(row.client_json)["unsigned"]
        )
        events.append(event)
    return events


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_other_servers_accept_every_event(scene: Scene, version: str) -> None:
    rules = ROOM_VERSIONS[version]
    events = await received(scene, await a_room_lives(scene, version), rules)
    by_id = {event.event_id: event for event in events}
    assert len(by_id) == len(events) == 17
    state: dict[tuple[str, str], Event] = {}
    for event in events:
        for server_name in servers_that_must_sign(event, rules):
            key = HOSTED.signing_key(server_name)
            assert verify_event_signature(event.pdu, server_name, {key.key_id: key.verify_key}, rules)
        auth_events = [by_id[event_id] for event_id in event.auth_event_ids]
        assert check_state_independent_auth_rules(event, auth_events, (), rules) is None
        for against in (
            [events[0], *auth_events],
            state.values(),
        ):  # in version 12 the room ID implies the create event
            assert check_auth_rules(event, StateOfEvents(against, rules), rules) is None
        if event.state_key is not None:
            state[event.type, event.state_key] = event


@pytest.mark.parametrize("version", ["1", "2"])
async def test_references_carry_the_reference_hash_of_the_event(scene: Scene, version: str) -> None:
    rules = ROOM_VERSIONS[version]
    events = await received(scene, await a_room_lives(scene, version), rules)
    hashes = {event.event_id: reference_hash(event.pdu, rules) for event in events}
    references = [reference for event in events for reference in (*event.pdu["prev_events"], *event.pdu["auth_events"])]
    assert len(references) > 60
    for event_id, hashed in references:
        assert b64decode(hashed["sha256"] + "=") == hashes[event_id]


@pytest.mark.parametrize("version", ["1", "2"])
async def test_chosen_event_ids_name_the_sender_s_server(scene: Scene, version: str) -> None:
    events = await received(scene, await a_room_lives(scene, version), ROOM_VERSIONS[version])
    for event in events:
        assert event.event_id.partition(":")[2] == event.sender.partition(":")[2]


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_only_versions_1_and_2_keep_reference_hashes(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    name_id = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"})
    await scene.redact(ALICE, room_id, name_id)
    await scene.settle()
    rules = ROOM_VERSIONS[version]
    for row in await scene.store.scan(CURRENT_STATE_BY_ROOM, (room_id,), limit=100):
        event = await scene.event(room_id, row.event_id)
        expected = reference_hash(pdu_from_parts(event.client_json, event.federation_json, rules), rules)
        assert row.reference_hash == (expected if version in ("1", "2") else None)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_redaction_without_the_level_is_refused_for_events_of_others(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version, preset="public_chat")
    for user_id in (BOB, ERIN):
        await scene.join(user_id, room_id)
    own, other = await scene.send(ERIN, room_id), await scene.send(BOB, room_id)
    with pytest.raises(Forbidden):  # another server's event: the auth rule
        await scene.redact(ERIN, room_id, other)
    with pytest.raises(Forbidden):  # the same server's: ours
        await scene.redact(CAROL, room_id, other)
    await scene.redact(ERIN, room_id, own)
    await scene.redact(ALICE, room_id, other)
    for event_id in (own, other):
        assert (await scene.client_event(room_id, event_id))["content"] == {}
