"""Tells whoever follows whole ledgers that there is something to read: at most so often, whatever is committed."""

from __future__ import annotations

import asyncio

from service_kit.bus import streams
from service_kit.bus.interface import Bus, BusError
from service_kit.clock import Clock
from service_kit.rpc.pb.facts_pb2 import LedgerHead
from service_kit.shards import FOLLOWED_KIND, Shard

ANNOUNCED_EVERY_S = 0.05


class HeadAnnouncer:
    """Of one owned shard. One message that is lost is made up for by the next, or by the followers' own looking."""

    def __init__(self, bus: Bus, clock: Clock, shard: Shard) -> None:
        self._bus = bus
        self._clock = clock
        groups = [group for group, kind in FOLLOWED_KIND.items() if kind == shard.kind]
        self._subjects = [streams.ledger_head(Shard(group, shard.number)) for group in groups]
        self._head = 0
        self._task: asyncio.Task[None] | None = None

    def moved_to(self, position: int) -> None:
        """Facts through this position are committed."""
        self._head = position
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._announce())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _announce(self) -> None:
        try:
            await self._clock.sleep(ANNOUNCED_EVERY_S)
            payload = LedgerHead(position=self._head).SerializeToString()
            for subject in self._subjects:
                await self._bus.publish(subject, payload)
        except BusError:
            pass  # the followers look by themselves, a little later
        finally:
            self._task = None
