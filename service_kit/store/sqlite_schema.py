"""Opening a database file and bringing its tables up to the declarations.

Only additions happen by themselves: new tables, and new nullable columns at
the end of one. Anything else is refused, and the file is left as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from service_kit.store.interface import SchemaMismatch, StoreError
from service_kit.store.schema import Table
from service_kit.store.sqlite_statements import (
    WRITTEN_AT,
    column_definition,
    create_table,
    sql_type,
)

PAGE_BYTES = 8192
BUSY_TIMEOUT_S = 10.0
SQLITE_VERSION_MIN = (3, 37, 0)  # STRICT tables


class _Found(NamedTuple):
    """A column as the file has it."""

    name: str
    sql_type: str
    not_null: bool
    place_in_key: int
    """1 for the first column of the primary key; 0 = not in it."""


def connect(path: Path, *, fsync: bool, cache_kib: int) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=1024,
    )
    for pragma in (
        f"page_size = {PAGE_BYTES}",  # of a new file
        "journal_mode = WAL",
        # NORMAL syncs only before a checkpoint: the file stays whole, the last commits may go with the power.
        f"synchronous = {'FULL' if fsync else 'NORMAL'}",
        "wal_autocheckpoint = 0",  # see sqlite_checkpoints.py
        f"journal_size_limit = {64 * 1024 * 1024}",
        f"cache_size = -{cache_kib}",
        "mmap_size = 0",  # every commit would map the file anew
        "temp_store = MEMORY",
        "trusted_schema = OFF",
    ):
        try:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def check_sqlite_version() -> None:
    if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
        wanted = ".".join(map(str, SQLITE_VERSION_MIN))
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: Plexus needs {wanted} or later")


def migrate(connection: sqlite3.Connection, tables: Iterable[Table[Any]]) -> None:
    """Create what is missing, in one transaction. Raises SchemaMismatch, with the connection closed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in tables:
            _migrate_table(connection, table)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        connection.close()
        raise


def _migrate_table(connection: sqlite3.Connection, table: Table[Any]) -> None:
    rows = connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (table.name,)).fetchall()
    if not rows:
        connection.execute(create_table(table))
        return
    found = [_Found(name, kind, bool(not_null), place) for name, kind, not_null, place in rows]
    _check_ttl(table, found)
    _add_columns(connection, table, [column for column in found if column.name != WRITTEN_AT])


def _check_ttl(table: Table[Any], found: list[_Found]) -> None:
    has_ttl = any(column.name == WRITTEN_AT for column in found)
    if has_ttl != (table.ttl_s is not None):
        raise SchemaMismatch(f"table {table.name}: the file has it {'with' if has_ttl else 'without'} a TTL")


def _add_columns(connection: sqlite3.Connection, table: Table[Any], found: list[_Found]) -> None:
    for number, column in enumerate(table.columns):
        place = number + 1 if number < table.key_length else 0
        declared = _Found(column.name, sql_type(table, number), not column.nullable, place)
        if number < len(found):
            if found[number] != declared:
                raise SchemaMismatch(f"table {table.name}: the code declares {declared}, the file has {found[number]}")
        elif not column.nullable:
            raise SchemaMismatch(f"table {table.name}: the new column {column.name} must allow None")
        else:
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {column_definition(table, number)}')
    if len(found) > len(table.columns):
        extra = ", ".join(column.name for column in found[len(table.columns) :])
        raise SchemaMismatch(f"table {table.name}: the file has columns that the code does not know: {extra}")
