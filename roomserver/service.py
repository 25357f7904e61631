"""A roomserver worker: owns the room shards that fall to it, and answers questions about their rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from roomserver.domain import RoomShardDomain
from roomserver.queries.retention import Retention
from roomserver.queries.servicer import RoomQueryService
from roomserver.state.cache import RoomBudget
from roomserver.state.resolver_threads import ResolverThreads
from roomserver.state.shard import Surroundings
from service_kit import telemetry
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.config import RoomSettings
from service_kit.hosted_servers import HostedServers
from service_kit.kernel_warm_up import KernelWarmUp
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.progress import OwnersProgress, Progress
from service_kit.retention_settings import RetentionSettings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.delayed_events_pb2 import ChangeDelayedEvent
from service_kit.rpc.pb.room_commands_pb2 import PurgeRoom, RoomCommand, SetTyping
from service_kit.rpc.pb.room_directory_pb2 import Settle
from service_kit.shards import ROOM, Shard, ShardMap
from service_kit.store.interface import Store

SETTLE_TIMEOUT_S: Final = 10.0

KEEP_ALL: Final = RetentionSettings()


class RoomserverService:
    """Implements `service_kit.lifecycle.Service`."""

    name = "roomserver"

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        shards: ShardMap,
        worker: str,
        settings: RoomSettings,
        hosted_servers: HostedServers,
        grpc_address: str = "",
        notices_localpart: str = "",
        retention: RetentionSettings = KEEP_ALL,
        kernels: KernelWarmUp | None = None,
    ) -> None:
        """`kernels`, if given, is started and stopped with the service: forks are resolved once it is ready."""
        budget = RoomBudget(settings.in_memory_max_mib * 1024 * 1024)
        telemetry.ROOMS_IN_MEMORY.set_function(lambda: len(budget))
        self._kernels = kernels
        self._resolver_threads = ResolverThreads(kernels)
        self._commands = CommandClient(bus, shards, clock)
        self._surroundings = Surroundings(
            store=store,
            clock=clock,
            hosted_servers=hosted_servers,
            budget=budget,
            stop_typing=self._stop_typing,
            send_if_due=self._send_if_due,
            shard_of_room=shards.of_room,
            settle=self._settle,
            progress_of=self._progress_of,
            resolver_threads=self._resolver_threads,
            members_max=settings.members_max,
            delayed_events_per_user_max=settings.delayed_events_per_user_max,
            notices_localpart=notices_localpart,
            retention=retention.policy(),
            purge_interval_s=retention.purge_interval_s,
            purge_room=self._purge_room,
        )
        self.holder = ShardHolder(
            bus,
            store,
            clock,
            service=self.name,
            worker=worker,
            kind=ROOM,
            shards=shards,
            make_domain=self._make_domain,
            grpc_address=grpc_address,
        )
        self.queries = RoomQueryService(
            store, shards, self.holder.owner_of, Retention(store, clock, retention.policy())
        )
        """for the worker's gRPC server, or for `service_kit.rpc.local`"""

    async def start(self) -> None:
        await self.holder.start()
        if self._kernels is not None:
            self._kernels.start()

    def is_ready(self) -> bool:
        return self.holder.may_serve()

    async def drain(self) -> None:
        await self.holder.drain()

    async def stop(self) -> None:
        self._resolver_threads.close()
        if self._kernels is not None:
            await self._kernels.stop()
        await self.holder.stop()

    def _make_domain(self, shard: Shard) -> RoomShardDomain:
        return RoomShardDomain(shard, self._surroundings)

    async def _settle(self, room_ids: Iterable[str]) -> None:
        """One command to each of the shards."""
        shards = {self._commands.shards.of_room(room_id): room_id for room_id in room_ids}
        command = RoomCommand(settle=Settle())
        asked = (self._commands.shard(shard, key, command, timeout_s=SETTLE_TIMEOUT_S) for shard, key in shards.items())
        await asyncio.gather(*asked)

    async def _stop_typing(self, room_id: str, user_id: str) -> None:
        """Over the bus, like any command: the shard may have moved meanwhile."""
        await self._commands.room(room_id, RoomCommand(set_typing=SetTyping(user_id=user_id, only_if_expired=True)))

    async def _purge_room(self, room_id: str) -> bool:
        return (await self._commands.room(room_id, RoomCommand(purge_room=PurgeRoom()))).more_to_purge

    async def _send_if_due(self, shard: Shard, delay_id: str, sender: str) -> None:
        change = ChangeDelayedEvent(user_id=sender, action=ChangeDelayedEvent.SEND_IF_DUE)
        await self._commands.shard(shard, delay_id, RoomCommand(change_delayed_event=change))

    def _progress_of(self, shard: Shard) -> Progress:
        return OwnersProgress(self.holder, shard)
