"""Durable consumers: they do something for every fact of every shard, whether they run at the moment or not.

A group (search, federation senders, push, …) has a shard for each shard of the kind that it follows; its workers divide
them among themselves as owners do (`sharing`). Whoever has one reads the ledger from the group's own position on:

    ledger of room.3     … 101 102 103 104 105 106        head 106, announced on head.search.3
    search.3                       └─ take([104, 105, 106])   1 do the work: durable when `take` returns
    consumer_positions             103 ───────────► 106       2 record the position, now and then

So a fact is taken at least once, in order; what was taken and not recorded before a crash is taken again, and the work
must be such that this changes nothing. Whoever is behind reads larger batches; nobody waits for a consumer. The ledger
keeps what a group has not read (`append.CONSUMERS_BEHIND_MAX_MS`); where it no longer could, the work is told to make
everything anew from the tables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from google.protobuf.message import DecodeError

from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import Bus, Message, Subscription
from service_kit.clock import Clock
from service_kit.ledger.append import LedgerExpired, OwnershipLost, read_shard
from service_kit.ledger.sharing import ShardSharer
from service_kit.ledger.tables import CONSUMER_POSITIONS, ConsumerPositionRow
from service_kit.rpc.pb.facts_pb2 import Fact, LedgerHead
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import Put, Store

BATCH_FACTS_MAX = 500
POLL_S = 10.0
"""How often the ledger is looked at although nothing was announced."""
GATHER_S = 0.1
"""A consumer that is not behind reads no more often than this, so that there is more than one fact to read."""
RECORD_EVERY_S = 1.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 10.0
HAND_OVER_S = 5.0

_logger = logging.getLogger(__name__)


class PositionedFact(NamedTuple):
    position: int
    fact: Fact


class ShardWork(Protocol):
    """What a group does for the facts of one shard. Made anew each time this worker gets the shard."""

    async def open(self, recorded_position: int) -> int:
        """The position to go on after: as recorded, or as the work's own records say."""
        ...

    async def take(self, facts: Sequence[PositionedFact]) -> None:
        """Do what follows from these facts; done for good on return. The same facts may come again.

        What it raises is logged, and the same facts come again; OwnershipLost: another worker does this work now.
        """
        ...

    async def rebuild(self) -> int:
        """Facts were dropped before they came here: make everything anew from the tables.

        Returns a position: everything through it is done.
        """
        ...

    async def close(self) -> None: ...


WorkT = TypeVar("WorkT", bound=ShardWork)


