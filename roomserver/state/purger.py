"""Looks at the rooms of one owned shard again and again, and has what has expired removed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from matrix_protocol.errors import MatrixError
from roomserver.retention_tables import BUCKETS, ROOMS_BY_SHARD
from service_kit.clock import Clock
from service_kit.shards import Shard
from service_kit.store.interface import Store, StoreError

ROUNDS_PER_ROOM_MAX: Final = 100
"""The rest of a long room is left for the next time."""

PurgeRoom = Callable[[str], Awaitable[bool]]
"""Given a room ID, removes some of what has expired there; answers whether there may be more."""

_logger = logging.getLogger(__name__)


class Purger:
    """Runs between `start` and `close`, one room at a time."""

    def __init__(self, shard: Shard, store: Store, clock: Clock, purge_room: PurgeRoom, interval_s: float) -> None:
        self._shard = shard
        self._store = store
        self._clock = clock
        self._purge_room = purge_room
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval_s)
            try:
                await self._purge_all()
            except (MatrixError, StoreError) as error:
                _logger.info("%s: what has expired could not be removed, later again: %s", self._shard, error)

    async def _purge_all(self) -> None:
        for bucket in range(BUCKETS):
            async for page in self._store.pages(ROOMS_BY_SHARD, (str(self._shard), bucket)):
                for row in page:
                    for _ in range(ROUNDS_PER_ROOM_MAX):
                        if not await self._purge_room(row.room_id):
                            break
