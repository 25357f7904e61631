"""PUT typing."""

from __future__ import annotations

import pytest

from matrix_protocol.errors import Forbidden
from roomserver.tables import TYPING_BY_SHARD
from service_kit.ledger.append import read_shard
from service_kit.rpc.pb.facts_pb2 import Fact
from tests.roomserver.scene import ALICE, BOB, Action, Scene


async def typing_users(scene: Scene, room_id: str) -> list[str]:
    await scene.settle()
    rows = await scene.store.scan(TYPING_BY_SHARD, (str(scene.shard_of(room_id)),), limit=100)
    return [row.user_id for row in rows if row.room_id == room_id]


async def typing_facts(scene: Scene, room_id: str) -> list[tuple[str, bool]]:
    rows = await read_shard(scene.store, scene.shard_of(room_id), 0, 500)
    facts = [Fact.FromString(row.fact) for row in rows]
    return [(fact.typing.user_id, fact.typing.typing) for fact in facts if fact.HasField("typing")]


async def test_typing_begins_and_ends(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.typing(ALICE, room_id, True)
    assert await typing_users(scene, room_id) == [ALICE]
    await scene.typing(ALICE, room_id, False)
    await scene.typing(ALICE, room_id, False)
    assert await typing_users(scene, room_id) == []
    assert await typing_facts(scene, room_id) == [(ALICE, True), (ALICE, False)]


async def test_typing_ends_when_the_time_is_up(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.typing(ALICE, room_id, True, 20_000)
    await scene.typing(BOB, room_id, True, 5_000)
    await scene.clock.advance(4.9)
    assert await typing_users(scene, room_id) == [ALICE, BOB]
    await scene.clock.advance(0.2)
    assert await typing_users(scene, room_id) == [ALICE]
    await scene.clock.advance(15)
    assert await typing_users(scene, room_id) == []
    assert await typing_facts(scene, room_id) == [(ALICE, True), (BOB, True), (BOB, False), (ALICE, False)]


async def test_typing_that_is_renewed_goes_on(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.typing(ALICE, room_id, True, 5_000)
    await scene.clock.advance(4)
    await scene.typing(ALICE, room_id, True, 5_000)
    await scene.clock.advance(4)
    assert await typing_users(scene, room_id) == [ALICE]
    await scene.clock.advance(2)
    assert await typing_users(scene, room_id) == []


async def test_typing_ends_after_a_failover_too(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.typing(ALICE, room_id, True, 60_000)
    await scene.fail_over()
    assert await typing_users(scene, room_id) == [ALICE]
    await scene.clock.advance(60)
    assert await typing_users(scene, room_id) == []


async def test_who_leaves_stops_typing(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.typing(BOB, room_id, True)
    await scene.change(Action.KICK, ALICE, BOB, room_id)
    assert await typing_users(scene, room_id) == []


async def test_typing_needs_a_member(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    with pytest.raises(Forbidden):
        await scene.typing(BOB, room_id, True)
    with pytest.raises(Forbidden):
        await scene.typing(BOB, "!nowhere:a.example", True)


async def test_nobody_types_for_ever(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.typing(ALICE, room_id, True, 10**12)
    await scene.clock.advance(121)
    assert await typing_users(scene, room_id) == []
