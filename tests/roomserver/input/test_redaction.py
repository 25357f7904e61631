"""PUT redact."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from matrix_protocol.errors import Forbidden, MissingParam, NotFound
from matrix_protocol.events.format import pdu_from_parts
from matrix_protocol.events.hashes import event_id_of
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.tables import CURRENT_STATE_BY_ROOM, EVENTS_BY_ID
from service_kit.rpc.pb.room_queries_pb2 import EventRequest
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene

VERSIONS = ("1", "2", "3", "10", "11", "12")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redacted_message_loses_its_content(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    event_id = await scene.send(ALICE, room_id, {"body": "secret"}, txn_id="t")
    redaction_id = await scene.redact(ALICE, room_id, event_id)
    event = await scene.client_event(room_id, event_id)
    assert event["content"] == {}
    because = event["unsigned"]["redacted_because"]
    assert because == await scene.client_event(room_id, redaction_id)
    # Both places, for older and newer clients.
    assert because["redacts"] == because["content"]["redacts"] == event_id
    row = await scene.event(room_id, event_id)
    assert b"secret" not in row.client_json + row.federation_json
    rules = ROOM_VERSIONS[version]
    assert event_id_of(pdu_from_parts(row.client_json, row.federation_json, rules), rules) == event_id


async def test_an_event_is_found_although_its_row_is_written_while_it_is_looked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await scene.create_room()
    await scene.settle()
    read, write, is_read = scene.store.get, scene.store.write, asyncio.Event()

    async def write_later(writes: Any, *, as_of: int | None = None) -> None:
        await is_read.wait()
        await write(writes, as_of=as_of)

    async def read_slowly(table: Any, key: Any) -> Any:
        row = await read(table, key)
        if table is EVENTS_BY_ID:
            is_read.set()
            await scene.settle()
        return row

    monkeypatch.setattr(scene.store, "write", write_later)
    event_id = await scene.send(ALICE, room_id)
    monkeypatch.setattr(scene.store, "get", read_slowly)
    await scene.redact(ALICE, room_id, event_id)


async def test_a_redacted_message_keeps_its_row_otherwise(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    before = await scene.event(room_id, event_id)
    await scene.redact(ALICE, room_id, event_id)
    after = await scene.event(room_id, event_id)
    changed = {"client_json", "federation_json", "device_id", "client_txn_id"}
    assert {name for name in before._fields if getattr(before, name) != getattr(after, name)} <= changed


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redacted_state_event_changes_the_current_state(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    first = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "1"})
    second = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "2"})
    await scene.redact(ALICE, room_id, first)
    assert await scene.state(room_id, "m.room.name") == {"name": "2"}
    await scene.redact(ALICE, room_id, second)
    assert await scene.state(room_id, "m.room.name") == {}
    unsigned = (await scene.client_event(room_id, second))["unsigned"]
    assert unsigned["replaces_state"] == first
    assert "prev_content" not in unsigned


@pytest.mark.parametrize("version", VERSIONS)
async def test_redacted_redaction_is_quoted_without_its_reason(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    event_id = await scene.send(ALICE, room_id)
    redaction = {"reason": "it said: secret"}
    redaction_id = await scene.send(ALICE, room_id, redaction, event_type="m.room.redaction", redacts=event_id)
    assert b"secret" in (await scene.event(room_id, event_id)).client_json
    await scene.redact(ALICE, room_id, redaction_id)
    row = await scene.event(room_id, event_id)
    assert b"secret" not in row.client_json + row.federation_json
    event = await scene.client_event(room_id, event_id)
    # "Redacting an event cannot be undone."
    assert event["content"] == {}
    assert event["unsigned"]["redacted_because"]["event_id"] == redaction_id


async def test_what_replaces_a_redacted_state_event_does_not_quote_it(scene: Scene) -> None:
    room_id = await scene.create_room()
    for event_type in ("m.room.topic", "org.example"):
        first = await scene.set_state(ALICE, room_id, event_type, {"topic": "secret"})
        await scene.redact(ALICE, room_id, first)
        second = await scene.set_state(ALICE, room_id, event_type, {"topic": "new"})
        assert (await scene.client_event(room_id, second))["unsigned"]["prev_content"] == {}


@pytest.mark.parametrize("event_type", ["m.room.topic", "org.example"])
async def test_what_has_replaced_a_redacted_state_event_quotes_it_no_more(scene: Scene, event_type: str) -> None:
    room_id = await scene.create_room()
    first = await scene.set_state(ALICE, room_id, event_type, {"topic": "secret"})
    second = await scene.set_state(ALICE, room_id, event_type, {"topic": "new"})
    before = await scene.event(room_id, second)
    await scene.redact(ALICE, room_id, first)
    after = await scene.event(room_id, second)
    assert after == before._replace(client_json=before.client_json.replace(b'{"topic":"secret"}', b"{}"))
    assert await scene.state(room_id, event_type) == {"topic": "new"}
    for row in await scene.store.scan(CURRENT_STATE_BY_ROOM, (room_id,), limit=100):
        assert b"secret" not in row.client_json
    third = await scene.set_state(ALICE, room_id, event_type, {"topic": "newer"})
    assert (await scene.client_event(room_id, third))["unsigned"]["prev_content"] == {"topic": "new"}


async def test_redacted_power_levels_count_as_redacted(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", version="11")
    await scene.join(BOB, room_id)
    levels = {"users": {ALICE: 100}, "events": {"m.room.message": 0}, "events_default": 0, "notifications": {"room": 1}}
    event_id = await scene.set_state(ALICE, room_id, "m.room.power_levels", levels)
    await scene.redact(ALICE, room_id, event_id)
    await scene.send(BOB, room_id)
    assert "notifications" not in (await scene.state(room_id, "m.room.power_levels") or {})


async def test_a_redacted_history_visibility_is_the_default(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.set_state(ALICE, room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    assert (await scene.event(room_id, await scene.send(ALICE, room_id))).history_visibility == 3
    await scene.redact(ALICE, room_id, event_id)
    # The redaction algorithm keeps `history_visibility`.
    assert (await scene.event(room_id, await scene.send(ALICE, room_id))).history_visibility == 3


async def test_a_redacted_member_stays_a_member(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    event_id = await scene.join(BOB, room_id, displayname="Bob")
    await scene.redact(BOB, room_id, event_id)
    assert await scene.state(room_id, "m.room.member", BOB) == {"membership": "join"}
    row = await scene.event(room_id, event_id)
    assert (row.membership, row.prev_membership) == ("join", "")
    await scene.send(BOB, room_id)


async def test_who_may_redact_what(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", power_level_content_override={"users": {CAROL: 50}})
    for user_id in (BOB, CAROL):
        await scene.join(user_id, room_id)
    of_alice, of_bob = await scene.send(ALICE, room_id), await scene.send(BOB, room_id)
    with pytest.raises(Forbidden):
        await scene.redact(BOB, room_id, of_alice)
    await scene.redact(BOB, room_id, of_bob)
    await scene.redact(CAROL, room_id, of_alice)
    with pytest.raises(Forbidden):
        await scene.redact("@dave:a.example", room_id, of_alice)


async def test_redactions_have_a_power_level_like_other_events(scene: Scene) -> None:
    override = {"events": {"m.room.redaction": 10}}
    room_id = await scene.create_room(preset="public_chat", power_level_content_override=override)
    await scene.join(BOB, room_id)
    with pytest.raises(Forbidden):
        await scene.redact(BOB, room_id, await scene.send(BOB, room_id))


async def test_events_that_are_not_there_cannot_be_redacted(scene: Scene) -> None:
    room_id, other_room_id = await scene.create_room(), await scene.create_room()
    with pytest.raises(NotFound):
        await scene.redact(ALICE, room_id, "$" + "A" * 43)
    with pytest.raises(NotFound):
        await scene.redact(ALICE, room_id, await scene.send(ALICE, other_room_id))
    with pytest.raises(MissingParam):
        await scene.send(ALICE, room_id, {}, event_type="m.room.redaction")


async def test_a_second_redaction_leaves_the_first_one_as_the_reason(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    first = await scene.redact(ALICE, room_id, event_id)
    assert await scene.redact(ALICE, room_id, event_id) != first
    event = await scene.client_event(room_id, event_id)
    assert event["unsigned"]["redacted_because"]["event_id"] == first


async def test_the_target_may_stand_in_the_content(scene: Scene) -> None:
    """As clients of version 11 and later send it through /send."""
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    content = {"redacts": event_id, "reason": "typo"}
    redaction = await scene.send(ALICE, room_id, content, event_type="m.room.redaction", txn_id="t")
    again = await scene.send(ALICE, room_id, content, event_type="m.room.redaction", txn_id="t")
    assert again == redaction
    entry = await scene.queries.get_event(EventRequest(room_id=room_id, event_id=event_id, as_user_id=ALICE))
    assert orjson.loads(entry.client_json)["unsigned"]["redacted_because"]["content"]["reason"] == "typo"


@pytest.mark.parametrize("version", VERSIONS)
async def test_redacts_in_the_sent_content_moves_to_its_place(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    event_id = await scene.send(ALICE, room_id)
    content = {"redacts": event_id, "reason": "spam"}
    redaction_id = await scene.send(ALICE, room_id, content, event_type="m.room.redaction")
    row = await scene.event(room_id, redaction_id)
    pdu = pdu_from_parts(row.client_json, row.federation_json, ROOM_VERSIONS[version])
    assert pdu["content"] == ({"reason": "spam"} if int(version) < 11 else content)
    assert pdu.get("redacts") == (event_id if int(version) < 11 else None)
    assert (await scene.client_event(room_id, event_id))["content"] == {}
