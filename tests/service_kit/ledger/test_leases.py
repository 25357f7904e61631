from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from service_kit.bus import streams
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.ledger.directory import OwnerDirectory
from service_kit.ledger.leases import ShardHolder, clear_leases
from service_kit.ledger.placement import cordon, pin, wanted_owners
from service_kit.ledger.tables import SHARD_OWNERS, WORKERS, ShardOwnerRow, read_or_create_shard_map
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import OwnerAnnouncement
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import OutcomeUnknown, StoreUnavailable
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES, domains, settle, text, texts_of

SHARDS = ShardMap(8, 8)
ALL = [Shard("room", number) for number in range(8)]


class Cluster:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(clock=self.clock)
        self.store = MemoryStore(TABLES, clock=self.clock)
        self.made, self.make_domain = domains(self.store)
        self.client = CommandClient(self.bus.connect(), SHARDS, self.clock)
        self.holders: list[ShardHolder] = []

    def holder(self, worker: str) -> ShardHolder:
        holder = ShardHolder(
            self.bus.connect(),
            self.store,
            self.clock,
            service="roomserver",
            worker=worker,
            kind="room",
            shards=SHARDS,
            make_domain=self.make_domain,
            grpc_address=f"{worker}:1",
        )
        self.holders.append(holder)
        return holder

    async def started(self, worker: str) -> ShardHolder:
        holder = self.holder(worker)
        await holder.start()
        return holder

    async def kill(self, holder: ShardHolder) -> None:
        """As kill -9 does: it says nothing to anybody and leaves its rows."""
        for task in holder._tasks:
            task.cancel()
        await asyncio.gather(*holder._tasks, return_exceptions=True)
        for owner in holder._owners.values():
            await owner.abandon()
        holder._owners.clear()
        await holder.stop()

    async def send(self, room_id: str, content: str) -> str:
        return (await self.client.room(room_id, text(content))).event_id

    async def close(self) -> None:
        for holder in self.holders:
            await holder.stop()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.close()


def test_shards_are_spread_evenly_and_by_all_workers_alike() -> None:
    shards = [Shard("room", number) for number in range(64)]
    wanted = wanted_owners(shards, ["b", "c", "a"])
    assert wanted == wanted_owners(shards, {"a", "b", "c"})
    loads = sorted(list(wanted.values()).count(worker) for worker in "abc")
    assert loads[-1] <= 22
    assert sum(loads) == 64


def test_little_else_moves_when_a_worker_comes() -> None:
    shards = [Shard("room", number) for number in range(64)]
    before, after = wanted_owners(shards, "abc"), wanted_owners(shards, "abcd")
    assert sum(before[shard] != after[shard] for shard in shards) <= 32


def test_without_workers_nobody_is_wanted() -> None:
    assert wanted_owners(ALL, []) == {}


async def test_the_only_worker_owns_everything_at_once(cluster: Cluster) -> None:
    holder = await cluster.started("a")
    assert holder.owned_shards == ALL
    assert await cluster.send("!r:x", "one") == "$1"


async def test_shards_move_to_a_second_worker_and_back_well_under_a_second(cluster: Cluster) -> None:
    first = await cluster.started("a")
    second = await cluster.started("b")
    await settle()
    await cluster.clock.advance(0.1)
    assert sorted(first.owned_shards + second.owned_shards) == ALL
    assert len(first.owned_shards) == len(second.owned_shards) == 4
    await second.drain()
    assert second.owned_shards == []
    await settle()
    await cluster.clock.advance(0.1)
    assert first.owned_shards == ALL
    assert [row.worker for row in await cluster.store.scan(WORKERS, ("roomserver",), limit=10)] == ["a"]


async def test_a_shard_that_a_worker_left_and_should_not_have_goes_to_another(cluster: Cluster) -> None:
    await cluster.kill(await cluster.started("b"))
    # All rows name b, whose lease still holds: a may not take its half of them, and b no longer wants it.
    first = await cluster.started("a")
    second = await cluster.started("b")
    await settle()
    await cluster.clock.advance(1.5)
    assert sorted(first.owned_shards + second.owned_shards) == ALL
    assert len(first.owned_shards) == len(second.owned_shards) == 4


async def test_a_pinned_shard_moves_to_its_worker_and_says_how_it_came_there(cluster: Cluster) -> None:
    holders = {name: await cluster.started(name) for name in ("a", "b")}
    await settle()
    await cluster.clock.advance(0.1)
    shard = holders["a"].owned_shards[0]
    epoch = (await owner_row(cluster, shard)).epoch
    await pin(cluster.store, shard, "b")
    await nudge(cluster)
    assert shard in holders["b"].owned_shards
    row = await owner_row(cluster, shard)
    assert (row.worker, row.epoch, row.cause) == ("b", epoch + 1, "planned")
    assert row.stall_ms is not None
    assert row.stall_ms < 1000
    assert row.since_ms is not None
    await pin(cluster.store, shard, "")
    await nudge(cluster)
    assert shard in holders["a"].owned_shards


