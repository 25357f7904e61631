"""The store of a cluster: Apache Cassandra behind the declared tables (ADR-0012).

Plain tables are written at QUORUM, with the ledger's position as the timestamp
(`as_of`) or else the client's clock; conditional ones by lightweight
transactions alone, also when they are deleted: a plain delete over rows that
Paxos wrote would carry another clock's timestamp.

Nothing is atomic beyond one partition: `atomic_tables` is False, and whoever
appends to a ledger writes the tables afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from service_kit.config import CassandraSettings
from service_kit.store import checks
from service_kit.store.cassandra_driver import Bound, CassandraDriver, Kind, Row
from service_kit.store.cassandra_schema import check_schema
from service_kit.store.cassandra_statements import Statements
from service_kit.store.interface import ALL, OutcomeUnknown, Put, Range, StoreUnavailable, Write
from service_kit.store.schema import Key, RowT, Table, Value

PAGE_ROWS = 500
PARALLEL_MAX = 32
"""Requests that one call has under way: some of it may wait, so that others' calls get a turn."""
BATCH_ROWS_MAX = 100
BATCH_BYTES_MAX = 512 * 1024
"""A batch in one partition is one mutation: well below half a commit log segment (16 MiB by default)."""
DELETE_TRIES_MAX = 5

T = TypeVar("T")


