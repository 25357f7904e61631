"""The SQL of a declared table. Every text is made once, so that SQLite prepares each statement once."""

from __future__ import annotations

from typing import Any

from service_kit.store.interface import Range
from service_kit.store.schema import ColumnType, Key, Table, Value

WRITTEN_AT = "written_at_s"
"""Hidden last column of tables with a TTL."""

_SQL_TYPES = {
    ColumnType.TEXT: "TEXT",
    ColumnType.INTEGER: "INTEGER",
    ColumnType.BLOB: "BLOB",
    ColumnType.BOOLEAN: "INTEGER",
}


def is_clustered(table: Table[Any]) -> bool:
    """Whether rows of a new table live in the primary key's own tree (WITHOUT ROWID).

    That spares narrow rows a second tree. Wide ones are cheaper appended to a
    row tree: they would split the key's pages (ADR-0008). A TTL needs row numbers:
    they are the order in which rows were written.
    """
    return table.ttl_s is None and all(column.type is not ColumnType.BLOB for column in table.columns)


def create_table(table: Table[Any]) -> str:
    columns = [column_definition(table, number) for number in range(len(table.columns))]
    if table.ttl_s is not None:
        columns.append(f'"{WRITTEN_AT}" INTEGER NOT NULL')
    key = ", ".join(_names(table)[: table.key_length])
    options = "STRICT, WITHOUT ROWID" if is_clustered(table) else "STRICT"
    return f'CREATE TABLE "{table.name}" ({", ".join(columns)}, PRIMARY KEY ({key})) {options}'


def column_definition(table: Table[Any], number: int) -> str:
    column = table.columns[number]
    return f'"{column.name}" {_SQL_TYPES[column.type]}{"" if column.nullable else " NOT NULL"}'


def sql_type(table: Table[Any], number: int) -> str:
    return _SQL_TYPES[table.columns[number].type]


class Statements:
    """The statements of one table."""

    def __init__(self, table: Table[Any]) -> None:
        self.table = table
        self.ttl_s = table.ttl_s
        names = _names(table)
        name = f'"{table.name}"'
        self._select = f"SELECT {', '.join(names)} FROM {name}"
        self._key_names = names[: table.key_length]
        self._clustering_names = names[table.partition_key : table.key_length]
        key = _equal(self._key_names)
        self.get = f"{self._select} WHERE {key}"
        self.delete = f"DELETE FROM {name} WHERE {key}"
        self.delete_partition = f"DELETE FROM {name} WHERE {_equal(names[: table.partition_key])}"
        written = [*names, *([f'"{WRITTEN_AT}"'] if table.ttl_s is not None else [])]
        values = f"{name} ({', '.join(written)}) VALUES ({', '.join('?' * len(written))})"
        # REPLACE gives the row a new, highest row number, which is what `sweep` goes by.
        self.put = f"INSERT OR REPLACE INTO {values}"
        self.insert = f"INSERT INTO {values} ON CONFLICT DO NOTHING"
        self.sweep = (
            f"DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name} ORDER BY rowid LIMIT ?)"
            f' AND "{WRITTEN_AT}" <= ?'
        )
        self.booleans = tuple(n for n, column in enumerate(table.columns) if column.type is ColumnType.BOOLEAN)
        self.make = self._make_with_booleans if self.booleans else table.row_type._make
        self._scans: dict[tuple[object, ...], str] = {}

    def _make_with_booleans(self, row: tuple[Value, ...]) -> Any:
        values = list(row)
        for number in self.booleans:
            if values[number] is not None:
                values[number] = bool(values[number])
        return self.table.row_type._make(values)

    def scan(self, range: Range, *, reverse: bool) -> tuple[str, Key]:
        """The statement and its parameters after the partition's; one more follows: the limit."""
        prefix, *bounds = range.prefix, range.after, range.at_least, range.through, range.before
        shape = (len(prefix), reverse, *(bound is None for bound in bounds))
        sql = self._scans.get(shape)
        if sql is None:
            names = self._key_names[: self.table.partition_key + len(prefix)]
            conditions = [_equal(names)]
            for operator, bound in zip((">", ">=", "<=", "<"), bounds, strict=True):
                if bound is not None:
                    conditions.append(f"{self._clustering_names[len(prefix)]} {operator} ?")
            order = ", ".join(f"{name} DESC" if reverse else name for name in self._clustering_names)
            sql = f"{self._select} WHERE {' AND '.join(conditions)}{' ORDER BY ' + order if order else ''} LIMIT ?"
            self._scans[shape] = sql
        return sql, (*prefix, *(bound for bound in bounds if bound is not None))

    def page(self, prefix_length: int, *, is_first: bool) -> str:
        """Parameters: partition, prefix, the rest of the previous page's last clustering key, limit."""
        shape = ("page", prefix_length, is_first)
        sql = self._scans.get(shape)
        if sql is None:
            condition = _equal(self._key_names[: self.table.partition_key + prefix_length])
            rest = self._clustering_names[prefix_length:]
            if not is_first and rest:
                condition += f" AND ({', '.join(rest)}) > ({', '.join('?' * len(rest))})"
            order = f" ORDER BY {', '.join(rest)}" if rest else ""
            sql = f"{self._select} WHERE {condition}{order} LIMIT ?"
            self._scans[shape] = sql
        return sql


def _names(table: Table[Any]) -> list[str]:
    return [f'"{column.name}"' for column in table.columns]


def _equal(names: list[str]) -> str:
    return " AND ".join(f"{name} = ?" for name in names)
