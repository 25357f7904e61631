"""Brings the tables up to the ledger, in order, and records how far they are.

Where the store writes tables together with the append, there is nothing to
apply; only the progress is recorded, now and then, with the batch itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from service_kit.clock import Clock
from service_kit.ledger.append import READ_PAGE_ROWS, read_shard
from service_kit.ledger.domain import ShardDomain
from service_kit.ledger.tables import SHARD_PROGRESS, ShardProgressRow
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.queries import WrongOwner
from service_kit.shards import Shard
from service_kit.store.interface import Put, Store, StoreError, Write

RECORD_EVERY_POSITIONS = 1000
RECORD_EVERY_S = 5.0
WAITING_WRITES_MAX = 20_000
"""Table rows that may wait to be written before the next batch has to."""
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0

_logger = logging.getLogger(__name__)


class TableWriter:
    """The tables of one shard. `applied_through` = everything up to there can be read from them."""

    def __init__(self, store: Store, shard: Shard, clock: Clock, may_serve: Callable[[], bool] = lambda: True) -> None:
        self._store = store
        self._may_serve = may_serve
        self._shard = str(shard)
        self._clock = clock
        self.applied_through = 0
        self._recorded_through = 0
        self._recorded_at_s = clock.monotonic_s()
        self._waiting: deque[tuple[int, Sequence[Write]]] = deque()
        self._waiting_writes = 0
        self._is_given_up = False
        self._task: asyncio.Task[None] | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    async def redo(self, shard: Shard, head: int, domain: ShardDomain) -> None:
        """Write the rows of facts that the former owner may not have come to (idempotent)."""
        progress = await self._store.get(SHARD_PROGRESS, (self._shard,))
        position = progress.applied_through if progress else 0
        self._recorded_through = position
        while position < head and not self._store.atomic_tables:
            rows = await read_shard(self._store, shard, position, READ_PAGE_ROWS, through_position=head)
            writes: list[Write] = []
            for row in rows:
                writes.extend(domain.tables_for(row.position, Fact.FromString(row.fact)))
            position = rows[-1].position
            await self._store.write(writes, as_of=position)
            await self._store.write([self._record(position)], as_of=position)  # only once they are all there
        self.applied_through = head

    def progress_due(self, position: int) -> list[Write]:
        """The record to write together with the rows through `position`, if it is time for one."""
        ahead = position - self._recorded_through
        if ahead >= RECORD_EVERY_POSITIONS or self._clock.monotonic_s() - self._recorded_at_s >= RECORD_EVERY_S:
            return [self._record(position)]
        return []

    def mark_applied(self, position: int) -> None:
        self.applied_through = position
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for wanted, future in waiters:
                if wanted > position:
                    self._waiters.append((wanted, future))
                elif not future.done():
                    future.set_result(None)

    def add(self, through_position: int, writes: Sequence[Write]) -> None:
        """Write these rows, after all that were added before."""
        self._waiting.append((through_position, writes))
        self._waiting_writes += len(writes)
        if self._task is None and not self._is_given_up:
            self._task = asyncio.get_running_loop().create_task(self._write_all())

    async def wait_for_room(self) -> None:
        if self._waiting_writes > WAITING_WRITES_MAX and self._waiting:
            await self.wait_applied(self._waiting[0][0])

    async def wait_applied(self, position: int) -> None:
        """Raises WrongOwner if that is not going to happen here."""
        if position > self.applied_through:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((position, future))
            await future

    async def finish(self) -> None:
        """Write what waits and record the progress: the next owner has nothing to redo."""
        if self._task is not None:
            await asyncio.wait({self._task})  # it may be cancelled by `stop`: whoever hands over is not
        if self.applied_through > self._recorded_through and not self._is_given_up:
            await self._store.write([self._record(self.applied_through)], as_of=self.applied_through)

    def stop(self) -> None:
        """Give up what waits: another owner redoes it."""
        self._is_given_up = True
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(WrongOwner(f"shard {self._shard} is not served here any more"))
        self._waiters.clear()

    async def _write_all(self) -> None:
        try:
            while self._waiting and not self._is_given_up:
                await self._write_waiting()
        finally:
            self._task = None

    async def _write_waiting(self) -> None:
        taken, self._waiting = list(self._waiting), deque()
        writes = [write for _, some in taken for write in some]
        through_position = taken[-1][0]
        record: Sequence[Write] | None = None
        backoff_s = BACKOFF_FIRST_S
        while True:
            if not self._may_serve():
                # The next owner redoes them, and has perhaps written newer rows: these must not come after.
                self._is_given_up = True
                return
            try:
                if writes:
                    await self._store.write(writes, as_of=through_position)
                if record is None:  # only once they are all there
                    record = self.progress_due(through_position)
                if record:
                    await self._store.write(record, as_of=through_position)
                break
            except StoreError as error:
                _logger.warning("tables of shard %s could not be written, trying again: %s", self._shard, error)
                await self._clock.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
        self._waiting_writes -= sum(len(some) for _, some in taken)
        self.mark_applied(through_position)

    def _record(self, position: int) -> Put:
        self._recorded_through = position
        self._recorded_at_s = self._clock.monotonic_s()
        return Put(SHARD_PROGRESS, ShardProgressRow(self._shard, position))
