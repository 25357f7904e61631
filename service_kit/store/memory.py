"""The store in memory, for tests and simulations; nothing survives the process.

It keeps the same contract as the real ones (tests/contracts), and can be told
to fail as they do:

    store.fail_next_write(StoreUnavailable("disk full"))             nothing is written
    store.fail_next_write(OutcomeUnknown("lost"), happened=True)     written, but the caller is not told
    store.is_available = False                                       every call fails until it is set again
    store.before_call = ...                                          awaited before each call: pause or interleave
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

from service_kit.clock import Clock, SystemClock
from service_kit.store import checks
from service_kit.store.interface import (
    ALL,
    SCAN_ROWS_MAX,
    Put,
    Range,
    StoreError,
    StoreUnavailable,
    Write,
)
from service_kit.store.schema import Key, RowT, Table, Value

_Row = tuple[Value, ...]


class _Partition:
    """Rows of one partition, by clustering key, and those keys in order."""

    __slots__ = ("keys", "rows", "written_ms")

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.rows: dict[Key, _Row] = {}
        self.written_ms: dict[Key, int] = {}

    def put(self, key: Key, row: _Row, now_ms: int) -> None:
        if key not in self.rows:
            insort(self.keys, key)
        self.rows[key] = row
        self.written_ms[key] = now_ms

    def delete(self, key: Key) -> None:
        if self.rows.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]
            del self.written_ms[key]


class MemoryStore:
    """See the module's text for the hooks; `atomic_tables=False` behaves as Cassandra does."""

    def __init__(self, tables: Iterable[Table[Any]], *, atomic_tables: bool = True, clock: Clock | None = None) -> None:
        self.atomic_tables = atomic_tables
        self.is_available = True
        self.before_call: Callable[[str], Awaitable[None]] | None = None
        self._clock = clock or SystemClock()
        self._tables: dict[str, dict[Key, _Partition]] = {table.name: {} for table in tables}
        self._as_of: dict[tuple[str, Key], int] = {}
        self._failures: deque[tuple[StoreError, bool]] = deque()
        self.calls: defaultdict[str, int] = defaultdict(int)
        """How often each call was made."""

    def fail_next_write(self, error: StoreError, *, happened: bool = False) -> None:
        """The next write raises `error`; done all the same if `happened`. Several calls queue up."""
        self._failures.append((error, happened))

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        await self._begin("get")
        checks.check_keys(table, [key])
        return self._get(table, key)

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        await self._begin("get_many")
        checks.check_keys(table, keys)
        return [self._get(table, key) for key in keys]

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        await self._begin("scan")
        checks.check_limit(limit)
        return self._scan(table, partition, range, limit, reverse)

    async def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        checks.check_range(table, Range(prefix=prefix))
        after: Key | None = None
        while True:
            await self._begin("pages")
            rows = self._scan(table, partition, Range(prefix=prefix), SCAN_ROWS_MAX, False, after=after)
            if rows:
                yield rows
            if len(rows) < SCAN_ROWS_MAX:
                return
            after = table.key_of(rows[-1])[table.partition_key :]

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        checks.check_plain(writes)
        failure = await self._begin_write("write")
        if failure is None or failure[1]:
            self._apply(writes if as_of is None or self.atomic_tables else self._not_overtaken(writes, as_of))
        _raise(failure)

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        checks.check_conditional(table)
        checks.check_one_partition(table, rows)
        checks.check_plain(tables)
        for write in tables if not self.atomic_tables else ():
            if isinstance(write, Put):
                checks.check_types(write.table, write.row)
        keys = [table.key_of(row) for row in rows]
        failure = await self._begin_write("insert_all_if_absent")
        inserted = False
        if failure is None or failure[1]:
            inserted = all(self._get(table, key) is None for key in keys)
            if inserted:
                puts = [Put(table, tuple(row)) for row in rows]
                self._apply([*puts, *(tables if self.atomic_tables else ())])
        _raise(failure)
        return inserted

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        checks.check_conditional(table)
        checks.check_length(table, key, table.key_length)
        checks.check_same_key(table, key, expected, new)
        failure = await self._begin_write("replace_if")
        replaced = False
        if failure is None or failure[1]:
            replaced = self._get(table, key) == expected
            if replaced and new is not None:
                self._apply([Put(table, tuple(new))])
            elif replaced:
                self._delete(table, key)
        _raise(failure)
        return replaced

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        await self._begin("get_settled")
        checks.check_keys(table, [key])
        return self._get(table, key)

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        checks.check_length(table, partition, table.partition_key)
        failure = await self._begin_write("delete_partition")
        if failure is None or failure[1]:
            self._partitions(table).pop(tuple(partition), None)
        _raise(failure)

    async def close(self) -> None:
        self.is_available = False

    async def _begin(self, call: str) -> None:
        self.calls[call] += 1
        if self.before_call is not None:
            await self.before_call(call)
        if not self.is_available:
            raise StoreUnavailable("the store is not available")

    async def _begin_write(self, call: str) -> tuple[StoreError, bool] | None:
        await asyncio.sleep(0)  # as on a real store, others run before a write is done
        await self._begin(call)
        return self._failures.popleft() if self._failures else None

    def _partitions(self, table: Table[Any]) -> dict[Key, _Partition]:
        try:
            return self._tables[table.name]
        except KeyError:
            raise ValueError(f"table {table.name} was not given to the store") from None

    def _get(self, table: Table[RowT], key: Key) -> RowT | None:
        partition = self._partitions(table).get(tuple(key[: table.partition_key]))
        clustering = tuple(key[table.partition_key :])
        if partition is None or clustering not in partition.rows or self._is_expired(table, partition, clustering):
            return None
        return table.row_type._make(partition.rows[clustering])

    def _scan(
        self,
        table: Table[RowT],
        partition: Key,
        range: Range,
        limit: int,
        reverse: bool,
        *,
        after: Key | None = None,
    ) -> list[RowT]:
        checks.check_length(table, partition, table.partition_key)
        checks.check_range(table, range)
        found = self._partitions(table).get(tuple(partition))
        if found is None:
            return []
        first, end = _slice(found.keys, range)
        if after is not None:
            first = max(first, bisect_right(found.keys, after))
        keys = found.keys[first:end]
        if reverse:
            keys.reverse()
        alive = [key for key in keys if not self._is_expired(table, found, key)]
        return [table.row_type._make(found.rows[key]) for key in alive[:limit]]

    def _is_expired(self, table: Table[Any], partition: _Partition, clustering: Key) -> bool:
        if table.ttl_s is None:
            return False
        return partition.written_ms[clustering] + table.ttl_s * 1000 <= self._clock.now_ms()

    def _apply(self, writes: Sequence[Write]) -> None:
        for write in writes:  # all of them before the first change
            if isinstance(write, Put):
                checks.check_types(write.table, write.row)
        now_ms = self._clock.now_ms()
        for write in writes:
            if not isinstance(write, Put):
                self._delete(write.table, write.key)
                continue
            table, row = write
            partition = self._partitions(table).setdefault(tuple(row[: table.partition_key]), _Partition())
            partition.put(tuple(row[table.partition_key : table.key_length]), tuple(row), now_ms)

    def _not_overtaken(self, writes: Sequence[Write], as_of: int) -> list[Write]:
        """Without those of rows that have been written as of a later position."""
        current = []
        for write in writes:
            key = write.row[: write.table.key_length] if isinstance(write, Put) else write.key
            place = (write.table.name, tuple(key))
            if write.table.ttl_s is not None or self._as_of.get(place, as_of) <= as_of:
                self._as_of[place] = as_of
                current.append(write)
        return current

    def _delete(self, table: Table[Any], key: Key) -> None:
        partition = self._partitions(table).get(tuple(key[: table.partition_key]))
        if partition is not None:
            partition.delete(tuple(key[table.partition_key :]))


def _slice(keys: list[Any], range: Range) -> tuple[int, int]:
    """First and end index of the range among sorted clustering keys."""
    width = len(range.prefix)

    def fixed(key: Key) -> Key:
        return key[:width]

    def bounded(key: Key) -> Key:
        return key[: width + 1]

    prefix: Any = tuple(range.prefix)
    first = bisect_left(keys, prefix, key=fixed)
    end = bisect_right(keys, prefix, key=fixed)
    if range.after is not None:
        first = max(first, bisect_right(keys, (*prefix, range.after), key=bounded))
    if range.at_least is not None:
        first = max(first, bisect_left(keys, (*prefix, range.at_least), key=bounded))
    if range.through is not None:
        end = min(end, bisect_right(keys, (*prefix, range.through), key=bounded))
    if range.before is not None:
        end = min(end, bisect_left(keys, (*prefix, range.before), key=bounded))
    return first, end


def _raise(failure: tuple[StoreError, bool] | None) -> None:
    if failure is not None:
        raise failure[0]
