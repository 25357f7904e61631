"""A store that is slow, away, and silent about what it did; one database, and a `Store` for each process.

A write that was sent happens whatever becomes of its sender. What a conditional write may come to:

    done, answered      the usual case
    not done            StoreUnavailable
    unknown, done       OutcomeUnknown, and it is there
    unknown, not done   OutcomeUnknown, and it never will be
    unknown, open       OutcomeUnknown, and the next conditional write or settled read of its partition decides which
                        of the two it is (as the next Paxos round does); plain reads do not see it until then

Plain writes may arrive late, and after those of the shard's next owner: what they are `as_of` decides which row stays.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any

from service_kit.ledger.append import next_position
from service_kit.ledger.tables import LEDGER, LedgerRow
from service_kit.store.interface import ALL, OutcomeUnknown, Put, Range, StoreUnavailable, Write
from service_kit.store.memory import MemoryStore
from service_kit.store.schema import Key, RowT, Table
from tests.simulation.loop import EPOCH_S, Process, VirtualLoop
from tests.simulation.trace import Trace

LATENCY_S = (0.0002, 0.004)
SLOW_S = (0.1, 7.0)
"""Longer than a lease, at times."""
TIMEOUT_S = 2.0


class StoreRates:
    """Probabilities for each call."""

    def __init__(self, *, unavailable: float = 0.0, unknown: float = 0.0, slow: float = 0.0) -> None:
        self.unavailable = unavailable
        self.unknown = unknown
        self.slow = slow


class _DatabaseClock:
    """The store's own; it does not jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return int((EPOCH_S + self._loop.time()) * 1000)

    def monotonic_s(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Database:
    """What is stored, and a witness of every ledger's history."""

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        trace: Trace,
        tables: Iterable[Table[Any]],
        *,
        atomic_tables: bool,
        reads_at_once: bool,
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.memory = MemoryStore(tables, atomic_tables=atomic_tables, clock=_DatabaseClock(loop))
        self.reads_at_once = reads_at_once
        """reads cost no turn of the event loop, as on SQLite"""
        self.rates = StoreRates()
        self.is_up = True
        self.forgets_condition = False
        """A known bug for the simulation to find: a position that is taken is written over."""
        self.orders_by_clocks = False
        """A known bug, too: which of two rows is the newer one is decided by the clocks of their writers."""
        self._stamps: dict[tuple[str, Key], float] = {}
        self._open: dict[tuple[str, Key], list[Callable[[], object]]] = {}
        self._heads: dict[str, int] = {}
        self._first_of: dict[bytes, int] = {}
        self._batches: dict[tuple[str, int], bytes] = {}

    def connect(self, process: Process) -> SimulatedStore:
        return SimulatedStore(self, process)

    def settle(self, table: Table[Any], partition: Key) -> None:
        """Decide what is open in this partition."""
        for write in self._open.pop((table.name, partition), ()):
            is_done = self.rng.random() < 0.5
            self.trace.add("store", f"an open write to {table.name} {partition} is {'done' if is_done else 'dropped'}")
            if is_done:
                write()

    def leave_open(self, table: Table[Any], partition: Key, write: Callable[[], object]) -> None:
        self._open.setdefault((table.name, partition), []).append(write)

    def write(self, writes: Sequence[Write], as_of: int | None, process_skew_ms: int) -> None:
        """Arrives now, whenever it was sent."""
        if not self.orders_by_clocks:
            run_now(self.memory.write(writes, as_of=as_of))
            return
        stamp = self.loop.time() + process_skew_ms / 1000
        latest = []
        for write in writes:
            key = write.row[: write.table.key_length] if isinstance(write, Put) else tuple(write.key)
            if self._stamps.get((write.table.name, key), stamp) <= stamp:
                self._stamps[write.table.name, key] = stamp
                latest.append(write)
        run_now(self.memory.write(latest))

    def insert(self, table: Table[Any], rows: Sequence[Any], tables: Sequence[Write]) -> bool:
        partition = rows[0][: table.partition_key]
        self.settle(table, partition)
        if self.forgets_condition and table is LEDGER:
            for row in rows:
                partition_rows = self.memory._partitions(table).get(partition)
                if partition_rows is not None:
                    partition_rows.delete((row.position,))
        is_inserted = run_now(self.memory.insert_all_if_absent(table, rows, tables=tables))
        if table is LEDGER:
            self._witness(rows, is_inserted)
        return is_inserted

    def _witness(self, rows: Sequence[LedgerRow], is_inserted: bool) -> None:
        """One history for each shard: dense by the rule of positions, nothing written over."""
        first = rows[0]
        words = f"{first.shard} {first.position}..{rows[-1].position} batch {first.batch_id.hex()[-8:]}"
        self.trace.add("ledger", f"{words} {'in' if is_inserted else 'refused'}")
        if not is_inserted:
            return
        expected = next_position(self._heads.get(first.shard, 0))
        for row in rows:
            if self._batches.get((first.shard, row.position), row.batch_id) != row.batch_id:
                self.trace.violation("one history for each shard", f"{words} writes over position {row.position}")
                return
            self._batches[first.shard, row.position] = row.batch_id
        if first.position not in (expected, self._first_of.get(first.batch_id)):
            self.trace.violation("positions are dense", f"{words} where {expected} was to come")
        self._first_of[first.batch_id] = first.position
        self._heads[first.shard] = max(rows[-1].position, self._heads.get(first.shard, 0))


class SimulatedStore:
    """One process's `Store`."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process
        self.atomic_tables = database.memory.atomic_tables
        self.is_cut_off = False

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        return await self._read(table, lambda: run_now(self._database.memory.get(table, key)))

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        return await self._read(table, lambda: run_now(self._database.memory.get_many(table, keys)))

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        memory = self._database.memory
        return await self._read(
            table, lambda: run_now(memory.scan(table, partition, range=range, limit=limit, reverse=reverse))
        )

    async def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        pages = self._database.memory.pages(table, partition, prefix=prefix)
        while (page := await self._read(table, lambda: _next_page(pages))) is not None:
            yield page

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        database, skew_ms = self._database, self._process.skew_ms
        done = database.rng.randrange(len(writes) + 1)
        await self._write(
            f"write of {len(writes)} rows",
            lambda: database.write(writes, as_of, skew_ms),
            lost=lambda: database.write(writes[:done], as_of, skew_ms),
        )

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        partition = rows[0][: table.partition_key]
        return bool(
            await self._write(
                f"insert into {table.name} {partition}",
                lambda: self._database.insert(table, rows, tables),
                conditional=(table, partition),
            )
        )

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        partition = tuple(key[: table.partition_key])

        def replace() -> bool:
            self._database.settle(table, partition)
            return run_now(self._database.memory.replace_if(table, key, expected, new))

        return bool(await self._write(f"replace in {table.name} {key}", replace, conditional=(table, partition)))

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        def read() -> RowT | None:
            self._database.settle(table, tuple(key[: table.partition_key]))
            return run_now(self._database.memory.get(table, key))

        return await self._read(table, read, never_at_once=True)

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        await self._write(
            f"delete {table.name} {partition}",
            lambda: run_now(self._database.memory.delete_partition(table, partition)),
        )

    async def close(self) -> None:
        pass

    # --- the way to the database and back

    async def _read(self, table: Table[Any], read: Callable[[], Any], *, never_at_once: bool = False) -> Any:
        database = self._database
        if not database.is_up or self.is_cut_off:
            await self._time_out(f"read of {table.name}")
        if database.reads_at_once and not never_at_once:
            return read()
        if database.rng.random() < database.rates.unavailable:
            await self._time_out(f"read of {table.name}")
        return await self._remotely(read)

    async def _write(
        self,
        words: str,
        write: Callable[[], Any],
        *,
        lost: Callable[[], Any] | None = None,
        conditional: tuple[Table[Any], Key] | None = None,
    ) -> Any:
        """`lost`: what is done all the same of a plain write that fails."""
        database, rng = self._database, self._database.rng
        if not database.is_up or self.is_cut_off:
            await self._time_out(words)
        chance = rng.random()
        if chance < database.rates.unavailable:
            if lost is not None:
                await self._remotely(lost)
            await self._time_out(words)
        if chance < database.rates.unavailable + database.rates.unknown:
            await self._leave_unknown(words, lost or write, conditional)
        return await self._remotely(write)

    async def _leave_unknown(
        self, words: str, write: Callable[[], Any], conditional: tuple[Table[Any], Key] | None
    ) -> None:
        database, rng = self._database, self._database.rng
        kinds = ["done", "not done"]
        if conditional is not None and not self.atomic_tables:
            kinds.append("open")
        kind = rng.choice(kinds)
        database.trace.add("store", f"{self._process.name}: {words}: outcome unknown ({kind})")
        if kind == "done":
            await self._remotely(write)
        elif kind == "open" and conditional is not None:
            await self._remotely(lambda: database.leave_open(*conditional, write))
        await asyncio.sleep(rng.uniform(0.0, TIMEOUT_S))
        raise OutcomeUnknown(words)

    async def _time_out(self, words: str) -> None:
        self._database.trace.add("store", f"{self._process.name}: {words}: unavailable")
        await asyncio.sleep(self._database.rng.choice((0.0, 0.1, TIMEOUT_S)))
        raise StoreUnavailable(words)

    async def _remotely(self, act: Callable[[], Any]) -> Any:
        """Done at the database, some time from now, whether or not we are still there to hear of it."""
        database, rng = self._database, self._database.rng
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        is_slow = rng.random() < database.rates.slow
        there_s = rng.uniform(*SLOW_S) if is_slow else rng.uniform(*LATENCY_S)
        if is_slow:
            database.trace.add("store", f"{self._process.name}: a call takes {there_s:.3f} s to the store")
        back_s = rng.uniform(*LATENCY_S) if rng.random() < 0.3 else 0.0

        def arrive() -> None:
            result = act()
            if back_s:
                database.loop.outside(back_s, _set, answer, result)
            else:
                _set(answer, result)

        database.loop.outside(there_s, arrive)
        return await answer


def run_now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing but its next turn."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


def _next_page(pages: AsyncIterator[Any]) -> Any:
    step = pages.__anext__()
    try:
        step.send(None)  # type: ignore[attr-defined]
    except StopIteration as stop:
        return stop.value
    except StopAsyncIteration:
        return None
    raise AssertionError("the memory store does not wait when it reads")


def _set(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)
