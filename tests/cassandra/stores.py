"""Stores over a shared node: a keyspace for each set of tables, made once; each test's rows apart by their keys.

To make a keyspace takes seconds and to empty a table 0.1 s, so a test gets a store whose partitions are its own: the
first partition column of every row, a text, gets a prefix on the way in and loses it on the way out.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import count
from typing import Any

from service_kit.config import CassandraSettings
from service_kit.store.cassandra import CassandraStore
from service_kit.store.cassandra_driver import CassandraDriver
from service_kit.store.cassandra_schema import apply_schema
from service_kit.store.interface import ALL, Delete, Put, Range, Write
from service_kit.store.schema import Key, RowT, Table
from tests.cassandra.nodes import DATA_CENTRE, Nodes

_numbers = count()


def settings_for(nodes: Nodes, keyspace: str, **others: Any) -> CassandraSettings:
    """Every node keeps every row."""
    return CassandraSettings(
        contact_points=nodes.contact_points,
        keyspace=keyspace,
        local_data_centre=DATA_CENTRE,
        replication={DATA_CENTRE: nodes.count},
        **others,
    )


class SharedKeyspace:
    """One keyspace and one connection, for the tests of one module in one process."""

    def __init__(self, settings: CassandraSettings, tables: Sequence[Table[Any]]) -> None:
        self.settings = settings
        self.tables = tables
        self._driver: CassandraDriver | None = None

    async def open(self) -> PrefixedStore:
        if self._driver is None:
            await apply_schema(self.settings, self.tables)
            self._driver = await CassandraDriver.connect(self.settings, keyspace=self.settings.keyspace)
        store = CassandraStore(self._driver, self.tables, self.settings.keyspace)
        return PrefixedStore(store, f"{os.getpid()}.{next(_numbers)}|")

    async def close(self) -> None:
        if self._driver is not None:
            await self._driver.close()


class PrefixedStore:
    """See the module's text."""

    atomic_tables = False

    def __init__(self, store: CassandraStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        return self._out(await self._store.get(table, self._in(key)))

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        return [self._out(row) for row in await self._store.get_many(table, list(map(self._in, keys)))]

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        return self._out(await self._store.get_settled(table, self._in(key)))

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        rows = await self._store.scan(table, self._in(partition), range=range, limit=limit, reverse=reverse)
        return [self._out(row) for row in rows]

    async def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        async for page in self._store.pages(table, self._in(partition), prefix=prefix):
            yield [self._out(row) for row in page]

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        await self._store.write(self._writes(writes), as_of=as_of)

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        inserted = await self._store.insert_all_if_absent(table, list(map(self._in, rows)), tables=self._writes(tables))
        if inserted:
            await self.write(tables)  # as the ledger's owner does
        return inserted

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        former = None if expected is None else self._in(expected)
        return await self._store.replace_if(table, self._in(key), former, None if new is None else self._in(new))

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        await self._store.delete_partition(table, self._in(partition))

    async def close(self) -> None:
        await self._store.close()

    def _in(self, values: Any) -> Any:
        changed = (self._prefix + values[0], *values[1:])
        return type(values)._make(changed) if hasattr(values, "_make") else changed

    def _out(self, row: Any) -> Any:
        return row if row is None else row._replace(**{row._fields[0]: row[0].removeprefix(self._prefix)})

    def _writes(self, writes: Iterable[Write]) -> list[Write]:
        return [
            Put(write.table, self._in(write.row))
            if isinstance(write, Put)
            else Delete(write.table, self._in(write.key))
            for write in writes
        ]
