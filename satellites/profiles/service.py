"""A worker's part of the group that tells rooms of changed profiles; it runs beside a userserver."""

from __future__ import annotations

from satellites.profiles.work import ProfileWork
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.ledger.consumers import ConsumerGroup
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import Asker
from service_kit.shards import PROFILES, ShardMap
from service_kit.store.interface import Store


class ProfileService:
    """Implements `service_kit.lifecycle.Service`."""

    name = "profiles"

    def __init__(self, bus: Bus, store: Store, clock: Clock, *, shards: ShardMap, worker: str, asker: Asker) -> None:
        commands = CommandClient(bus, shards, clock)
        self.group = ConsumerGroup(
            bus,
            store,
            clock,
            group=PROFILES,
            worker=worker,
            shards=shards,
            make_work=lambda shard: ProfileWork(shard, store, asker, commands),
        )

    async def start(self) -> None:
        await self.group.start()

    def is_ready(self) -> bool:
        return self.group.may_serve()

    async def drain(self) -> None:
        await self.group.drain()

    async def stop(self) -> None:
        await self.group.stop()
