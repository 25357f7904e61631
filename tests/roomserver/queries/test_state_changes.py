"""get_state: what changed after a position, rooms without their members, summaries; get_receipts: who is typing."""

from __future__ import annotations

from typing import Any

import pytest

from service_kit.rpc.pb.room_queries_pb2 import ReceiptsRequest, StateChunk, StateKey, StateRequest
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene

MEMBER = "m.room.member"


async def chunks_of(scene: Scene, room_id: str, **request: Any) -> list[StateChunk]:
    return [chunk async for chunk in scene.queries.get_state(StateRequest(room_id=room_id, **request))]


async def keys_of(scene: Scene, room_id: str, **request: Any) -> dict[tuple[str, str], int]:
    """Positions by key."""
    chunks = await chunks_of(scene, room_id, **request)
    return {(e.type, e.state_key): e.position for chunk in chunks for e in chunk.entries}


async def head_of(scene: Scene, room_id: str) -> int:
    return (await chunks_of(scene, room_id))[-1].position


@pytest.mark.parametrize("deltas_max", [1000, 2])
async def test_only_what_changed_after_the_position(
    scene: Scene, deltas_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomserver.queries.state.DELTAS_MAX", deltas_max)
    room_id = await scene.create_room(preset="public_chat", name="1")
    before = await head_of(scene, room_id)
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "2"})
    await scene.join(BOB, room_id)
    between = await head_of(scene, room_id)
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "3"})
    await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": "1"})
    name, topic, bob = ("m.room.name", ""), ("m.room.topic", ""), (MEMBER, BOB)
    assert set(await keys_of(scene, room_id, after_position=before)) == {name, topic, bob}
    assert set(await keys_of(scene, room_id, after_position=between)) == {name, topic}
    then = await keys_of(scene, room_id, after_position=before, at_position=between)
    assert set(then) == {name, bob}
    assert before < then[name] <= between
    members = [StateKey(type=MEMBER)]
    assert set(await keys_of(scene, room_id, after_position=before, keys=members)) == {bob}
    one = [StateKey(type="m.room.topic", state_key="")]
    assert set(await keys_of(scene, room_id, after_position=before, keys=one)) == {topic}
    assert await keys_of(scene, room_id, after_position=await head_of(scene, room_id)) == {}


async def test_changes_are_found_across_buckets(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roomserver.input.event_fact.BUCKET_EVENTS_MAX", 4)
    monkeypatch.setattr("roomserver.input.rows.BUCKET_EVENTS_MAX", 4)
    room_id = await scene.create_room()
    before = await head_of(scene, room_id)
    for number in range(12):
        await scene.set_state(ALICE, room_id, "org.example", {"n": number}, str(number))
    assert len(await keys_of(scene, room_id, after_position=before)) == 12
    assert len(await keys_of(scene, room_id, after_position=before + 5)) == 7


@pytest.mark.parametrize("rows_max", [1000, 3])
async def test_members_of_a_large_room_are_left_out(
    scene: Scene, rows_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomserver.queries.state.SCAN_ROWS_MAX", rows_max)
    room_id = await scene.create_room(preset="public_chat")
    for number in range(7):
        await scene.set_state(ALICE, room_id, "a.first", {}, str(number))
        await scene.set_state(ALICE, room_id, "z.last", {}, str(number))
    await scene.join(BOB, room_id)
    everything = await keys_of(scene, room_id)
    assert await keys_of(scene, room_id, members_max=2) == everything
    some = {key: position for key, position in everything.items() if key[0] != MEMBER}
    assert await keys_of(scene, room_id, members_max=1) == some
    assert await keys_of(scene, room_id, not_types=[MEMBER]) == some


async def test_summary_counts_members_and_names_the_first_of_them(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", invite=[CAROL])
    await scene.join(BOB, room_id)
    (chunk,) = await chunks_of(scene, room_id, with_summary=True, keys=[StateKey(type="", state_key="")])
    summary = chunk.summary
    assert (summary.joined_members, summary.invited_members, summary.members) == (2, 1, 3)
    assert set(summary.hero_user_ids) == {ALICE, BOB, CAROL}
    assert summary.position == chunk.position
    assert not chunk.entries
    assert not (await chunks_of(scene, room_id))[0].HasField("summary")


async def test_summary_of_a_room_with_one_member_names_those_who_left(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.leave(BOB, room_id)
    (chunk,) = await chunks_of(scene, room_id, with_summary=True)
    assert set(chunk.summary.hero_user_ids) == {ALICE, BOB}
    assert (chunk.summary.joined_members, chunk.summary.members) == (1, 2)


async def test_who_is_typing_is_told_with_the_receipts(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = [chunk async for chunk in scene.queries.get_receipts(ReceiptsRequest(room_id=room_id))]
    assert len(first) == 1
    assert not first[0].typing
    assert first[0].typing_position == 0
    await scene.typing(ALICE, room_id, True)
    (chunk,) = [chunk async for chunk in scene.queries.get_receipts(ReceiptsRequest(room_id=room_id))]
    assert [typing.user_id for typing in chunk.typing] == [ALICE]
    assert chunk.typing_position == await head_of(scene, room_id)


async def test_last_change_to_who_is_typing_is_known_when_nobody_is_any_more(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.typing(ALICE, room_id, True)
    await scene.typing(ALICE, room_id, False)
    stopped_at = await head_of(scene, room_id)
    await scene.send(ALICE, room_id)
    (chunk,) = [chunk async for chunk in scene.queries.get_receipts(ReceiptsRequest(room_id=room_id))]
    assert not chunk.typing
    assert chunk.typing_position == stopped_at
