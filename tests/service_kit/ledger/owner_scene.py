"""One shard with its owners, for tests of what an owner does."""

from __future__ import annotations

import asyncio

from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.ledger.append import read_shard
from service_kit.ledger.owner import ShardOwner
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import Shard, ShardMap
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES, CountingDomain, domains, text

SHARDS = ShardMap(1, 1)
SHARD = Shard("room", 0)
ROOM_ID = "!a:x"


class Scene:
    """One shard, a store, a bus and a client; owners as the test makes them."""

    def __init__(self, *, atomic_tables: bool = True) -> None:
        self.clock = ManualClock()
        self.bus = MemoryBus(clock=self.clock)
        self.store = MemoryStore(TABLES, atomic_tables=atomic_tables, clock=self.clock)
        self.made, self.make_domain = domains(self.store)
        self.client = CommandClient(self.bus.connect(), SHARDS, self.clock)
        self.lost: list[ShardOwner] = []
        self.owners: list[ShardOwner] = []
        self.epoch = 0

    async def owner(self) -> ShardOwner:
        self.epoch += 1
        owner = ShardOwner(
            SHARD,
            self.epoch,
            bus=self.bus.connect(),
            store=self.store,
            clock=self.clock,
            worker=f"worker {self.epoch}",
            make_domain=self.make_domain,
            on_lost=self.lost.append,
        )
        self.owners.append(owner)
        await owner.start()
        return owner

    @property
    def domain(self) -> CountingDomain:
        return self.made[-1]

    async def send(self, content: str, event_type: str = "text") -> str:
        return (await self.client.room(ROOM_ID, text(content, event_type=event_type))).event_id

    def start_sending(self, content: str, event_type: str = "text") -> asyncio.Task[str]:
        return asyncio.get_running_loop().create_task(self.send(content, event_type))

    async def facts(self) -> list[Fact]:
        return [Fact.FromString(row.fact) for row in await read_shard(self.store, SHARD, 0, 900)]

    async def contents(self) -> list[str]:
        return [fact.room_event.event_id for fact in await self.facts()]

    async def close(self) -> None:
        for owner in self.owners:
            await owner.abandon()
