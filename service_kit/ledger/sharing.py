"""How the workers of a service, or of a group of consumers, divide the shards among them.

A worker's row is its lease: it expires 5 s ahead and is renewed every second.
A shard's row names its owner and an epoch. Live workers agree without talking
on who should own what (`wanted_owners`); a shard may be taken when nobody owns
it, or when its owner's lease is gone.

    worker A                        store                              worker B (new)
    renews its row  ──────────────► workers: A, B  ◄──────────────────  writes its row
    sees that B wants room.3                                            sees that room.3 is A's: waits
    finishes room.3's last batch
    releases it     ──────────────► shard_owners: room.3 "" epoch 7
    says so on owner.room ─────────────────────────────────────────►   takes it: B, epoch 8; redoes, serves, says so

Leases only avoid contention. What makes two owners harmless is the ledger's
append, so clocks that differ by a second or a process that slept cost retries,
not data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import DecodeError

from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import Bus, BusError, Message, Subscription
from service_kit.clock import Clock
from service_kit.ledger.placement import BY_ITSELF, Placement, read_placement, wanted_owners
from service_kit.ledger.tables import (
    SHARD_OWNERS,
    TAKEN_AGAIN,
    TAKEN_FIRST,
    TAKEN_LEASE,
    TAKEN_PLANNED,
    WORKERS,
    ShardOwnerRow,
    WorkerRow,
)
from service_kit.rpc.pb.facts_pb2 import OwnerAnnouncement
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import SCAN_ROWS_MAX, OutcomeUnknown, Store, StoreError

LEASE_MS = 5000
LEASE_MARGIN_S = 1.0
"""This worker stops serving so long before others may take its shards."""
RENEW_EVERY_S = 1.0
NUDGES_EVERY_S = 0.02
"""Rounds asked for by others are not run more often than this."""
TAKEN_AT_ONCE_MAX = 8

_logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another process has written or removed this worker's row."""


class Shared(Protocol):
    """What lives as long as this worker has the shard: an owner of its ledger, or a reader of another's."""

    @property
    def shard(self) -> Shard: ...

    @property
    def epoch(self) -> int: ...

    @property
    def is_serving(self) -> bool: ...

    async def start(self) -> None:
        """Take over where the former one ended; serving on return."""
        ...

    async def hand_over(self) -> None:
        """Finish what was begun, release everything."""
        ...

    async def abandon(self) -> None:
        """Stop at once, release everything."""
        ...


SharedT = TypeVar("SharedT", bound=Shared)


