"""Tables that are written after the append: nobody who comes late changes them."""

from __future__ import annotations

import pytest

from service_kit.clock import ManualClock
from service_kit.ledger.apply import TableWriter
from service_kit.ledger.tables import SHARD_PROGRESS, ShardProgressRow
from service_kit.shards import Shard
from service_kit.store.interface import Put, StoreUnavailable
from service_kit.store.memory import MemoryStore
from tests.contracts.store_tables import ROOMS, Room

SHARD = Shard("room", 3)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore([ROOMS, SHARD_PROGRESS], atomic_tables=False)


def writer(store: MemoryStore) -> TableWriter:
    return TableWriter(store, SHARD, ManualClock())


async def test_former_owner_that_wakes_up_late_overwrites_nothing(store: MemoryStore) -> None:
    former, owner = writer(store), writer(store)
    owner.add(2000, [Put(ROOMS, Room("!a", "of the owner"))])
    await owner.wait_applied(2000)
    former.add(1000, [Put(ROOMS, Room("!a", "of the former owner"))])
    await former.wait_applied(1000)
    await former.finish()
    assert await store.get(ROOMS, ("!a",)) == Room("!a", "of the owner")
    assert await store.get(SHARD_PROGRESS, ("room.3",)) == ShardProgressRow("room.3", 2000)


async def test_progress_is_recorded_only_when_the_rows_are_there(store: MemoryStore) -> None:
    clock = ManualClock()
    owner = TableWriter(store, SHARD, clock)
    store.fail_next_write(StoreUnavailable("away"))
    owner.add(2000, [Put(ROOMS, Room("!a", "1"))])
    await clock.advance(0)
    assert await store.get(SHARD_PROGRESS, ("room.3",)) is None
    assert owner.applied_through == 0
    await clock.advance(0.05)
    assert await store.get(ROOMS, ("!a",)) == Room("!a", "1")
    assert await store.get(SHARD_PROGRESS, ("room.3",)) == ShardProgressRow("room.3", 2000)
    assert owner.applied_through == 2000
