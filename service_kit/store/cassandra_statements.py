"""The CQL of one declared table. Columns are always named, so that a newer schema's further columns do no harm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from service_kit.store.interface import Range
from service_kit.store.schema import ColumnType, Key, Table, Value

CQL_TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.BLOB: "blob",
    ColumnType.BOOLEAN: "boolean",
}
DAY_S = 86400
WINDOWS_PER_LIFE = 30
"""Into how many files a table's life is cut: each is deleted whole, so a row outlives its time by 1/30 at most."""


class Statements:
    def __init__(self, table: Table[Any], keyspace: str) -> None:
        self.table = table
        self._name = f"{keyspace}.{table.name}"
        self.make: Callable[[Sequence[Any]], Any] = table.row_type._make
        names = [column.name for column in table.columns]
        self._columns = ", ".join(names)
        self._partition = names[: table.partition_key]
        self._clustering = names[table.partition_key : table.key_length]
        self._values = names[table.key_length :]

    @cached_property
    def get(self) -> str:
        return f"SELECT {self._columns} FROM {self._name} WHERE {self._where_key}"

    @cached_property
    def put(self) -> str:
        marks = ", ".join("?" for _ in self.table.columns)
        return f"INSERT INTO {self._name} ({self._columns}) VALUES ({marks})"

    @cached_property
    def put_as_of(self) -> str:
        """Parameters: the row, the timestamp."""
        return f"{self.put} USING TIMESTAMP ?"

    @cached_property
    def delete_as_of(self) -> str:
        """Parameters: the timestamp, the key."""
        return f"DELETE FROM {self._name} USING TIMESTAMP ? WHERE {self._where_key}"

    @cached_property
    def insert(self) -> str:
        return f"{self.put} IF NOT EXISTS"

    @cached_property
    def delete(self) -> str:
        return f"DELETE FROM {self._name} WHERE {self._where_key}"

    @cached_property
    def delete_if_there(self) -> str:
        return f"{self.delete} IF EXISTS"

    @cached_property
    def delete_partition(self) -> str:
        return f"DELETE FROM {self._name} WHERE {_equal(self._partition)}"

    @cached_property
    def replace(self) -> str:
        """Parameters: new values, key, expected values."""
        changes = ", ".join(f"{name} = ?" for name in self._values)
        return f"UPDATE {self._name} SET {changes} WHERE {self._where_key} IF {_equal(self._values)}"

    @cached_property
    def delete_if(self) -> str:
        """Parameters: key, expected values."""
        return f"{self.delete} IF {_equal(self._values)}"

    def scan(self, range: Range, *, reverse: bool) -> tuple[str, Key]:
        """The statement, and the parameters between the partition's and the limit."""
        clustering = self._clustering[: len(range.prefix)]
        conditions = [_equal([*self._partition, *clustering])]
        bounds: list[Value] = list(range.prefix)
        if len(range.prefix) < len(self._clustering):
            name = self._clustering[len(range.prefix)]
            for sign, value in (_lower(range), _upper(range)):
                if value is not None:
                    conditions.append(f"{name} {sign} ?")
                    bounds.append(value)
        order = ""
        if reverse and self._clustering:
            order = f" ORDER BY {', '.join(f'{name} DESC' for name in self._clustering)}"
        cql = f"SELECT {self._columns} FROM {self._name} WHERE {' AND '.join(conditions)}{order} LIMIT ?"
        return cql, tuple(bounds)

    def page(self, prefix_length: int, *, is_first: bool) -> str:
        """Parameters: partition, prefix, unless it is the first page the rest of the last row's key, limit."""
        conditions = [_equal([*self._partition, *self._clustering[:prefix_length]])]
        rest = self._clustering[prefix_length:]
        if not is_first:
            conditions.append(f"({', '.join(rest)}) > ({', '.join('?' for _ in rest)})")
        return f"SELECT {self._columns} FROM {self._name} WHERE {' AND '.join(conditions)} LIMIT ?"

    @property
    def _where_key(self) -> str:
        return _equal([*self._partition, *self._clustering])


def create_table(table: Table[Any], keyspace: str) -> str:
    definitions = [f"{column.name} {CQL_TYPES[column.type]}" for column in table.columns]
    names = [column.name for column in table.columns]
    key = ", ".join([f"({', '.join(names[: table.partition_key])})", *names[table.partition_key : table.key_length]])
    options = " AND ".join(f"{name} = {value}" for name, value in table_options(table).items())
    return (
        f"CREATE TABLE IF NOT EXISTS {keyspace}.{table.name} ({', '.join(definitions)}, PRIMARY KEY ({key})) "
        f"WITH comment = 'written by: {table.writer}' AND {options}"
    )


def table_options(table: Table[Any]) -> dict[str, str]:
    """How the table is kept.

    Rows that expire: time windows. All rows of a file die together, and the file is deleted unread.
    All others: levels. A row is found in about one file, also after many rewrites, and what is deleted (a ledger's
    bucket) meets its tombstone, which in another time window it never would.
    """
    if table.ttl_s is None:
        return {"compaction": "{'class': 'LeveledCompactionStrategy'}", "default_time_to_live": "0"}
    minutes = max(1, -(-table.ttl_s // WINDOWS_PER_LIFE // 60))
    size, unit = (-(-minutes // 1440), "DAYS") if minutes >= 1440 else (minutes, "MINUTES")
    compaction = (
        f"{{'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': '{size}', "
        f"'compaction_window_unit': '{unit}'}}"
    )
    return {"compaction": compaction, "default_time_to_live": str(table.ttl_s)}


def _equal(names: Sequence[str]) -> str:
    return " AND ".join(f"{name} = ?" for name in names)


def _lower(range: Range) -> tuple[str, Value]:
    """CQL takes one lower bound: the stricter of the two."""
    after: Any = range.after
    at_least: Any = range.at_least
    if after is None or (at_least is not None and at_least > after):
        return ">=", at_least
    return ">", after


def _upper(range: Range) -> tuple[str, Value]:
    before: Any = range.before
    through: Any = range.through
    if before is None or (through is not None and through < before):
        return "<=", through
    return "<", before
