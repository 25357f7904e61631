"""A room with more commands than its shard can do, and the room beside it."""

from __future__ import annotations

import asyncio

import pytest

from matrix_protocol.errors import LimitExceeded
from service_kit.ledger import owner as owner_module
from tests.service_kit.ledger.counters import settle, text
from tests.service_kit.ledger.owner_scene import ROOM_ID, SHARD, SHARDS, Scene
from tests.service_kit.ledger.test_owner import scene

__all__ = ["scene"]

NEIGHBOUR = next(f"!{n}:x" for n in range(1000) if SHARDS.of_room(f"!{n}:x") == SHARD)


def hold_commits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No append of the ledger is answered before the event is set."""
    gate, insert = asyncio.Event(), scene.store.insert_all_if_absent

    async def held(*arguments: object, **options: object) -> bool:
        await gate.wait()
        return await insert(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.store, "insert_all_if_absent", held)
    return gate


async def neighbour_sends(scene: Scene) -> str:
    return (await scene.client.room(NEIGHBOUR, text("from the neighbour"))).event_id


async def test_a_neighbours_command_is_in_the_next_batch_however_many_wait_for_a_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.owner()
    await scene.send("loaded")
    await neighbour_sends(scene)
    monkeypatch.setattr(owner_module, "COMMANDS_PER_BATCH_MAX", 4)
    gate = hold_commits(scene, monkeypatch)
    flood = [scene.start_sending(str(number)) for number in range(100)]
    await settle()
    neighbour = asyncio.ensure_future(neighbour_sends(scene))
    await settle()
    gate.set()
    await neighbour
    await asyncio.gather(*flood)
    contents = await scene.contents()
    # Before it: the two that loaded the rooms, the batch that was being committed, one of the flooding room.
    assert contents.index("from the neighbour", 2) <= 2 + 4 + 1
    assert [content for content in contents if content.isdecimal()] == [str(number) for number in range(100)]


async def test_a_flooded_room_is_refused_and_its_neighbour_is_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.owner()
    await scene.send("loaded")
    await neighbour_sends(scene)
    monkeypatch.setattr(owner_module, "COMMANDS_WAITING_PER_KEY_MAX", 5)
    gate = hold_commits(scene, monkeypatch)
    being_committed = scene.start_sending("first")
    await settle()
    waiting = [scene.start_sending(str(number)) for number in range(5)]
    await settle()
    with pytest.raises(LimitExceeded) as refused:
        await scene.send("too much")
    assert refused.value.extra["retry_after_ms"] == 1000
    neighbour = asyncio.ensure_future(neighbour_sends(scene))
    gate.set()
    assert await neighbour == "$2"
    await asyncio.gather(being_committed, *waiting)
    assert ROOM_ID != NEIGHBOUR
