"""Tells sync workers every second whose presence has changed, in all shards that this worker owns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from service_kit.bus.interface import Bus, BusError
from service_kit.bus.streams import PRESENCE_CHANGED
from service_kit.clock import Clock
from service_kit.ledger.domain import ShardDomain
from service_kit.ledger.leases import ShardHolder
from service_kit.rpc.pb.presence_pb2 import PresenceChanges, ShardPresence
from service_kit.rpc.queries import WrongOwner
from service_kit.shards import Shard
from userserver.domain import UserShardDomain
from userserver.presence import PresenceBoard

EVERY_S = 1.0
CHUNK_USERS_MAX = 500

_logger = logging.getLogger(__name__)


class PresencePublisher:
    def __init__(self, holder: ShardHolder, bus: Bus, clock: Clock) -> None:
        self._holder = holder
        self._bus = bus
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def publish(self) -> None:
        changes = PresenceChanges()
        for shard in self._holder.owned_shards:
            owner = self._holder.owner_of(shard)
            if owner is None or not owner.is_serving:
                continue
            board = _board_of(owner.domain)
            after_ms = board.as_of_ms
            users = board.collect(self._clock.now_ms())
            changes.shards.add(
                shard=shard.number, epoch=owner.epoch, after_ms=after_ms, as_of_ms=board.as_of_ms, users=users
            )
        if changes.shards:
            try:
                await self._bus.publish(PRESENCE_CHANGED, changes.SerializeToString())
            except BusError as error:  # workers see that something is missing, and ask
                _logger.info("presence could not be told: %s", error)

    async def everybody_in(self, shard: Shard) -> AsyncIterator[ShardPresence]:
        owner = self._holder.owner_of(shard)
        if owner is None:
            raise WrongOwner(f"shard {shard} is not served here")
        board = _board_of(owner.domain)
        as_of_ms, users = board.as_of_ms, board.everybody()
        for first in range(0, max(1, len(users)), CHUNK_USERS_MAX):
            some = users[first : first + CHUNK_USERS_MAX]
            yield ShardPresence(shard=shard.number, epoch=owner.epoch, as_of_ms=as_of_ms, users=some)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.publish()
            except Exception:
                _logger.exception("presence could not be told")


def _board_of(domain: ShardDomain) -> PresenceBoard:
    assert isinstance(domain, UserShardDomain)
    return domain.presence_board
