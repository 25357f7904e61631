from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import Unavailable
from service_kit.bus.memory import Fate, MemoryBus, SeededFaults
from service_kit.clock import ManualClock
from service_kit.ledger import feed as feed_module
from service_kit.ledger.follow import FactFollower
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.tables import LEDGER, SHARD_PROGRESS, ShardProgressRow
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import Put
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES, domains, settle, text, until

SHARDS = ShardMap(2, 2)
ROOMS = [f"!{number}:x" for number in range(6)]


class Scene:
    """Two room shards, a worker that owns them, and a follower that writes down what it is handed."""

    def __init__(self, *, atomic_tables: bool = True) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(clock=self.clock)
        self.store = MemoryStore(TABLES, atomic_tables=atomic_tables, clock=self.clock)
        self.made, self.make_domain = domains(self.store)
        self.client = CommandClient(self.bus.connect(), SHARDS, self.clock)
        self.holders: list[ShardHolder] = []
        self.facts: list[tuple[Shard, int, str, str]] = []
        self.lost: list[Shard] = []
        self.follower_bus = self.bus.connect()
        self.follower = FactFollower(
            self.follower_bus,
            self.store,
            SHARDS,
            self.clock,
            "sync-1",
            self.on_fact,
            on_lost=self.lost.append,
        )

    def on_fact(self, shard: Shard, position: int, fact: Fact) -> None:
        self.facts.append((shard, position, fact.room_id, fact.room_event.event_id))

    async def worker(self, name: str) -> ShardHolder:
        holder = ShardHolder(
            self.bus.connect(),
            self.store,
            self.clock,
            service="roomserver",
            worker=name,
            kind="room",
            shards=SHARDS,
            make_domain=self.make_domain,
        )
        self.holders.append(holder)
        await holder.start()
        return holder

    async def send(self, room_id: str, content: str) -> str:
        return (await self.client.room(room_id, text(content))).event_id

    async def send_about(self, room_id: str, user_id: str, content: str) -> None:
        """As a membership does: a fact of the room and of its target."""
        send = SendEvent(event_type="text", content_json=content.encode(), redacts=user_id)
        await self.client.room(room_id, RoomCommand(send_event=send))

    def texts_of(self, room_id: str) -> list[str]:
        return [content for _, _, fact_room_id, content in self.facts if fact_room_id == room_id]

    def assert_in_order_and_once(self) -> None:
        for shard in SHARDS.all_of("room"):
            positions = [position for fact_shard, position, _, _ in self.facts if fact_shard == shard]
            assert positions == sorted(set(positions))

    async def close(self) -> None:
        await self.follower.stop()
        for holder in self.holders:
            await holder.stop()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    await scene.follower.start()
    yield scene
    await scene.close()


async def test_facts_of_followed_rooms_arrive_and_no_others(scene: Scene) -> None:
    await scene.worker("a")
    assert await scene.follower.follow_room(ROOMS[0]) == 0
    for room_id in ROOMS:
        await scene.send(room_id, f"in {room_id}")
    await settle()
    assert scene.texts_of(ROOMS[0]) == [f"in {ROOMS[0]}"]
    assert len(scene.facts) == 1


async def test_following_returns_the_position_that_the_tables_hold(scene: Scene) -> None:
    await scene.worker("a")
    await scene.send(ROOMS[0], "before")
    shard = SHARDS.of_room(ROOMS[0])
    assert await scene.follower.follow_room(ROOMS[0]) == 1
    assert scene.follower.position(shard) == 1
    await scene.send(ROOMS[0], "after")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["after"]
    assert scene.follower.position(shard) == 2
    assert await scene.follower.follow_room(ROOMS[0]) == 1


async def test_position_reaches_the_head_when_another_room_is_followed(scene: Scene) -> None:
    await scene.worker("a")
    same_shard = [room_id for room_id in ROOMS if SHARDS.of_room(room_id) == SHARDS.of_room(ROOMS[0])]
    await scene.follower.follow_room(same_shard[0])
    await scene.send(same_shard[1], "not followed")
    shard = SHARDS.of_room(ROOMS[0])
    assert scene.follower.position(shard) == 0
    assert await scene.follower.follow_room(same_shard[1]) == 1
    assert scene.follower.position(shard) == 1


async def test_tables_hold_the_position_even_where_they_are_written_after_the_ledger() -> None:
    scene = Scene(atomic_tables=False)
    await scene.follower.start()
    await scene.worker("a")
    gate = asyncio.Event()

    async def hold_tables(call: str) -> None:
        if call == "write":
            await gate.wait()

    scene.store.before_call = hold_tables
    await scene.send(ROOMS[0], "a")
    following = asyncio.ensure_future(scene.follower.follow_room(ROOMS[0]))
    await settle()
    assert not following.done()
    gate.set()
    assert await following == 1
    await scene.close()