class ShardConsumer(Generic[WorkT]):
    """Follows one shard's ledger until it is handed over or abandoned. Implements `sharing.Shared`."""

    def __init__(
        self,
        shard: Shard,
        epoch: int,
        work: WorkT,
        *,
        bus: Bus,
        store: Store,
        clock: Clock,
        on_lost: Callable[[ShardConsumer[WorkT]], None],
        may_serve: Callable[[], bool],
    ) -> None:
        self.shard = shard
        self.epoch = epoch
        self.work = work
        self.position = 0
        """Everything through it is done."""
        self._followed = shard.followed
        self._bus = bus
        self._store = store
        self._clock = clock
        self._on_lost = on_lost
        self._may_serve = may_serve
        self._head = 0
        self._recorded = -1
        self._recorded_at_s = 0.0
        self._wake_signal = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_working = False
        self._is_closing = False
        self._is_closed = False
        self._lag = telemetry.CONSUMER_LAG.labels(shard.kind, str(self._followed))
        self._facts_read = telemetry.CONSUMER_FACTS.labels(shard.kind)

    @property
    def is_serving(self) -> bool:
        return self._task is not None and not self._is_closing and self._may_serve()

    async def start(self) -> None:
        """Find out where to go on, and begin."""
        row = await self._store.get(CONSUMER_POSITIONS, (str(self._followed), self.shard.kind))
        self.position = await self.work.open(0 if row is None else row.position)
        self._recorded = -1 if row is None else row.position
        await self._record()  # at once: from now on the ledger keeps what is not read
        self._subscription = await self._bus.subscribe(streams.ledger_head(self.shard), self._on_head)
        await self._bus.flush()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def hand_over(self) -> None:
        """Finish the batch that was begun; the next one goes on exactly there."""
        self._is_closing = True
        if self._task is not None and self._is_working:
            await asyncio.wait({self._task}, timeout=HAND_OVER_S)
        if self._may_serve():
            await self._record()
        await self.abandon()

    async def abandon(self) -> None:
        if self._is_closed:
            return
        self._is_closing = self._is_closed = True
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.work.close()

    # --- reading

    async def _run(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._is_closing:
            try:
                self._is_working = True
                is_behind = await self._step()
                self._is_working = False
                backoff_s = BACKOFF_FIRST_S
                if not is_behind and not self._is_closing:
                    await self._wait_for_more()
            except OwnershipLost as error:
                _logger.warning("%s follows %s no more: %s", self.shard, self._followed, error)
                self._is_closing = True
                self._on_lost(self)
                return
            except Exception:
                self._is_working = False
                _logger.exception("%s cannot go on after position %d, and tries again", self.shard, self.position)
                await self._clock.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _step(self) -> bool:
        """Take what can be read at once; whether there is more."""
        if not self._may_serve():
            return False  # the lease ran out: the worker abandons this soon, or gets its lease back
        try:
            rows = await read_shard(self._store, self._followed, self.position, BATCH_FACTS_MAX)
        except LedgerExpired:
            await self._rebuild()
            return True
        if rows:
            await self.work.take([PositionedFact(row.position, Fact.FromString(row.fact)) for row in rows])
            self.position = rows[-1].position
            self._facts_read.inc(len(rows))
        is_behind = len(rows) >= BATCH_FACTS_MAX
        self._head = max(self._head, self.position) if is_behind else self.position
        self._lag.set(self._head - self.position)
        if self._clock.monotonic_s() - self._recorded_at_s >= RECORD_EVERY_S:
            await self._record()
        return is_behind

    async def _rebuild(self) -> None:
        _logger.warning("%s: facts of %s after %d are gone from the ledger", self.shard, self._followed, self.position)
        telemetry.CONSUMER_REBUILDS.labels(self.shard.kind).inc()
        self.position = await self.work.rebuild()
        await self._record()

    async def _record(self) -> None:
        self._recorded_at_s = self._clock.monotonic_s()
        if self.position == self._recorded:
            return
        row = ConsumerPositionRow(str(self._followed), self.shard.kind, self.position, self._clock.now_ms())
        await self._store.write([Put(CONSUMER_POSITIONS, row)], as_of=self.position)
        self._recorded = self.position

    # --- waiting

    async def _wait_for_more(self) -> None:
        await self._clock.sleep(GATHER_S)
        poll = asyncio.ensure_future(self._clock.sleep(POLL_S))
        wake = asyncio.ensure_future(self._wake_signal.wait())
        try:
            await asyncio.wait({poll, wake}, return_when=asyncio.FIRST_COMPLETED)
            self._wake_signal.clear()
        finally:
            poll.cancel()
            wake.cancel()

    async def _on_head(self, message: Message) -> None:
        try:
            self._head = max(self._head, LedgerHead.FromString(message.payload).position)
        except DecodeError:
            return
        if self._head > self.position:
            self._lag.set(self._head - self.position)
            self._wake_signal.set()


class ConsumerGroup(ShardSharer[ShardConsumer[WorkT]]):
    """This worker's part of a group: the shards that fall to it, each followed from where the group is."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        group: str,
        worker: str,
        shards: ShardMap,
        make_work: Callable[[Shard], WorkT],
        grpc_address: str = "",
    ) -> None:
        """`make_work` is given the shard whose ledger is followed."""
        super().__init__(
            bus, store, clock, service=group, worker=worker, kind=group, shards=shards, grpc_address=grpc_address
        )
        self._make_work = make_work

    def work_of(self, shard: Shard) -> WorkT | None:
        """Of a shard of the group that this worker has."""
        consumer = self.owner_of(shard)
        return None if consumer is None else consumer.work

    def _make(self, shard: Shard, epoch: int) -> ShardConsumer[WorkT]:
        return ShardConsumer(
            shard,
            epoch,
            self._make_work(shard.followed),
            bus=self._bus,
            store=self._store,
            clock=self._clock,
            on_lost=self._on_lost,
            may_serve=self.may_serve,
        )