class CassandraStore:
    atomic_tables = False

    def __init__(self, driver: CassandraDriver, tables: Iterable[Table[Any]], keyspace: str) -> None:
        """Over a driver that others may share; see `open`."""
        self._driver = driver
        self._statements = {table.name: Statements(table, keyspace) for table in tables}
        for statements in self._statements.values():
            _check_comparable(statements.table)
        self._is_closed = False
        self._owns_driver = False

    @classmethod
    async def open(cls, settings: CassandraSettings, tables: Iterable[Table[Any]]) -> CassandraStore:
        """Connect to a keyspace that `plexus schema apply` has made. Raises StoreUnavailable, SchemaMismatch."""
        tables = tuple(tables)
        driver = await CassandraDriver.connect(settings, keyspace=settings.keyspace)
        try:
            await check_schema(driver, settings, tables)
            store = cls(driver, tables, settings.keyspace)
        except BaseException:
            await driver.close()
            raise
        store._owns_driver = True
        return store

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        checks.check_keys(table, [key])
        return await self._get(table, key, Kind.READ)

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        checks.check_keys(table, keys)
        unique = list(dict.fromkeys(map(tuple, keys)))
        rows = await _in_parallel([partial(self._get, table, key, Kind.READ) for key in unique])
        found = dict(zip(unique, rows, strict=True))
        return [found[tuple(key)] for key in keys]

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        checks.check_keys(table, [key])
        return await self._get(table, key, Kind.SERIAL_READ)

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        checks.check_limit(limit)
        checks.check_length(table, partition, table.partition_key)
        checks.check_range(table, range)
        statements = self._of(table)
        cql, bounds = statements.scan(range, reverse=reverse)
        return await self._select(statements, cql, (*partition, *bounds, limit))

    async def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        checks.check_length(table, partition, table.partition_key)
        checks.check_range(table, Range(prefix=prefix))
        statements = self._of(table)
        last: Key = ()
        while True:
            cql = statements.page(len(prefix), is_first=not last)
            rows: list[RowT] = await self._select(statements, cql, (*partition, *prefix, *last, PAGE_ROWS))
            if rows:
                yield rows
            if len(rows) < PAGE_ROWS:
                return
            last = table.key_of(rows[-1])[table.partition_key + len(prefix) :]

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        checks.check_plain(writes)
        _check_values(writes)
        # Of several writes of one row only the last: in one batch they would carry the same timestamp.
        final = {(write.table.name, _key_of(write)): write for write in writes}
        bound = [(key[0], key[1][: write.table.partition_key], write) for key, write in final.items()]
        partitions: dict[tuple[str, Key], list[Write]] = {}
        for name, partition, write in bound:
            partitions.setdefault((name, partition), []).append(write)
        batches = [batch for some in partitions.values() for batch in _cut(some)]
        await _in_parallel([partial(self._write_batch, batch, as_of) for batch in batches])

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        checks.check_conditional(table)
        checks.check_one_partition(table, rows)
        checks.check_plain(tables)
        _check_values(tables)
        for row in rows:
            checks.check_length(table, row, len(table.columns))
            checks.check_types(table, row)
        insert = self._of(table).insert
        return await self._is_applied([(insert, row) for row in rows])

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        checks.check_conditional(table)
        checks.check_length(table, key, table.key_length)
        checks.check_same_key(table, key, expected, new)
        if new is not None:
            checks.check_types(table, new)
        cql, values = self._replacement(table, key, expected, new)
        if not cql:
            return await self.get_settled(table, key) == expected
        if await self._is_applied([(cql, values)]):
            return True
        # The server may have met this write's own first round and call that a defeat.
        if new is not None and await self.get_settled(table, key) == new != expected:
            raise OutcomeUnknown(f"table {table.name}: the row is there as it was to be, by whomever")
        return False

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        checks.check_length(table, partition, table.partition_key)
        statements = self._of(table)
        if not table.conditional:
            await self._execute(statements.delete_partition, partition, Kind.WRITE)
            return
        # As part of a lightweight transaction the delete takes its place among the inserts. It needs a condition
        # on a row, and any row will do.
        for _ in range(DELETE_TRIES_MAX):
            rows = await self.scan(table, partition, limit=1)
            if not rows:
                return
            delete = (statements.delete_partition, partition)
            if await self._is_applied([(statements.delete_if_there, table.key_of(rows[0])), delete]):
                return
        raise StoreUnavailable(f"table {table.name}: rows of a partition come and go while it is dropped")

    async def close(self) -> None:
        self._is_closed = True
        if self._owns_driver:
            await self._driver.close()

    # --- requests

    def _of(self, table: Table[Any]) -> Statements:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        try:
            return self._statements[table.name]
        except KeyError:
            raise ValueError(f"table {table.name} was not given to the store") from None

    async def _get(self, table: Table[RowT], key: Key, kind: Kind) -> RowT | None:
        statements = self._of(table)
        rows = await self._execute(statements.get, key, kind)
        found: RowT | None = statements.make(rows[0]) if rows else None
        return found

    async def _select(self, statements: Statements, cql: str, values: Key) -> list[Any]:
        return list(map(statements.make, await self._execute(cql, values, Kind.READ)))

    async def _execute(self, cql: str, values: Sequence[Value], kind: Kind) -> list[Row]:
        return await self._driver.execute(await self._driver.prepare(cql), values, kind)

    async def _bound(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> list[Bound]:
        return [(await self._driver.prepare(cql), values) for cql, values in statements]

    async def _is_applied(self, statements: Sequence[tuple[str, Sequence[Value]]]) -> bool:
        """One lightweight transaction; its answer begins with the column `[applied]`."""
        if len(statements) == 1:
            rows = await self._execute(*statements[0], Kind.CONDITIONAL)
        else:
            rows = await self._driver.execute_batch(await self._bound(statements), Kind.CONDITIONAL)
        return bool(rows[0][0])

    async def _write_batch(self, writes: Sequence[Write], as_of: int | None) -> None:
        statements = [self._statement(write, as_of) for write in writes]
        if len(statements) == 1:
            await self._execute(*statements[0], Kind.WRITE)
        else:
            await self._driver.execute_batch(await self._bound(statements), Kind.WRITE)

    def _statement(self, write: Write, as_of: int | None) -> tuple[str, Sequence[Value]]:
        """With the position as its timestamp, if there is one; a time window needs real ones."""
        statements = self._of(write.table)
        if as_of is None or write.table.ttl_s is not None:
            return (statements.put, write.row) if isinstance(write, Put) else (statements.delete, write.key)
        if isinstance(write, Put):
            return statements.put_as_of, (*write.row, as_of)
        return statements.delete_as_of, (as_of, *write.key)

    def _replacement(
        self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None
    ) -> tuple[str, Sequence[Value]]:
        """The statement that compares and sets; "" if there is nothing to set."""
        statements = self._of(table)
        if expected is None:
            return (statements.insert, new) if new is not None else ("", ())
        former = expected[table.key_length :]
        if not former:  # a row that is all key
            return (statements.delete_if_there, key) if new is None else ("", ())
        if new is None:
            return statements.delete_if, (*key, *former)
        return statements.replace, (*new[table.key_length :], *key, *former)


def _check_comparable(table: Table[Any]) -> None:
    """`IF value = null` holds for an absent row too: one value that is never None tells the two apart."""
    values = table.columns[table.key_length :]
    if table.conditional and values and all(column.nullable for column in values):
        raise TypeError(f"table {table.name}: a conditional table needs a value column that cannot be None")


def _check_values(writes: Sequence[Write]) -> None:
    """All of them before the first is sent."""
    for write in writes:
        if isinstance(write, Put):
            checks.check_types(write.table, write.row)


def _key_of(write: Write) -> Key:
    return tuple(write.row[: write.table.key_length]) if isinstance(write, Put) else tuple(write.key)


def _cut(writes: Sequence[Write]) -> list[list[Write]]:
    """Writes of one partition as batches of bounded size."""
    batches: list[list[Write]] = []
    size = BATCH_BYTES_MAX
    for write in writes:
        size += _size(write)
        if size > BATCH_BYTES_MAX or len(batches[-1]) >= BATCH_ROWS_MAX:
            batches.append([])
            size = _size(write)
        batches[-1].append(write)
    return batches


def _size(write: Write) -> int:
    values = write.row if isinstance(write, Put) else write.key
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in values)


async def _in_parallel(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All results in order, `PARALLEL_MAX` under way at a time; the first error once all have ended."""
    if len(calls) == 1:
        return [await calls[0]()]
    results: list[Any] = [None] * len(calls)
    numbers = iter(range(len(calls)))

    async def work() -> None:
        for number in numbers:
            results[number] = await calls[number]()

    ended = await asyncio.gather(*(work() for _ in range(min(PARALLEL_MAX, len(calls)))), return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException):
            raise error
    return results
