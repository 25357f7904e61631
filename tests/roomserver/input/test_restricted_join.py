"""Joins that the membership of rooms of other shards allows."""

from __future__ import annotations

import asyncio

import pytest

from matrix_protocol.errors import Forbidden
from tests.roomserver.scene import ALICE, BOB, Scene

DEADLINE_S = 10.0


async def room_of_shard(scene: Scene, number: int, **wish: object) -> str:
    while True:
        room_id = await scene.create_room(preset="public_chat", **wish)
        if scene.shard_of(room_id).number == number:
            return room_id


def restricted_to(*room_ids: str, join_rule: str = "restricted") -> dict[str, object]:
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in room_ids]
    content = {"join_rule": join_rule, "allow": allow}
    return {"initial_state": [{"type": "m.room.join_rules", "state_key": "", "content": content}]}


@pytest.mark.parametrize("join_rule", ["restricted", "knock_restricted"])
@pytest.mark.parametrize("version", ["10", "12"])
async def test_members_of_a_room_of_another_shard_may_join(scene: Scene, join_rule: str, version: str) -> None:
    elsewhere = await room_of_shard(scene, 0)
    room_id = await room_of_shard(
        scene, 1, room_version=version, **restricted_to("!nowhere:a.example", elsewhere, join_rule=join_rule)
    )
    with pytest.raises(Forbidden):
        await scene.join(BOB, room_id)
    await scene.join(BOB, elsewhere)
    await scene.join(BOB, room_id)
    content = await scene.state(room_id, "m.room.member", BOB)
    assert content == {"membership": "join", "join_authorised_via_users_server": ALICE}


async def test_a_join_elsewhere_counts_before_the_tables_have_it() -> None:
    scene = await Scene.create(atomic_tables=False)
    elsewhere = await room_of_shard(scene, 0)
    room_id = await room_of_shard(scene, 1, **restricted_to(elsewhere))
    await scene.settle()
    tables_may_be_written = asyncio.Event()

    async def wait(call: str) -> None:
        if call == "write":
            await tables_may_be_written.wait()

    scene.store.before_call = wait
    await scene.join(BOB, elsewhere)  # answered, and not yet in any table
    joining = asyncio.ensure_future(scene.join(BOB, room_id))
    done, _ = await asyncio.wait({joining}, timeout=0.05)
    assert not done
    tables_may_be_written.set()
    async with asyncio.timeout(DEADLINE_S):
        await joining
    content = await scene.state(room_id, "m.room.member", BOB)
    assert content is not None
    assert content["membership"] == "join"
    await scene.close()
