"""The embedded store: one SQLite file, which several processes may share.

Reads run at once, on the event loop's own thread: bounded, about 10 µs a row
found by key. They use the writer's connection while it is idle, because only
that one's cache outlives a commit (30 µs a row without it); else a second one.
Writes are gathered into transactions (`sqlite_writer.py`); an acknowledged one
is on the disk (`fsync`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service_kit.clock import Clock, SystemClock
from service_kit.store import checks
from service_kit.store.interface import ALL, Put, Range, StoreUnavailable, Write
from service_kit.store.schema import Key, RowT, Table, Value
from service_kit.store.sqlite_checkpoints import Checkpoints
from service_kit.store.sqlite_schema import check_sqlite_version, connect, migrate
from service_kit.store.sqlite_statements import Statements
from service_kit.store.sqlite_writer import ROWS_PER_TRANSACTION_MAX, Job, Writer
from service_kit.store.turnstile import Turnstile

PAGE_ROWS = 500
"""Rows of one page of `pages`: 1 to 2 ms of the event loop."""

SWEEP_INTERVAL_MS = 30_000
SWEPT_ROWS_MAX = 400
"""Of one table at a time; a sweep that finds so many expired rows goes on at once."""

WRITER_CACHE_KIB = 16 * 1024
READER_CACHE_KIB = 2 * 1024
CHECKPOINT_CACHE_KIB = 256

_Execution = tuple[str, Sequence[Value]]


class SqliteStore:
    atomic_tables = True

    def __init__(self, path: Path, tables: Iterable[Table[Any]], *, fsync: bool, clock: Clock) -> None:
        """Use `open`. Runs inside an event loop; blocks for some milliseconds."""
        self._clock = clock
        self._statements = {table.name: Statements(table) for table in tables}
        self._turnstile = Turnstile(path)
        self._turnstile.enter()  # switching a new file to WAL does not wait for others by itself
        try:
            self._connection = connect(path, fsync=fsync, cache_kib=WRITER_CACHE_KIB)
            migrate(self._connection, [statements.table for statements in self._statements.values()])
            self._reader = connect(path, fsync=fsync, cache_kib=READER_CACHE_KIB)
        except BaseException:
            self._turnstile.close()
            raise
        self._turnstile.leave()
        self._reader.execute("PRAGMA query_only = ON").fetchall()
        self._connection.execute("PRAGMA busy_timeout = 0").fetchall()
        self._cursor = self._connection.cursor()
        self._checkpoints = Checkpoints(lambda: connect(path, fsync=fsync, cache_kib=CHECKPOINT_CACHE_KIB))
        self._writer = Writer(self._connection, self._turnstile, self._checkpoints, fsync=fsync)
        self._swept_ms = clock.now_ms()
        self._is_closed = False

    @classmethod
    async def open(
        cls, path: Path | str, tables: Iterable[Table[Any]], *, fsync: bool = True, clock: Clock | None = None
    ) -> SqliteStore:
        """Open or create the file and bring its tables up to the declarations.

        Without `fsync` the last writes may be lost with the machine's power (not with the process).
        Raises SchemaMismatch, StoreUnavailable.
        """
        check_sqlite_version()
        try:
            return cls(Path(path), tables, fsync=fsync, clock=clock or SystemClock())
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"cannot open {path}: {error}") from error

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        checks.check_length(table, key, table.key_length)
        return self._get(self._reading(), table, key)

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        checks.check_keys(table, keys)
        connection = self._reading()
        with _snapshot(connection):
            return [self._get(connection, table, key) for key in keys]

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        checks.check_limit(limit)
        checks.check_length(table, partition, table.partition_key)
        checks.check_range(table, range)
        statements = self._of(table)
        sql, bounds = statements.scan(range, reverse=reverse)
        return self._select(statements, sql, (*partition, *bounds, limit))

    async def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        checks.check_length(table, partition, table.partition_key)
        checks.check_range(table, Range(prefix=prefix))
        statements = self._of(table)
        last: Key = ()
        while True:
            sql = statements.page(len(prefix), is_first=not last)
            rows: list[RowT] = self._select(statements, sql, (*partition, *prefix, *last, PAGE_ROWS))
            if rows:
                yield rows
            if len(rows) < PAGE_ROWS:
                return
            last = table.key_of(rows[-1])[table.partition_key + len(prefix) :]
            await asyncio.sleep(0)  # let others run between pages

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        checks.check_plain(writes)
        executions = self._executions(writes)
        if len(executions) <= ROWS_PER_TRANSACTION_MAX:
            if executions:
                await self._submit(Job(lambda: self._run(executions), rows=len(executions)))
            return
        for first in range(0, len(executions), ROWS_PER_TRANSACTION_MAX):
            part = executions[first : first + ROWS_PER_TRANSACTION_MAX]
            await self._submit(Job(lambda part=part: self._run(part), rows=len(part)))  # type: ignore[misc]

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        checks.check_conditional(table)
        checks.check_one_partition(table, rows)
        checks.check_plain(tables)
        statements = self._of(table)
        inserts = [self._values(statements, row) for row in rows]
        follow = self._executions(tables)
        job = Job(
            lambda: self._insert_all(statements, inserts) and self._run(follow),
            rows=len(inserts) + len(follow),
            is_conditional=True,
        )
        return await self._submit(job)

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        checks.check_conditional(table)
        checks.check_length(table, key, table.key_length)
        checks.check_same_key(table, key, expected, new)
        statements = self._of(table)
        change = (statements.delete, key) if new is None else (statements.put, self._values(statements, new))

        def compare_and_set() -> bool:
            return self._get(self._connection, table, key) == expected and self._run([change])

        return await self._submit(Job(compare_and_set, rows=1, is_conditional=True))

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        # A writer that was cancelled may have left its job in the queue: let it be decided first.
        await self._submit(Job(lambda: True, rows=0))
        return self._get(self._reading(), table, key)

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        checks.check_length(table, partition, table.partition_key)
        execution = (self._of(table).delete_partition, tuple(partition))
        await self._submit(Job(lambda: self._run([execution]), rows=1, is_slow=True))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._writer.close()
        await self._checkpoints.close()
        self._reader.close()
        self._connection.close()
        self._turnstile.close()

    def _of(self, table: Table[Any]) -> Statements:
        try:
            return self._statements[table.name]
        except KeyError:
            raise ValueError(f"table {table.name} was not given to the store") from None

    def _get(self, connection: sqlite3.Connection, table: Table[RowT], key: Key) -> RowT | None:
        statements = self._of(table)
        rows = self._fetch(connection, statements.get, key)
        found: RowT | None = statements.make(rows[0]) if rows else None
        return found

    def _select(self, statements: Statements, sql: str, parameters: Key) -> list[Any]:
        return list(map(statements.make, self._fetch(self._reading(), sql, parameters)))

    def _fetch(self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Value]) -> list[Any]:
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            if connection is not self._reader and _is_busy(error):
                # Another process that was killed left a log to be read through first: the reader waits for it.
                return self._fetch(self._reader, sql, parameters)
            raise _read_error(error) from error

    def _reading(self) -> sqlite3.Connection:
        return self._reader if self._writer.is_busy else self._connection

    def _values(self, statements: Statements, row: Sequence[Value]) -> Sequence[Value]:
        return row if statements.ttl_s is None else (*row, self._clock.now_ms() // 1000)

    def _executions(self, writes: Sequence[Write]) -> list[_Execution]:
        executions: list[_Execution] = []
        for write in writes:
            statements = self._of(write.table)
            if isinstance(write, Put):
                executions.append((statements.put, self._values(statements, write.row)))
            else:
                executions.append((statements.delete, write.key))
        return executions

    def _run(self, executions: Sequence[_Execution]) -> bool:
        execute = self._cursor.execute
        for sql, parameters in executions:
            execute(sql, parameters)
        return True

    def _insert_all(self, statements: Statements, inserts: Sequence[Sequence[Value]]) -> bool:
        cursor = self._cursor
        for number, values in enumerate(inserts):
            if cursor.execute(statements.insert, values).rowcount == 0:
                # The rows before this one were absent, so deleting them undoes their insertion.
                key_length = statements.table.key_length
                self._run([(statements.delete, done[:key_length]) for done in inserts[:number]])
                return False
        return True

    async def _submit(self, job: Job) -> bool:
        if self._clock.now_ms() - self._swept_ms >= SWEEP_INTERVAL_MS:
            self._sweep()
        return await self._writer.submit(job)

    def _sweep(self) -> None:
        """Drop expired rows with the next transaction. Where nobody writes, nothing grows either."""
        self._swept_ms = self._clock.now_ms()
        for statements in self._statements.values():
            if statements.ttl_s is not None:
                sweep = self._sweep_of(statements, self._swept_ms // 1000 - statements.ttl_s)
                self._writer.put(Job(sweep, rows=0))

    def _sweep_of(self, statements: Statements, through_s: int) -> Callable[[], bool]:
        def sweep() -> bool:
            deleted = self._cursor.execute(statements.sweep, (SWEPT_ROWS_MAX, through_s)).rowcount
            if deleted == SWEPT_ROWS_MAX:
                self._swept_ms = 0  # there are more: sweep again with the next write
            return True

        return sweep


def _read_error(error: sqlite3.Error) -> Exception:
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError) and "closed" not in str(error):
        return TypeError(str(error))
    return StoreUnavailable(f"cannot read: {error}")


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One look at the file for several reads: cheaper, and they agree with each other."""
    try:
        connection.execute("BEGIN")
    except sqlite3.Error as error:
        raise _read_error(error) from error
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _is_busy(error: sqlite3.Error) -> bool:
    # Errors of Python's module itself carry no code.
    return bool(getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY)
