"""Groups of durable consumers: every fact of every shard, at least once and in order, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.ledger.append import CONSUMERS_BEHIND_MAX_MS, OwnershipLost, ShardLedger
from service_kit.ledger.consumers import BATCH_FACTS_MAX, ConsumerGroup, PositionedFact
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.tables import (
    BUCKET_POSITIONS,
    CONSUMER_POSITIONS,
    SHARD_PROGRESS,
    ConsumerPositionRow,
    ShardProgressRow,
)
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import Fact, LedgerHead, RoomEventFact
from service_kit.shards import SEARCH, Shard, ShardMap
from service_kit.store.interface import Put
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES, domains, text

SHARDS = ShardMap(4, 4)
DAY_MS = 86_400_000


class Log:
    """What a group has done, kept outside of its workers as a durable thing would be."""

    def __init__(self) -> None:
        self.taken: dict[Shard, list[int]] = {}
        self.rebuilt: list[Shard] = []
        self.fails = 0
        self.loses = False
        self.closed = 0


class LoggingWork:
    def __init__(self, log: Log, shard: Shard, store: MemoryStore) -> None:
        self._log = log
        self._shard = shard
        self._store = store
        self.worked = log.taken.setdefault(shard, [])

    async def open(self, recorded_position: int) -> int:
        return recorded_position

    async def take(self, facts: Sequence[PositionedFact]) -> None:
        if self._log.loses:
            raise OwnershipLost("another worker does this")
        if self._log.fails:
            self._log.fails -= 1
            raise RuntimeError("not now")
        self.worked.extend(position for position, _ in facts)

    async def rebuild(self) -> int:
        self._log.rebuilt.append(self._shard)
        return await ShardLedger(self._store, self._shard).open()

    async def close(self) -> None:
        self._log.closed += 1


class Cluster:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(clock=self.clock)
        self.store = MemoryStore(TABLES, clock=self.clock)
        self.log = Log()
        self.client = CommandClient(self.bus.connect(), SHARDS, self.clock)
        self.parts: list[ShardHolder | ConsumerGroup[LoggingWork]] = []

    async def owner(self, worker: str) -> ShardHolder:
        _, make_domain = domains(self.store)
        holder = ShardHolder(
            self.bus.connect(),
            self.store,
            self.clock,
            service="roomserver",
            worker=worker,
            kind="room",
            shards=SHARDS,
            make_domain=make_domain,
        )
        self.parts.append(holder)
        await holder.start()
        return holder

    async def consumer(self, worker: str) -> ConsumerGroup[LoggingWork]:
        group = ConsumerGroup(
            self.bus.connect(),
            self.store,
            self.clock,
            group=SEARCH,
            worker=worker,
            shards=SHARDS,
            make_work=lambda shard: LoggingWork(self.log, shard, self.store),
        )
        self.parts.append(group)
        await group.start()
        return group

    async def kill(self, part: ShardHolder | ConsumerGroup[LoggingWork]) -> None:
        """As kill -9 does: nothing is recorded, no lease is given back."""
        for task in part._tasks:
            task.cancel()
        await asyncio.gather(*part._tasks, return_exceptions=True)
        for owned in list(part._owners.values()):
            await owned.abandon()
        part._owners.clear()
        await part.stop()

    async def send(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            await self.client.room(f"!{number % 16}", text(f"text {number}"))

    async def facts_of(self, shard: Shard) -> list[int]:
        return list(range(1, await ShardLedger(self.store, shard).open() + 1))

    async def close(self) -> None:
        for part in reversed(self.parts):
            await part.stop()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.close()


async def test_every_fact_is_taken_once_and_in_order(cluster: Cluster) -> None:
    await cluster.owner("r1")
    await cluster.send(20)
    await cluster.consumer("c1")
    await cluster.send(20, 20)
    await cluster.clock.advance(1)
    for shard in SHARDS.all_of("room"):
        assert cluster.log.taken[shard] == await cluster.facts_of(shard)


async def test_a_fact_wakes_the_consumer_long_before_it_looks_by_itself(cluster: Cluster) -> None:
    await cluster.owner("r1")
    await cluster.consumer("c1")
    await cluster.clock.advance(0.2)
    await cluster.send(1)
    await cluster.clock.advance(0.1)
    assert sum(len(taken) for taken in cluster.log.taken.values()) == 1


async def test_a_lost_announcement_costs_some_seconds_and_no_fact(cluster: Cluster) -> None:
    await cluster.owner("r1")
    group = await cluster.consumer("c1")
    for consumer in group._owners.values():
        assert consumer._subscription is not None
        await consumer._subscription.unsubscribe()
    await cluster.send(3)
    await cluster.clock.advance(12)
    assert sum(len(taken) for taken in cluster.log.taken.values()) == 3


async def test_two_workers_divide_the_shards_and_one_goes_on_where_the_other_was_killed(cluster: Cluster) -> None:
    await cluster.owner("r1")
    first, second = await cluster.consumer("c1"), await cluster.consumer("c2")
    await cluster.clock.advance(2)
    assert len(first.owned_shards) == len(second.owned_shards) == 2
    await cluster.send(16)
    await cluster.clock.advance(0.3)
    await cluster.kill(first)
    await cluster.send(16, 16)
    await cluster.clock.advance(10)
    assert len(second.owned_shards) == 4
    for shard in SHARDS.all_of("room"):
        taken, facts = cluster.log.taken[shard], await cluster.facts_of(shard)
        assert sorted(set(taken)) == facts
        assert taken[-1] == facts[-1]


async def test_a_shard_handed_over_is_gone_on_with_exactly_where_it_was_left(cluster: Cluster) -> None:
    await cluster.owner("r1")
    first = await cluster.consumer("c1")
    await cluster.send(16)
    await cluster.clock.advance(0.3)
    await asyncio.gather(first.drain(), cluster.clock.advance(1))
    await cluster.send(16, 16)
    await cluster.consumer("c2")
    await cluster.clock.advance(1)
    for shard in SHARDS.all_of("room"):
        assert cluster.log.taken[shard] == await cluster.facts_of(shard)
    assert cluster.log.closed == 4


async def test_the_followed_shard_may_move_meanwhile(cluster: Cluster) -> None:
    owner = await cluster.owner("r1")
    await cluster.consumer("c1")
    await cluster.send(16)
    await asyncio.gather(owner.drain(), cluster.clock.advance(1))
    await cluster.owner("r2")
    await cluster.send(16, 16)
    await cluster.clock.advance(1)
    for shard in SHARDS.all_of("room"):
        assert cluster.log.taken[shard] == await cluster.facts_of(shard)


async def test_work_that_fails_is_given_the_same_facts_again(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    await cluster.owner("r1")
    await cluster.consumer("c1")
    cluster.log.fails = 3
    await cluster.send(16)
    await cluster.clock.advance(10)
    assert "cannot go on after position 0" in caplog.text
    for shard in SHARDS.all_of("room"):
        assert cluster.log.taken[shard] == await cluster.facts_of(shard)


async def test_work_that_another_has_taken_over_is_begun_anew(cluster: Cluster) -> None:
    await cluster.owner("r1")
    await cluster.consumer("c1")
    cluster.log.loses = True
    await cluster.send(16)
    await cluster.clock.advance(0.5)
    cluster.log.loses = False
    await cluster.clock.advance(3)
    for shard in SHARDS.all_of("room"):
        assert cluster.log.taken[shard] == await cluster.facts_of(shard)


async def write_ledger(store: MemoryStore, shard: Shard, count: int, written_at_ms: int) -> ShardLedger:
    ledger = ShardLedger(store, shard)
    await ledger.open()
    fact = Fact(room_id="!r", written_at_ms=written_at_ms, room_event=RoomEventFact(event_id="$e")).SerializeToString()
    for _ in range(count // 500):
        await ledger.append([fact] * 500)
    return ledger


async def test_lag_is_shown_and_made_up_for_in_large_batches(cluster: Cluster) -> None:
    shard = Shard("room", 0)
    ledger = await write_ledger(cluster.store, shard, 2000, cluster.clock.now_ms())
    await cluster.consumer("c1")
    await cluster.clock.advance(0.1)
    assert len(cluster.log.taken[shard]) == 2000 > BATCH_FACTS_MAX
    cluster.log.fails = 1_000_000
    await ledger.append([Fact(room_id="!r").SerializeToString()] * 7)
    head = streams.ledger_head(Shard(SEARCH, 0))
    await cluster.bus.connect().publish(head, LedgerHead(position=ledger.head).SerializeToString())
    await cluster.clock.advance(1)
    assert telemetry.CONSUMER_LAG.labels(SEARCH, "room.0")._value.get() == 7


async def record(store: MemoryStore, shard: Shard, position: int) -> None:
    await store.write([Put(CONSUMER_POSITIONS, ConsumerPositionRow(str(shard), SEARCH, position, 0))])


async def test_ledger_keeps_what_a_group_has_not_read(cluster: Cluster) -> None:
    shard = Shard("room", 1)
    old_ms = cluster.clock.now_ms() - 40 * DAY_MS
    ledger = await write_ledger(cluster.store, shard, 2 * BUCKET_POSITIONS, old_ms + 2 * DAY_MS)
    await cluster.store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(shard), ledger.head))])
    before_ms = cluster.clock.now_ms() - 35 * DAY_MS
    await record(cluster.store, shard, 100)
    assert await ledger.expire_older(before_ms) == 0
    await record(cluster.store, shard, ledger.head)
    assert await ledger.expire_older(before_ms) > 0


async def test_a_group_further_behind_than_the_maximum_rebuilds(cluster: Cluster) -> None:
    shard = Shard("room", 1)
    now_ms = cluster.clock.now_ms()
    ledger = await write_ledger(cluster.store, shard, 2 * BUCKET_POSITIONS, now_ms - CONSUMERS_BEHIND_MAX_MS - DAY_MS)
    await cluster.store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(shard), ledger.head))])
    await record(cluster.store, shard, 100)
    assert await ledger.expire_older(now_ms - DAY_MS // 2) > 0
    group = await cluster.consumer("c1")
    await cluster.clock.advance(0.1)
    assert cluster.log.rebuilt == [shard]
    consumer = group.owner_of(Shard(SEARCH, 1))
    assert consumer is not None
    assert consumer.position == ledger.head
