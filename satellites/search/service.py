"""A search worker: its parts of the groups that keep the indexes, and the answers from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from satellites.search.directory import DirectoryWork
from satellites.search.index import MessageIndex
from satellites.search.message_work import MessageWork
from satellites.search.queries import SearchQueryService
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.config import SearchSettings
from service_kit.ledger.consumers import ConsumerGroup
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import Asker
from service_kit.shards import DIRECTORY, SEARCH, Shard, ShardMap
from service_kit.store.interface import Store


class SearchService:
    """Implements `service_kit.lifecycle.Service`."""

    name = "search"

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        shards: ShardMap,
        worker: str,
        settings: SearchSettings,
        asker: Asker,
        make_index: Callable[[Shard], MessageIndex],
        grpc_address: str = "",
    ) -> None:
        """`make_index` is given a shard of rooms."""
        commands = CommandClient(bus, shards, clock)
        self.messages = ConsumerGroup(
            bus,
            store,
            clock,
            group=SEARCH,
            worker=worker,
            shards=shards,
            make_work=lambda shard: MessageWork(shard, make_index(shard), asker, clock),
            grpc_address=grpc_address,
        )
        self.directory = ConsumerGroup(
            bus,
            store,
            clock,
            group=DIRECTORY,
            worker=worker,
            shards=shards,
            make_work=lambda shard: DirectoryWork(shard, store, commands),
            grpc_address=grpc_address,
        )
        self.queries = SearchQueryService(
            self._index_of, store, asker, all_users_are_visible=settings.directory_shows_all_users
        )
        """for the worker's gRPC server, or for `service_kit.rpc.local`"""

    def owns(self, shard: Shard) -> bool:
        """Whether this worker has a shard, of either group, now."""
        return (self.messages if shard.kind == SEARCH else self.directory).owns(shard)

    async def start(self) -> None:
        await asyncio.gather(self.messages.start(), self.directory.start())

    def is_ready(self) -> bool:
        return self.messages.may_serve() and self.directory.may_serve()

    async def drain(self) -> None:
        await asyncio.gather(self.messages.drain(), self.directory.drain())

    async def stop(self) -> None:
        await asyncio.gather(self.messages.stop(), self.directory.stop())

    def _index_of(self, shard: Shard) -> MessageIndex | None:
        work = self.messages.work_of(shard)
        return None if work is None else work.index
