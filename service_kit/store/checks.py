"""What every backend refuses before it touches its data: mistakes of the caller, not of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service_kit.store.interface import SCAN_ROWS_MAX, Put, Range, Write
from service_kit.store.schema import ColumnType, Key, Table, Value

_PYTHON_TYPES: dict[ColumnType, type] = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.BLOB: bytes,
    ColumnType.BOOLEAN: bool,
}


def check_conditional(table: Table[Any]) -> None:
    if not table.conditional:
        raise ValueError(f"table {table.name} is written plainly: use write()")


def check_plain(writes: Sequence[Write]) -> None:
    for write in writes:
        if write.table.conditional:
            raise ValueError(f"table {write.table.name} is written conditionally: use insert_all_if_absent()")
        if isinstance(write, Put):
            check_length(write.table, write.row, len(write.table.columns))
        else:
            check_length(write.table, write.key, write.table.key_length)


def check_length(table: Table[Any], values: Sequence[Value], length: int) -> None:
    if len(values) != length:
        raise ValueError(f"table {table.name}: {length} values are needed, not {len(values)}")


def check_one_partition(table: Table[Any], rows: Sequence[tuple[Value, ...]]) -> None:
    if not rows:
        raise ValueError(f"table {table.name}: no rows to insert")
    partition = rows[0][: table.partition_key]
    if any(row[: table.partition_key] != partition for row in rows):
        raise ValueError(f"table {table.name}: a conditional insert writes to one partition")
    if len(rows) > 1 and len({row[: table.key_length] for row in rows}) != len(rows):
        raise ValueError(f"table {table.name}: two rows with the same key")


def check_limit(limit: int) -> None:
    if not 1 <= limit <= SCAN_ROWS_MAX:
        raise ValueError(f"a limit is 1..{SCAN_ROWS_MAX}, not {limit}")


def check_range(table: Table[Any], range: Range) -> None:
    bounds = (range.after, range.at_least, range.through, range.before)
    needed = len(range.prefix) + (0 if bounds == (None, None, None, None) else 1)
    if needed > table.clustering_key:
        raise ValueError(f"table {table.name}: the range has more columns than the clustering key")


def check_keys(table: Table[Any], keys: Sequence[Key]) -> None:
    if len(keys) > SCAN_ROWS_MAX:
        raise ValueError(f"at most {SCAN_ROWS_MAX} keys at once, not {len(keys)}")
    for key in keys:
        check_length(table, key, table.key_length)


def check_same_key(table: Table[Any], key: Key, *rows: tuple[Value, ...] | None) -> None:
    for row in rows:
        if row is not None and row[: table.key_length] != tuple(key):
            raise ValueError(f"table {table.name}: the row has another key than the one given")


def check_types(table: Table[Any], row: Sequence[Value]) -> None:
    for column, value in zip(table.columns, row, strict=True):
        if value is None:
            if not column.nullable:
                raise TypeError(f"table {table.name}: {column.name} cannot be None")
        elif type(value) is not _PYTHON_TYPES[column.type]:
            raise TypeError(f"table {table.name}: {column.name} is {column.type.value}, not {type(value).__name__}")
        elif isinstance(value, str):
            value.encode()  # UnicodeEncodeError for lone surrogates
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise OverflowError(f"table {table.name}: {column.name} has 64 bits, too few for {value}")