class ShardSharer(Generic[SharedT]):
    """Keeps this worker's lease, and the shards that fall to it. `_make` says what lives on a shard."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        service: str,
        worker: str,
        kind: str,
        shards: ShardMap,
        grpc_address: str = "",
    ) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._service = service
        self.worker = worker
        self._kind = kind
        self._shards = shards.all_of(kind)
        self._grpc_address = grpc_address
        self._row: WorkerRow | None = None
        self._lease_until_s = 0.0
        self._owners: dict[Shard, SharedT] = {}
        self._lost: list[SharedT] = []
        self._rows: dict[Shard, ShardOwnerRow] = {}
        """Of the shards in `_owners`, as this worker wrote them last."""
        self._wanted: tuple[frozenset[str], Placement, dict[Shard, str]] = (frozenset(), BY_ITSELF, {})
        self._nudge_signal = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._is_draining = False
        self._round = asyncio.Lock()

    # --- what a subclass says

    def _make(self, shard: Shard, epoch: int) -> SharedT:
        raise NotImplementedError

    def _more_repeated(self) -> Sequence[tuple[float, Callable[[], Awaitable[None]]]]:
        """Further acts, each with the seconds between two times; what they raise is logged."""
        return ()

    # --- what others ask

    def owner_of(self, shard: Shard) -> SharedT | None:
        """The owner object of a shard that this worker may serve now."""
        owner = self._owners.get(shard)
        return owner if owner is not None and owner.is_serving else None

    def owns(self, shard: Shard) -> bool:
        return self.owner_of(shard) is not None

    @property
    def owned_shards(self) -> list[Shard]:
        return sorted(shard for shard in self._owners if self.owns(shard))

    def may_serve(self) -> bool:
        """Whether this worker's lease certainly still holds."""
        return self._clock.monotonic_s() < self._lease_until_s

    # --- life

    async def start(self) -> None:
        """Get a lease and the shards that fall to this worker; returns when those that are free are served."""
        try:
            await self._renew()
            subject = streams.owner_announcements(self._kind)
            self._subscriptions.append(await self._bus.subscribe(subject, self._on_announcement))
            await self._announce("", 0)
            await self.balance()
        except BaseException:
            await self.stop()
            raise
        loop = asyncio.get_running_loop()
        repeated = [(RENEW_EVERY_S, self._renew_lease), *self._more_repeated()]
        self._tasks = [loop.create_task(self._repeat(every_s, act)) for every_s, act in repeated]
        self._tasks.append(loop.create_task(self._balance_when_nudged()))

    async def drain(self) -> None:
        """Hand every shard over and give the lease back. Nothing is served on return."""
        self._is_draining = True
        await self._stop_tasks()
        async with self._round:
            await self._abandon_lost()
            await asyncio.gather(*(self._release(shard) for shard in list(self._owners)))
        if self._row is not None:
            await self._give_back_lease(self._row)
        self._lease_until_s = 0.0
        await self._announce("", 0)

    async def stop(self) -> None:
        """Release everything at once. After a `drain` there is nothing left to do."""
        self._is_draining = True
        await self._stop_tasks()
        await self._abandon_all()

    async def _stop_tasks(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _give_back_lease(self, row: WorkerRow) -> None:
        try:
            await self._store.replace_if(WORKERS, WORKERS.key_of(row), row, None)
        except StoreError as error:
            _logger.warning("the lease of %s could not be given back and has to run out: %s", self.worker, error)
        self._row = None

    # --- the lease

    async def _renew_lease(self) -> None:
        if not self.may_serve():
            # The lease ran out (a stopped process, a store that hung): others may own these shards by now.
            await self._abandon_all()
        try:
            await self._renew()
        except LeaseLost as error:
            _logger.error("%s", error)
            self._row = None
            self._lease_until_s = 0.0
        except StoreError as error:
            _logger.warning("the lease of %s could not be renewed: %s", self.worker, error)
        if not self.may_serve():
            await self._abandon_all()
        self._nudge_signal.set()

    async def _renew(self) -> None:
        """Write this worker's row anew. The lease counts from before the write."""
        began_s = self._clock.monotonic_s()
        now_ms = self._clock.now_ms()
        key = (self._service, self.worker)
        former = self._row
        if former is None:  # a former process of this name: its lease is ours to take over
            former = await self._store.get_settled(WORKERS, key)
        started_at_ms = self._row.started_at_ms if self._row else now_ms
        row = WorkerRow(self._service, self.worker, now_ms + LEASE_MS, self._grpc_address, started_at_ms)
        try:
            is_written = await self._store.replace_if(WORKERS, key, former, row)
        except OutcomeUnknown:
            standing = await self._store.get_settled(WORKERS, key)
            is_written = standing == row
            if not is_written and standing == former:
                raise
        if not is_written:
            raise LeaseLost(f"the lease of {self.worker} was changed by another process")
        self._row = row
        self._lease_until_s = began_s + LEASE_MS / 1000 - LEASE_MARGIN_S

    # --- who owns what

    async def balance(self) -> None:
        """One round: give up what falls to another live worker, take what falls to this one and is free."""
        async with self._round:
            await self._abandon_lost()
            if self._is_draining or not self.may_serve():
                return
            live = await self._live_workers()
            owners = await self._owner_rows()
            wanted = self._wanted_among(live, await read_placement(self._store, self._kind))
            await self._abandon_superseded(owners)
            left = [
                row for shard, row in owners.items() if wanted.get(shard) != self.worker and self._is_left(shard, row)
            ]
            moved = [shard for shard in self._owners if wanted[shard] != self.worker]
            await asyncio.gather(*(self._release(shard) for shard in moved), *(self._free(row) for row in left))
            free = [
                shard
                for shard in self._shards
                if wanted[shard] == self.worker and shard not in self._owners and self._is_free(owners.get(shard), live)
            ]
            for first in range(0, len(free), TAKEN_AT_ONCE_MAX):
                some = free[first : first + TAKEN_AT_ONCE_MAX]
                await asyncio.gather(*(self._take(shard, owners.get(shard)) for shard in some))
            telemetry.SHARDS_OWNED.labels(self._kind).set(len(self._owners))

    async def _live_workers(self) -> frozenset[str]:
        now_ms = self._clock.now_ms()
        rows = await self._store.scan(WORKERS, (self._service,), limit=SCAN_ROWS_MAX)
        return frozenset(row.worker for row in rows if row.expires_at_ms > now_ms) | {self.worker}

    async def _owner_rows(self) -> dict[Shard, ShardOwnerRow]:
        rows: dict[Shard, ShardOwnerRow] = {}
        async for page in self._store.pages(SHARD_OWNERS, (self._kind,)):
            rows.update((Shard(row.kind, row.number), row) for row in page)
        return rows

    def _wanted_among(self, live: frozenset[str], placement: Placement) -> dict[Shard, str]:
        if self._wanted[:2] != (live, placement):
            self._wanted = (live, placement, wanted_owners(self._shards, live, placement))
        return self._wanted[2]

    def _is_free(self, row: ShardOwnerRow | None, live: frozenset[str]) -> bool:
        # A row that names this worker is left from its life before, or from a memory that was thrown away.
        return row is None or not row.worker or row.worker == self.worker or row.worker not in live

    def _is_left(self, shard: Shard, row: ShardOwnerRow) -> bool:
        """Whether the row names this worker, who does not serve the shard: its lease had run out, a release had
        failed, or it was written in a former life. Nobody else may take the shard as long as this worker is alive."""
        return row.worker == self.worker and shard not in self._owners

    async def _free(self, row: ShardOwnerRow) -> None:
        try:
            if await self._replace_owner(row, row._replace(worker="", since_ms=None, cause=None, stall_ms=None)):
                await self._announce(str(Shard(row.kind, row.number)), row.epoch)
        except StoreError as error:  # the next round tries again
            _logger.warning("%s could not give up shard %s.%d: %s", self.worker, row.kind, row.number, error)

    async def _take(self, shard: Shard, former: ShardOwnerRow | None) -> None:
        row = ShardOwnerRow(shard.kind, shard.number, self.worker, former.epoch + 1 if former else 1)
        row = row._replace(cause=self._cause(former))
        owner: SharedT | None = None
        try:
            if not await self._replace_owner(former, row):
                return  # another was faster
            owner = self._make(shard, row.epoch)
            self._owners[shard] = owner
            self._rows[shard] = row
            await owner.start()
            await self._note_serving(row, former)
            _logger.info("%s serves shard %s, in epoch %d", self.worker, shard, row.epoch)
        except Exception:
            # The row names this worker, who does not serve: the next round takes it again.
            _logger.exception("shard %s could not be taken", shard)
            if owner is not None and self._owners.get(shard) is owner:
                del self._owners[shard]

    def _cause(self, former: ShardOwnerRow | None) -> str:
        if former is None:
            return TAKEN_FIRST
        if not former.worker:
            return TAKEN_PLANNED
        return TAKEN_AGAIN if former.worker == self.worker else TAKEN_LEASE

    async def _note_serving(self, row: ShardOwnerRow, former: ShardOwnerRow | None) -> None:
        """For `plexus shards list`, and for whoever waits until a move is done. Nothing rests on it."""
        now_ms = self._clock.now_ms()
        stopped_at_ms = former.since_ms if former is not None and row.cause == TAKEN_PLANNED else None
        stall_ms = None if stopped_at_ms is None else max(0, now_ms - stopped_at_ms)
        telemetry.SHARDS_TAKEN.labels(self._kind, row.cause).inc()
        if stall_ms is not None:
            telemetry.HAND_OVER_SECONDS.labels(self._kind).observe(stall_ms / 1000)
        serving = row._replace(since_ms=now_ms, stall_ms=stall_ms)
        try:
            if await self._replace_owner(row, serving):
                self._rows[Shard(row.kind, row.number)] = serving
        except StoreError as error:
            _logger.warning("it could not be noted since when %s serves its shard: %s", self.worker, error)

    async def _release(self, shard: Shard) -> None:
        owner, row = self._owners[shard], self._rows[shard]
        stopped_at_ms = self._clock.now_ms()
        try:
            await owner.hand_over()
            await self._set_free(row, stopped_at_ms)
            await self._announce(str(shard), owner.epoch)
        except Exception:
            _logger.exception("shard %s could not be handed over; its next owner redoes what is missing", shard)
        finally:
            if self._owners.get(shard) is owner:
                del self._owners[shard]

    async def _set_free(self, row: ShardOwnerRow, stopped_at_ms: int) -> None:
        free = row._replace(worker="", since_ms=stopped_at_ms, cause=None, stall_ms=None)
        if await self._replace_owner(row, free):
            return
        # What `_note_serving` wrote without learning that it did.
        standing = await self._store.get_settled(SHARD_OWNERS, SHARD_OWNERS.key_of(row))
        if standing is not None and (standing.worker, standing.epoch) == (row.worker, row.epoch):
            await self._replace_owner(standing, free)

    async def _replace_owner(self, former: ShardOwnerRow | None, row: ShardOwnerRow) -> bool:
        key = SHARD_OWNERS.key_of(row)
        try:
            return await self._store.replace_if(SHARD_OWNERS, key, former, row)
        except OutcomeUnknown:
            return await self._store.get_settled(SHARD_OWNERS, key) == row

    # --- losing shards

    def _on_lost(self, owner: SharedT) -> None:
        if self._owners.get(owner.shard) is owner:
            del self._owners[owner.shard]
        self._lost.append(owner)
        self._nudge_signal.set()

    async def _abandon_lost(self) -> None:
        lost, self._lost = self._lost, []
        for owner in lost:
            await self._abandon(owner)

    async def _abandon_superseded(self, rows: dict[Shard, ShardOwnerRow]) -> None:
        """Stop serving shards that another has taken in the meantime."""
        for shard, owner in list(self._owners.items()):
            row = rows.get(shard)
            if row is None or (row.worker, row.epoch) != (self.worker, owner.epoch):
                _logger.warning("shard %s was taken from %s", shard, self.worker)
                del self._owners[shard]
                await self._abandon(owner)

    async def _abandon_all(self) -> None:
        owners, self._owners = list(self._owners.values()), {}
        for owner in owners:
            _logger.warning("%s stops serving shard %s", self.worker, owner.shard)
            await self._abandon(owner)
        await self._abandon_lost()

    async def _abandon(self, owner: SharedT) -> None:
        try:
            await owner.abandon()
        except Exception:
            _logger.exception("shard %s could not be released in order", owner.shard)

    # --- what is repeated

    async def _repeat(self, every_s: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(every_s)
            try:
                await act()
            except Exception:
                _logger.exception("%s goes on after an error", self.worker)

    async def _balance_when_nudged(self) -> None:
        while True:
            await self._nudge_signal.wait()
            self._nudge_signal.clear()
            try:
                await self.balance()
            except StoreError as error:
                _logger.warning("%s could not look after its shards: %s", self.worker, error)
            except Exception:
                _logger.exception("%s could not look after its shards", self.worker)
            await self._clock.sleep(NUDGES_EVERY_S)

    async def _on_announcement(self, message: Message) -> None:
        """A worker came or went, or a shard was released: look at once instead of at the next renewal."""
        try:
            announcement = OwnerAnnouncement.FromString(message.payload)
        except DecodeError:
            return
        if not announcement.worker or not announcement.shard:
            self._nudge_signal.set()

    async def _announce(self, shard: str, epoch: int) -> None:
        """`shard` "" = this worker has come or gone; else the shard is free."""
        announcement = OwnerAnnouncement(shard=shard, epoch=epoch, worker="" if shard else self.worker)
        await self._publish(streams.owner_announcements(self._kind), announcement.SerializeToString())

    async def _publish(self, subject: str, payload: bytes) -> None:
        try:
            await self._bus.publish(subject, payload)
        except BusError as error:
            _logger.warning("%s could not publish on %s: %s", self.worker, subject, error)
