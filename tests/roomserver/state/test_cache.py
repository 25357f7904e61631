"""Rooms in memory, within a budget."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.state.cache import RoomBudget, ShardRooms
from roomserver.state.room import RoomInMemory
from roomserver.tables import CURRENT_STATE_BY_ROOM, ROOM_HEADS, ROOMS
from service_kit.config import RoomSettings
from service_kit.store.interface import Put
from service_kit.store.memory import MemoryStore
from tests.roomserver.scene import BOB, Scene


def room(room_id: str, last_position: int = 0) -> RoomInMemory:
    made = RoomInMemory(room_id, ROOM_VERSIONS["12"])
    made.last_position = last_position
    return made


def test_the_rooms_used_longest_ago_are_dropped() -> None:
    size = room("!x").memory_bytes()
    budget = RoomBudget(3 * size)
    rooms = ShardRooms(budget, lambda: 0)
    for name in "abc":
        rooms.add(room(name))
    kept = rooms.get("a")
    assert kept is not None
    rooms.used(kept)
    del kept
    rooms.add(room("d"))
    assert [rooms.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert budget.used_bytes == 3 * size


def test_a_room_ahead_of_the_tables_is_not_dropped() -> None:
    applied = 4
    budget = RoomBudget(1)
    rooms = ShardRooms(budget, lambda: applied)
    rooms.add(room("a", 5))
    rooms.add(room("b", 4))
    rooms.add(room("c", 4))
    assert [rooms.get(name) is not None for name in "abc"] == [True, False, True]
    applied = 5
    rooms.add(room("d", 0))
    assert rooms.get("a") is None


def test_a_dropped_room_that_is_still_held_is_the_same_room() -> None:
    rooms = ShardRooms(RoomBudget(1), lambda: 0)
    rooms.add(room("a"))
    held = rooms.get("a")
    rooms.add(room("b"))
    assert rooms.get("a") is held


def test_a_closed_shard_takes_its_rooms_out_of_the_budget() -> None:
    budget = RoomBudget(10**6)
    first, second = ShardRooms(budget, lambda: 0), ShardRooms(budget, lambda: 0)
    first.add(room("a"))
    second.add(room("b"))
    first.close()
    assert len(budget) == 1
    second.close()
    assert (len(budget), budget.used_bytes) == (0, 0)


@pytest.mark.slow
async def test_ten_thousand_rooms_stay_within_a_budget_for_two_hundred() -> None:
    scene = await Scene.create(settings=RoomSettings(in_memory_max_mib=2))
    budget = scene.service._surroundings.budget
    template = await scene.create_room(preset="public_chat", version="11")
    assert 150 < 2 * 1024 * 1024 / budget.used_bytes < 250
    room_ids = await _copies(scene.store, template, 10_000)
    for room_id in room_ids[:9000]:
        assert await scene.domain(room_id).owned.load(room_id) is not None
        assert budget.used_bytes <= 2 * 1024 * 1024
    gc.collect()
    tracemalloc.start()  # from here on every room in memory is one loaded meanwhile
    for room_id in room_ids[9000:]:
        assert await scene.domain(room_id).owned.load(room_id) is not None
    grown_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown_bytes < 2 * 1024 * 1024
    assert 150 < len(budget) < 250
    await scene.join(BOB, room_ids[0])  # long dropped, and loaded again
    await scene.send(BOB, room_ids[0])
    await scene.close()


async def _copies(store: MemoryStore, template: str, count: int) -> list[str]:
    """Rooms whose rows are those of the template, but for the room ID. Too large for the ledger, as tests go."""
    room_ids = [f"!room{number}:a.example" for number in range(count)]
    (room,) = await store.scan(ROOMS, (template,), limit=1)
    (head,) = await store.scan(ROOM_HEADS, (template,), limit=1)
    state = await store.scan(CURRENT_STATE_BY_ROOM, (template,), limit=100)
    for room_id in room_ids:
        copies = [Put(CURRENT_STATE_BY_ROOM, row._replace(room_id=room_id)) for row in state]
        copies.append(Put(ROOMS, room._replace(room_id=room_id)))
        copies.append(Put(ROOM_HEADS, head._replace(room_id=room_id, position=0)))  # all there is, is applied
        await store.write(copies)
    return room_ids
