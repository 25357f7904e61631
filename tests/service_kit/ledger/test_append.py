from __future__ import annotations

import pytest

from service_kit.ledger.append import (
    FACTS_PER_COMMAND_MAX,
    LedgerExpired,
    OwnershipLost,
    ShardLedger,
    next_position,
    read_pages,
    read_shard,
)
from service_kit.ledger.tables import BUCKET_POSITIONS, LEDGER, SHARD_PROGRESS, ShardProgressRow
from service_kit.shards import Shard
from service_kit.store.interface import OutcomeUnknown, Put, StoreUnavailable
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES

SHARD = Shard("room", 3)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(TABLES)


async def opened(store: MemoryStore) -> ShardLedger:
    ledger = ShardLedger(store, SHARD)
    await ledger.open()
    return ledger


async def facts_of(store: MemoryStore) -> list[bytes]:
    return [row.fact for row in await read_shard(store, SHARD, 0, 999)]


async def filled(store: MemoryStore, through: int) -> ShardLedger:
    """A ledger whose head is at least `through`, in batches of 500."""
    ledger = await opened(store)
    while ledger.head < through:
        room = BUCKET_POSITIONS - ledger.next_position % BUCKET_POSITIONS
        await ledger.append([b"f"] * min(500, room, max(through - ledger.next_position + 1, 1)))
    return ledger


async def test_first_position_is_1_and_an_empty_ledger_has_head_0(store: MemoryStore) -> None:
    ledger = await opened(store)
    assert ledger.head == 0
    assert await ledger.append([b"a", b"b"]) == 1
    assert ledger.head == 2
    assert await ledger.append([b"c"]) == 3


async def test_reopened_ledger_goes_on_after_its_head(store: MemoryStore) -> None:
    await (await opened(store)).append([b"a", b"b"])
    ledger = await opened(store)
    assert ledger.head == 2
    assert await ledger.append([b"c"]) == 3
    assert await facts_of(store) == [b"a", b"b", b"c"]


async def test_of_two_writers_only_one_commits(store: MemoryStore) -> None:
    zombie, owner = await opened(store), await opened(store)
    await owner.append([b"owner"])
    with pytest.raises(OwnershipLost):
        await zombie.append([b"zombie 1", b"zombie 2"])
    assert await facts_of(store) == [b"owner"]


async def test_unknown_outcome_that_was_written_is_committed_once(store: MemoryStore) -> None:
    ledger = await opened(store)
    store.fail_next_write(OutcomeUnknown("lost"), happened=True)
    assert await ledger.append([b"a"]) == 1
    assert await ledger.append([b"b"]) == 2
    assert await facts_of(store) == [b"a", b"b"]


async def test_unknown_outcome_that_was_not_written_is_written_again(store: MemoryStore) -> None:
    ledger = await opened(store)
    store.fail_next_write(OutcomeUnknown("lost"), happened=False)
    assert await ledger.append([b"a"]) == 1
    assert await facts_of(store) == [b"a"]


async def test_unknown_outcome_where_another_has_written_is_ownership_lost(store: MemoryStore) -> None:
    zombie, owner = await opened(store), await opened(store)
    await owner.append([b"owner"])
    store.fail_next_write(OutcomeUnknown("lost"), happened=True)
    with pytest.raises(OwnershipLost):
        await zombie.append([b"zombie"])


async def test_open_outcome_stays_open_until_the_same_batch_is_appended_again(store: MemoryStore) -> None:
    ledger = await opened(store)
    for _ in range(5):
        store.fail_next_write(OutcomeUnknown("lost"), happened=False)
    with pytest.raises(OutcomeUnknown):
        await ledger.append([b"a"], batch_id=b"1")
    store.fail_next_write(StoreUnavailable("away"), happened=True)
    with pytest.raises(StoreUnavailable):
        await ledger.append([b"a"], batch_id=b"1")
    assert await ledger.append([b"a"], batch_id=b"1") == 1
    assert await facts_of(store) == [b"a"]


@pytest.mark.parametrize("recorded", [0, 9000])
async def test_head_is_found_beyond_the_bucket_of_the_recorded_progress(store: MemoryStore, recorded: int) -> None:
    ledger = await filled(store, BUCKET_POSITIONS + 3)
    await store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(SHARD), recorded))])
    assert (await opened(store)).head == ledger.head == BUCKET_POSITIONS + 3


def test_a_batch_always_begins_with_room_for_a_command_in_its_bucket() -> None:
    for head in range(BUCKET_POSITIONS * 2):
        first = next_position(head)
        assert first > head
        assert first // BUCKET_POSITIONS == (first + FACTS_PER_COMMAND_MAX - 1) // BUCKET_POSITIONS


async def test_reading_goes_on_across_buckets(store: MemoryStore) -> None:
    ledger = await filled(store, BUCKET_POSITIONS + 600)
    positions = [row.position async for rows in read_pages_of(store, 0, ledger.head) for row in rows]
    assert positions == sorted(set(positions))
    assert positions[0] == 1
    assert positions[-1] == BUCKET_POSITIONS + 600
    rows = await read_shard(store, SHARD, 8990, 100, through_position=BUCKET_POSITIONS + 5)
    assert [row.position for row in rows][-1] == BUCKET_POSITIONS + 5 or len(rows) == 100


def read_pages_of(store: MemoryStore, after: int, through: int):  # type: ignore[no-untyped-def]
    return read_pages(store, SHARD, after, through)


async def test_reading_back_gives_the_tail_first(store: MemoryStore) -> None:
    ledger = await filled(store, BUCKET_POSITIONS + 2)
    rows = await ledger.read_back(ledger.head, 5)
    positions = [row.position for row in rows]
    assert positions[:3] == [BUCKET_POSITIONS + 2, BUCKET_POSITIONS + 1, BUCKET_POSITIONS]
    assert positions == sorted(positions, reverse=True)
    assert len(positions) == 5


@pytest.mark.slow
async def test_retention_drops_only_whole_applied_buckets(store: MemoryStore) -> None:
    ledger = await filled(store, 2 * BUCKET_POSITIONS + 5)
    assert await ledger.expire(ledger.head) == 0  # nothing is known to be applied
    await store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(SHARD), ledger.head))])
    assert await ledger.expire(BUCKET_POSITIONS + 5) == 1
    assert await ledger.expire(ledger.head) == 1
    assert await ledger.expire(ledger.head) == 0
    rows = await store.scan(LEDGER, (str(SHARD), 2), limit=10)
    assert len(rows) == 6
    assert (await opened(store)).head == ledger.head


async def test_reading_after_a_position_that_retention_dropped_is_refused(store: MemoryStore) -> None:
    ledger = await filled(store, BUCKET_POSITIONS + 5)
    await store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(SHARD), ledger.head))])
    await ledger.expire(ledger.head)
    for position in (0, 1, 17):
        with pytest.raises(LedgerExpired):
            await read_shard(store, SHARD, position, 10)
    assert len(await read_shard(store, SHARD, BUCKET_POSITIONS, 10)) == 5
    assert await read_shard(store, SHARD, ledger.head, 10) == []
    assert len(await ledger.read_back(ledger.head, 100)) == 6


async def test_reading_an_empty_ledger_gives_nothing(store: MemoryStore) -> None:
    assert await read_shard(store, SHARD, 0, 10) == []
    with pytest.raises(LedgerExpired):
        await read_shard(store, SHARD, -1, 10)