async def test_users_are_followed_across_all_room_shards(scene: Scene) -> None:
    await scene.worker("a")
    positions = await scene.follower.follow_user_in_rooms("@u:x")
    assert set(positions) == set(SHARDS.all_of("room"))
    for room_id in ROOMS:
        await scene.send_about(room_id, "@u:x", "joined")
        await scene.send_about(room_id, "@other:x", "joined")
    await settle()
    assert len(scene.facts) == len(ROOMS)
    await scene.follower.unfollow_user_in_rooms("@u:x")
    await settle()
    await scene.send_about(ROOMS[0], "@u:x", "left")
    await settle()
    assert len(scene.facts) == len(ROOMS)


async def test_a_fact_that_concerns_room_and_user_is_handed_over_once(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    await scene.follower.follow_user_in_rooms("@u:x")
    await scene.send_about(ROOMS[0], "@u:x", "joined")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["joined"]


async def test_many_rooms_at_once_are_registered_with_one_request_a_shard(scene: Scene) -> None:
    await scene.worker("a")
    requests: list[str] = []

    def count(subject: str, payload: bytes) -> Fate:
        if subject.startswith("interest."):
            requests.append(subject)
        return Fate.DELIVER

    scene.bus.faults = count
    await asyncio.gather(*(scene.follower.follow_room(f"!many-{number}:x") for number in range(500)))
    assert sorted(requests) == ["interest.room.0", "interest.room.1"]


async def test_unfollowed_rooms_are_silent_and_can_be_followed_again(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    await scene.follower.unfollow_room(ROOMS[0])
    await settle()
    await scene.send(ROOMS[0], "unheard")
    assert await scene.follower.follow_room(ROOMS[0]) == 1
    await scene.send(ROOMS[0], "heard")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["heard"]


@pytest.mark.parametrize("seed", range(8))
async def test_dropped_doubled_and_reordered_deliveries_are_handed_over_once_in_order(scene: Scene, seed: int) -> None:
    await scene.worker("a")
    for room_id in ROOMS[:4]:
        await scene.follower.follow_room(room_id)
    scene.bus.faults = SeededFaults(seed=seed, drop=0.2, duplicate=0.2, delay=0.2, pattern="fact.>")
    for number in range(60):
        await scene.send(ROOMS[number % len(ROOMS)], str(number))
        if number % 7 == 0:
            await scene.clock.advance(0.3)
    scene.bus.faults = None
    scene.bus.release_delayed()
    await scene.clock.advance(2)
    for index, room_id in enumerate(ROOMS[:4]):
        assert scene.texts_of(room_id) == [str(number) for number in range(index, 60, len(ROOMS))]
    for room_id in ROOMS[4:]:
        assert scene.texts_of(room_id) == []
    scene.assert_in_order_and_once()


async def test_last_fact_lost_is_repaired_after_the_next_heartbeat(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    scene.bus.faults = lambda subject, payload: Fate.DROP if subject.startswith("fact.") else Fate.DELIVER
    await scene.send(ROOMS[0], "lost")
    await settle()
    scene.bus.faults = None
    assert scene.facts == []
    await scene.clock.advance(1.1)
    assert scene.texts_of(ROOMS[0]) == ["lost"]


async def test_deliveries_during_a_repair_wait_for_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BUFFERED_DELIVERIES_MAX", 3)
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    scene.bus.faults = lambda subject, payload: Fate.DROP if subject.startswith("fact.") else Fate.DELIVER
    await scene.send(ROOMS[0], "0")
    scene.bus.faults = None
    gate = asyncio.Event()

    async def hold_reads(call: str) -> None:
        if call == "scan":
            await gate.wait()

    scene.store.before_call = hold_reads
    for number in range(1, 10):
        await scene.send(ROOMS[0], str(number))
    await settle()
    assert scene.facts == []
    gate.set()
    await until(lambda: len(scene.facts) == 10)
    assert scene.texts_of(ROOMS[0]) == [str(number) for number in range(10)]


async def test_following_goes_on_at_a_new_owner_without_loss(scene: Scene) -> None:
    first = await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    await scene.send(ROOMS[0], "1")
    await first.drain()
    scene.bus.faults = lambda subject, payload: Fate.DROP if subject.startswith("fact.") else Fate.DELIVER
    await scene.worker("b")
    await scene.send(ROOMS[0], "2")
    scene.bus.faults = None
    await settle()
    await scene.send(ROOMS[0], "3")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["1", "2", "3"]


async def test_missed_announcement_of_a_new_owner_is_made_up_for(scene: Scene) -> None:
    first = await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    await first.drain()
    scene.bus.faults = lambda subject, payload: Fate.DROP if subject.startswith("owner.") else Fate.DELIVER
    await scene.worker("b")
    await scene.send(ROOMS[0], "1")
    await settle()
    assert scene.facts == []
    await scene.clock.advance(5)
    assert scene.texts_of(ROOMS[0]) == ["1"]


async def test_rebalancing_keeps_every_fact_in_order(scene: Scene) -> None:
    await scene.worker("a")
    for room_id in ROOMS:
        await scene.follower.follow_room(room_id)

    async def keep_sending(room_id: str) -> None:
        for number in range(40):
            await scene.send(room_id, str(number))

    sending = asyncio.gather(*(keep_sending(room_id) for room_id in ROOMS))
    second = await scene.worker("b")
    await scene.clock.advance(1)
    await second.drain()
    while not sending.done():
        await scene.clock.advance(0.5)
    await scene.clock.advance(2)
    for room_id in ROOMS:
        assert scene.texts_of(room_id) == [str(number) for number in range(40)]
    scene.assert_in_order_and_once()


async def test_following_waits_for_an_owner_and_gives_up_at_its_deadline(scene: Scene) -> None:
    following = asyncio.ensure_future(scene.follower.follow_room(ROOMS[0], timeout_s=10))
    hopeless = asyncio.ensure_future(scene.follower.follow_room(ROOMS[1], timeout_s=2))
    await settle()
    await scene.clock.advance(4)
    with pytest.raises(Unavailable):
        await hopeless
    assert not following.done()
    await scene.worker("a")
    await scene.clock.advance(1)
    assert await following == 0
    await scene.send(ROOMS[0], "a")
    await scene.send(ROOMS[1], "b")
    await settle()
    assert [content for _, _, _, content in scene.facts] == ["a"]


async def test_reconnected_bus_is_made_up_for(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    scene.follower_bus.disconnect()
    await scene.send(ROOMS[0], "missed")
    await scene.follower_bus.reconnect()
    await until(lambda: scene.texts_of(ROOMS[0]) == ["missed"])


async def test_registration_is_renewed_and_dropped_when_the_follower_is_gone(scene: Scene) -> None:
    holder = await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    owner = holder.owner_of(SHARDS.of_room(ROOMS[0]))
    assert owner is not None
    await scene.clock.advance(60)
    assert list(owner.interest.consumers) == ["sync-1"]
    await scene.follower.stop()
    await scene.clock.advance(17)
    assert list(owner.interest.consumers) == []


async def test_position_of_another_consumers_token_is_reached_by_asking(scene: Scene) -> None:
    await scene.worker("a")
    same_shard = [room_id for room_id in ROOMS if SHARDS.of_room(room_id) == SHARDS.of_room(ROOMS[0])]
    await scene.follower.follow_room(same_shard[0])
    await scene.send(same_shard[1], "not of interest")
    shard = SHARDS.of_room(ROOMS[0])
    await scene.follower.wait_position(shard, 1, timeout_s=5)
    assert scene.follower.position(shard) == 1
    too_far = asyncio.ensure_future(scene.follower.wait_position(shard, 9, timeout_s=1))
    await settle()
    await scene.clock.advance(2.1)
    with pytest.raises(Unavailable):
        await too_far


async def test_consumer_is_told_when_retention_has_dropped_what_it_missed(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    await scene.send(ROOMS[0], "seen")
    await settle()
    shard = SHARDS.of_room(ROOMS[0])
    scene.bus.faults = lambda subject, payload: Fate.DROP if subject.startswith("fact.") else Fate.DELIVER
    await scene.send(ROOMS[0], "missed")
    await scene.store.write([Put(SHARD_PROGRESS, ShardProgressRow(str(shard), 2))])
    await scene.store.delete_partition(LEDGER, (str(shard), 0))
    scene.bus.faults = None
    await scene.clock.advance(1.1)
    assert scene.lost == [shard]
    await scene.send(ROOMS[0], "after")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["seen", "after"]


async def test_a_consumer_that_fails_at_one_fact_gets_the_next(scene: Scene) -> None:
    await scene.worker("a")
    await scene.follower.follow_room(ROOMS[0])
    on_fact, failures = scene.on_fact, iter([True])

    def fail_once(shard: Shard, position: int, fact: Fact) -> None:
        if next(failures, False):
            raise RuntimeError("a flaw of the consumer")
        on_fact(shard, position, fact)

    for shard_feed in scene.follower._feeds.values():
        shard_feed._on_fact = fail_once
    await scene.send(ROOMS[0], "1")
    await scene.send(ROOMS[0], "2")
    await settle()
    assert scene.texts_of(ROOMS[0]) == ["2"]