async def test_a_cordoned_worker_gives_everything_away_and_may_own_again(cluster: Cluster) -> None:
    first, second = await cluster.started("a"), await cluster.started("b")
    await settle()
    await cluster.clock.advance(0.1)
    before = first.owned_shards
    await cordon(cluster.store, "roomserver", "a", is_cordoned=True)
    await nudge(cluster)
    assert (first.owned_shards, second.owned_shards) == ([], ALL)
    await cordon(cluster.store, "roomserver", "a", is_cordoned=False)
    await nudge(cluster)
    assert first.owned_shards == before


async def test_operators_wishes_are_followed_within_a_second_without_a_bus(cluster: Cluster) -> None:
    first, second = await cluster.started("a"), await cluster.started("b")
    await settle()
    await cluster.clock.advance(0.1)
    await cordon(cluster.store, "roomserver", "b", is_cordoned=True)
    for _ in range(12):
        await cluster.clock.advance(0.1)
    assert (first.owned_shards, second.owned_shards) == (ALL, [])


async def test_a_shard_is_released_although_the_note_of_its_serving_was_never_answered(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_owner = ShardHolder._replace_owner

    async def loses_the_answer(holder: ShardHolder, former: ShardOwnerRow | None, row: ShardOwnerRow) -> bool:
        is_written = await replace_owner(holder, former, row)
        if row.since_ms is not None and row.worker:
            raise StoreUnavailable("the answer was lost")
        return is_written

    monkeypatch.setattr(ShardHolder, "_replace_owner", loses_the_answer)
    holder = await cluster.started("a")
    assert holder.owned_shards == ALL
    await holder.drain()
    assert {row.worker for row in await cluster.store.scan(SHARD_OWNERS, ("room",), limit=10)} == {""}


async def owner_row(cluster: Cluster, shard: Shard) -> ShardOwnerRow:
    row = await cluster.store.get(SHARD_OWNERS, (shard.kind, shard.number))
    assert row is not None
    return row


async def nudge(cluster: Cluster) -> None:
    """As `plexus shards` does, and time for a hand-over."""
    subject = streams.owner_announcements("room")
    await cluster.bus.connect().publish(subject, OwnerAnnouncement().SerializeToString())
    for _ in range(4):
        await settle()
        await cluster.clock.advance(0.05)


async def test_no_command_is_lost_or_done_twice_while_shards_move(cluster: Cluster) -> None:
    await cluster.started("a")
    rooms = [f"!{number}:x" for number in range(16)]

    async def keep_sending(room_id: str) -> list[str]:
        return [await cluster.send(room_id, str(number)) for number in range(30)]

    sending = [asyncio.ensure_future(keep_sending(room_id)) for room_id in rooms]
    await settle()
    second = await cluster.started("b")
    await cluster.clock.advance(1)
    third = await cluster.started("c")
    await cluster.clock.advance(1)
    await second.drain()
    await cluster.clock.advance(1)
    await third.drain()
    while not all(task.done() for task in sending):
        await cluster.clock.advance(0.5)
    for room_id, task in zip(rooms, sending, strict=True):
        assert await task == [f"${number}" for number in range(1, 31)]
        assert await texts_of(cluster.store, room_id) == [str(number) for number in range(30)]


async def test_each_taking_of_a_shard_has_a_new_epoch(cluster: Cluster) -> None:
    first = await cluster.started("a")
    await cluster.kill(first)
    await cluster.started("a")
    rows = await cluster.store.scan(SHARD_OWNERS, ("room",), limit=10)
    assert [row.epoch for row in rows] == [2] * 8


async def test_shards_of_a_silently_dead_worker_are_taken_when_its_lease_expires(cluster: Cluster) -> None:
    dead, alive = await cluster.started("a"), await cluster.started("b")
    await settle()
    await cluster.clock.advance(0.1)
    await cluster.kill(dead)
    await cluster.clock.advance(3)
    assert len(alive.owned_shards) == 4
    await cluster.clock.advance(3.5)
    assert alive.owned_shards == ALL


async def test_worker_whose_lease_cannot_be_renewed_stops_serving_before_others_may_take(cluster: Cluster) -> None:
    holder = await cluster.started("a")
    cluster.store.is_available = False
    await cluster.clock.advance(3.5)
    assert holder.owned_shards == ALL
    await cluster.clock.advance(1)
    assert not holder.may_serve()
    assert holder.owned_shards == []
    cluster.store.is_available = True
    await cluster.clock.advance(2)
    assert holder.owned_shards == ALL


async def test_worker_whose_lease_was_taken_by_its_namesake_starts_anew(cluster: Cluster) -> None:
    first = await cluster.started("a")
    await cluster.send("!r:x", "one")
    row = await cluster.store.get(WORKERS, ("roomserver", "a"))
    assert row is not None
    await cluster.store.replace_if(WORKERS, ("roomserver", "a"), row, row._replace(started_at_ms=1))
    await cluster.clock.advance(3)
    assert first.owned_shards == ALL
    assert {row.epoch for row in await cluster.store.scan(SHARD_OWNERS, ("room",), limit=10)} == {2}
    assert await cluster.send("!r:x", "two") == "$2"


@pytest.mark.parametrize("happened", [True, False])
async def test_renewal_with_unknown_outcome_costs_nothing(cluster: Cluster, happened: bool) -> None:
    holder = await cluster.started("a")
    cluster.store.fail_next_write(OutcomeUnknown("lost"), happened=happened)
    await cluster.clock.advance(3)
    assert holder.owned_shards == ALL
    assert {row.epoch for row in await cluster.store.scan(SHARD_OWNERS, ("room",), limit=10)} == {1}


async def test_shard_that_could_not_be_taken_is_taken_in_the_next_round(cluster: Cluster) -> None:
    cluster.store.fail_next_write(OutcomeUnknown("lost"), happened=True)  # the lease
    cluster.store.fail_next_write(StoreUnavailable("away"))  # one of the shards
    holder = await cluster.started("a")
    assert len(holder.owned_shards) == 7
    await cluster.clock.advance(1.1)
    assert holder.owned_shards == ALL


async def test_cleared_leases_let_a_restarted_process_begin_at_once(cluster: Cluster) -> None:
    await cluster.kill(await cluster.started("a"))
    await clear_leases(cluster.store)
    assert (await cluster.started("b")).owned_shards == ALL


async def test_shard_lost_to_a_zombies_append_is_taken_again(cluster: Cluster) -> None:
    holder = await cluster.started("a")
    await cluster.send("!r:x", "one")
    shard = SHARDS.of_room("!r:x")
    owner = holder.owner_of(shard)
    assert owner is not None
    owner._ledger.head = 0  # as if another had written position 1
    sending = asyncio.ensure_future(cluster.send("!r:x", "two"))
    await settle()
    await cluster.clock.advance(0.3)
    assert await sending == "$2"
    assert holder.owner_of(shard) is not owner
    assert await texts_of(cluster.store, "!r:x") == ["one", "two"]


async def test_shard_that_another_has_taken_is_not_served_any_more(cluster: Cluster) -> None:
    holder = await cluster.started("a")
    owner = holder.owner_of(ALL[0])
    row = await cluster.store.get(SHARD_OWNERS, ("room", 0))
    assert row is not None
    await cluster.store.replace_if(SHARD_OWNERS, ("room", 0), row, row._replace(worker="dead", epoch=5))
    await cluster.clock.advance(1.1)
    # Its new owner is dead, too, so it came back; but as another object, under another epoch.
    again = holder.owner_of(ALL[0])
    assert again is not None
    assert again is not owner
    assert again.epoch == 6


async def test_process_that_was_stopped_does_not_trust_its_memory(cluster: Cluster) -> None:
    holder = await cluster.started("a")
    before = [holder.owner_of(shard) for shard in ALL]
    cluster.clock._elapsed_s += 20  # nothing ran in the meantime
    assert holder.owned_shards == []
    for _ in range(3):
        await cluster.clock.advance(0.5)
    assert holder.owned_shards == ALL
    assert all(holder.owner_of(shard) is not owner for shard, owner in zip(ALL, before, strict=True))


async def test_failed_start_leaves_nothing_running(cluster: Cluster) -> None:
    holder = cluster.holder("a")
    cluster.store.is_available = False
    with pytest.raises(StoreUnavailable):
        await holder.start()
    assert holder._tasks == []
    assert holder._subscriptions == []


async def test_the_directory_names_the_address_of_the_live_owner(cluster: Cluster) -> None:
    directory = OwnerDirectory(cluster.store, cluster.clock)
    assert await directory.address_of(ALL[0]) == ""
    holder = await cluster.started("a")
    assert await directory.address_of(ALL[0]) == "a:1"
    await holder.drain()
    assert await directory.address_of(ALL[0]) == "a:1"  # cached
    directory.forget(ALL[0])
    assert await directory.address_of(ALL[0]) == ""


async def test_number_of_shards_is_fixed_by_the_first_start(cluster: Cluster) -> None:
    assert await read_or_create_shard_map(cluster.store, ShardMap(8, 4)) == ShardMap(8, 4)
    assert await read_or_create_shard_map(cluster.store, ShardMap(64, 64)) == ShardMap(8, 4)
