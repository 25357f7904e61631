"""PUT send and PUT state."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from matrix_protocol.errors import BadAlias, BadJson, Forbidden, MatrixError, TooLarge
from matrix_protocol.events.format import pdu_from_parts
from matrix_protocol.events.hashes import event_id_of, has_valid_content_hash
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.tables import EVENT_BY_CLIENT_TXN, ROOM_HEADS, STATE_DELTAS_BY_ROOM, STATE_HISTORY_BY_ROOM
from service_kit.rpc.pb.room_commands_pb2 import SendEvent
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene, gather

VERSIONS = ("3", "10", "11", "12")


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_every_stored_event_gives_its_pdu_back(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    rules = ROOM_VERSIONS[version]
    event_ids = [await scene.send(ALICE, room_id), await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"})]
    event_ids.append(await scene.redact(ALICE, room_id, event_ids[0]))
    for event_id in event_ids[1:]:
        row = await scene.event(room_id, event_id)
        pdu = pdu_from_parts(row.client_json, row.federation_json, rules)
        assert event_id_of(pdu, rules) == event_id
        assert has_valid_content_hash(pdu, rules)
        assert set(pdu["signatures"]) == {"a.example"}


async def test_each_event_follows_the_one_before(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.send(ALICE, room_id)
    second = await scene.send(ALICE, room_id)
    row = await scene.event(room_id, second)
    pdu = pdu_from_parts(row.client_json, row.federation_json, ROOM_VERSIONS["12"])
    assert pdu["prev_events"] == [first]
    head = await scene.store.get(ROOM_HEADS, (room_id,))
    assert head is not None
    assert orjson.loads(head.forward_extremity_ids) == [second]
    assert head.depth == pdu["depth"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_auth_events_are_those_of_the_selection(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(version=version)
    row = await scene.event(room_id, await scene.send(ALICE, room_id))
    timeline = await scene.timeline(room_id)
    expected = {event["event_id"] for event in timeline[1:3]}  # the join and the power levels
    if version != "12":
        expected.add(timeline[0]["event_id"])
    assert set(orjson.loads(row.federation_json)["auth_events"]) == expected


async def test_the_same_transaction_gives_the_same_event(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.send(ALICE, room_id, {"body": "1"}, txn_id="t")
    assert await scene.send(ALICE, room_id, {"body": "2"}, txn_id="t") == first
    assert len([e for e in await scene.timeline(room_id) if e["type"] == "m.room.message"]) == 1


async def test_repeated_transactions_that_come_at_once_make_one_event(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_ids = await gather(*(scene.send(ALICE, room_id, txn_id="t") for _ in range(5)))
    assert len(set(event_ids)) == 1


async def test_a_transaction_belongs_to_its_path_and_device(scene: Scene) -> None:
    room_id, other_room_id = await scene.create_room(), await scene.create_room()
    event_ids = [
        await scene.send(ALICE, room_id, txn_id="t"),
        await scene.send(ALICE, other_room_id, txn_id="t"),
        await scene.send(ALICE, room_id, txn_id="t", event_type="m.sticker"),
        await scene.send(ALICE, room_id, txn_id="t", device_id="OTHER"),
    ]
    event_ids.append(await scene.redact(ALICE, room_id, event_ids[0], txn_id="t"))
    event_ids.append(await scene.redact(ALICE, room_id, event_ids[2], txn_id="t"))
    assert len(set(event_ids)) == 6
    assert await scene.redact(ALICE, room_id, event_ids[0], txn_id="t") == event_ids[4]


async def test_a_transaction_is_known_after_a_failover(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id, txn_id="t")
    await scene.fail_over()
    assert await scene.send(ALICE, room_id, txn_id="t") == event_id
    new = await scene.send(ALICE, room_id, txn_id="u")
    assert new != event_id
    await scene.settle()
    assert len(await scene.store.scan(EVENT_BY_CLIENT_TXN, (ALICE, "DEVICE"), limit=10)) == 2


async def test_a_device_with_more_transactions_than_memory_takes_is_looked_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomserver.state.client_transactions.DEVICE_TRANSACTIONS_MAX", 4)
    monkeypatch.setattr("roomserver.state.client_transactions.LOADED_TRANSACTIONS_MAX", 4)
    room_id = await scene.create_room()
    first = [await scene.send(ALICE, room_id, txn_id=f"t{number}") for number in range(10)]
    await scene.settle()
    assert [await scene.send(ALICE, room_id, txn_id=f"t{number}") for number in range(10)] == first
    await scene.fail_over()
    assert [await scene.send(ALICE, room_id, txn_id=f"t{number}") for number in range(10)] == first


async def test_a_device_that_passes_the_limit_of_memory_with_many_sends_at_once_is_served(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomserver.state.client_transactions.DEVICE_TRANSACTIONS_MAX", 20)
    room_id = await scene.create_room()
    await scene.send(ALICE, room_id, txn_id="first")
    for burst in range(4):
        txn_ids = [f"t{burst}.{number}" for number in range(16)]
        event_ids = await asyncio.gather(*(scene.send(ALICE, room_id, txn_id=txn_id) for txn_id in txn_ids))
        assert len(set(event_ids)) == 16
        assert [await scene.send(ALICE, room_id, txn_id=txn_id) for txn_id in txn_ids] == event_ids


async def test_sending_goes_on_after_a_failover(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    before = await scene.send(BOB, room_id)
    await scene.fail_over()
    after = await scene.event(room_id, await scene.send(BOB, room_id))
    assert orjson.loads(after.federation_json)["prev_events"] == [before]
    assert scene.domain(room_id).owned.rooms.get(room_id) is not None


async def test_a_state_event_says_what_it_replaces(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.set_state(ALICE, room_id, "org.example", {"a": 1}, "k")
    second = await scene.set_state(ALICE, room_id, "org.example", {"a": 2}, "k")
    assert (await scene.client_event(room_id, first))["unsigned"] == {}
    unsigned = (await scene.client_event(room_id, second))["unsigned"]
    assert unsigned == {"prev_content": {"a": 1}, "replaces_state": first}
    assert (await scene.event(room_id, second)).replaces_event_id == first


async def test_what_a_state_event_replaces_is_read_back_after_a_failover(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.set_state(ALICE, room_id, "org.example", {"a": 1}, "k")
    await scene.fail_over()
    second = await scene.set_state(ALICE, room_id, "org.example", {"a": 2}, "k")
    assert (await scene.client_event(room_id, second))["unsigned"]["prev_content"] == {"a": 1}


async def test_state_events_that_come_at_once_replace_each_other_in_order(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.set_state(ALICE, room_id, "org.example", {"n": -1})
    await scene.fail_over()
    event_ids = await gather(*(scene.set_state(ALICE, room_id, "org.example", {"n": n}) for n in range(5)))
    former = [(await scene.client_event(room_id, e))["unsigned"]["prev_content"]["n"] for e in event_ids]
    assert sorted(former) == [-1, 0, 1, 2, 3]


async def test_state_that_says_the_same_again_is_the_event_that_is_there(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"})
    assert await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"}) == first
    assert await scene.set_state(ALICE, room_id, "m.room.name", {"name": "M"}) != first


async def test_history_and_deltas_of_state_are_kept(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "1"})
    second = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "2"})
    await scene.settle()
    history = await scene.store.scan(STATE_HISTORY_BY_ROOM, (room_id,), limit=100)
    names = [(row.event_id, row.replaces_event_id) for row in history if row.type == "m.room.name"]
    assert names == [(first, ""), (second, first)]
    deltas = await scene.store.scan(STATE_DELTAS_BY_ROOM, (room_id, 0), limit=100)
    assert [row.state_version for row in deltas] == list(range(1, 9))


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"[]", BadJson), (b"{", BadJson), (b'{"a":1.5}', BadJson), (b'{"a":9007199254740992}', BadJson)],
)
async def test_content_that_is_no_canonical_object_is_refused(
    scene: Scene, content: bytes, error: type[MatrixError]
) -> None:
    room_id = await scene.create_room()
    body = SendEvent(sender=ALICE, device_id="D", client_txn_id="t", event_type="m.x", content_json=content)
    with pytest.raises(error):
        await scene.run(room_id, send_event=body)


async def test_events_have_a_size_limit(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.send(ALICE, room_id, {"body": "x" * 60_000})
    with pytest.raises(TooLarge):
        await scene.send(ALICE, room_id, {"body": "x" * 65_000})
    with pytest.raises(TooLarge):
        await scene.send(ALICE, room_id, event_type="m." + "x" * 260)
    with pytest.raises(TooLarge):
        await scene.set_state(ALICE, room_id, "m.x", {}, "k" * 260)


# Who may send what into a room of BOB's (level 0) with these power levels.
LEVELS: dict[str, Any] = {
    "users": {CAROL: 50},
    "events": {"m.room.name": 50, "m.sticker": 50},
    "events_default": 0,
    "state_default": 50,
}
PERMISSIONS = [
    # sender, event type, state key, allowed
    (BOB, "m.room.message", None, True),
    (BOB, "m.sticker", None, False),
    (BOB, "m.room.name", "", False),
    (BOB, "org.example", "", False),
    (CAROL, "m.sticker", None, True),
    (CAROL, "m.room.name", "", True),
    (CAROL, "org.example", "", True),
    (CAROL, "org.example", CAROL, True),
    (CAROL, "org.example", BOB, False),
    (CAROL, "m.room.create", "", False),
    ("@dave:a.example", "m.room.message", None, False),
    ("@dave:elsewhere.example", "m.room.message", None, False),
]


@pytest.mark.parametrize("version", VERSIONS)
async def test_power_levels_decide_who_may_send_what(scene: Scene, version: str) -> None:
    override = dict(LEVELS)
    if version != "12":
        override["users"] = {**LEVELS["users"], ALICE: 100}
    room_id = await scene.create_room(preset="public_chat", version=version, power_level_content_override=override)
    for user_id in (BOB, CAROL):
        await scene.join(user_id, room_id)
    for sender, event_type, state_key, allowed in PERMISSIONS:
        try:
            if state_key is None:
                await scene.send(sender, room_id, event_type=event_type)
            else:
                await scene.set_state(sender, room_id, event_type, {"by": sender}, state_key)
            was_allowed = True
        except Forbidden:
            was_allowed = False
        assert was_allowed is allowed, (sender, event_type, state_key)


async def test_new_power_levels_count_at_once(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.set_state(ALICE, room_id, "m.room.power_levels", {"events_default": 10})
    with pytest.raises(Forbidden):
        await scene.send(BOB, room_id)
    await scene.set_state(ALICE, room_id, "m.room.power_levels", {"events_default": 0})
    await scene.send(BOB, room_id)


async def test_a_refused_event_leaves_nothing_behind(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    before = await scene.timeline(room_id)
    with pytest.raises(Forbidden):
        await scene.send(BOB, room_id, txn_id="t")
    await scene.join(BOB, room_id)
    await scene.send(BOB, room_id, txn_id="t")
    assert len(await scene.timeline(room_id)) == len(before) + 2


async def test_nobody_sends_into_a_room_that_is_not_there(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        await scene.send(ALICE, "!nowhere:a.example")


async def test_aliases_that_point_nowhere_are_refused(scene: Scene) -> None:
    room_id = await scene.create_room()
    with pytest.raises(BadAlias):
        await scene.set_state(ALICE, room_id, "m.room.canonical_alias", {"alias": "#a:a.example"})
    await scene.set_state(ALICE, room_id, "m.room.canonical_alias", {})


async def test_another_hosted_server_signs_for_its_own_users(scene: Scene) -> None:
    user_id = "@erin:b.example"
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(user_id, room_id)
    row = await scene.event(room_id, await scene.send(user_id, room_id))
    assert set(orjson.loads(row.federation_json)["signatures"]) == {"b.example"}
