"""Tables as data: a table is declared once, and every backend creates and serves it.

A row type is a `NamedTuple`; its fields, in order, are the columns, and its
annotations are the column types. Only these are allowed:

    str -> text      int -> 64-bit integer      bytes -> blob      bool -> boolean

each also as `T | None`. The first fields are the partition key, the next ones
the clustering key (both never None), the rest are values:

    class EventByTimeline(NamedTuple):
        room_id: str        # partition key
        bucket: int         # partition key
        position: int       # clustering key
        event_id: str

    EVENTS = Table("timeline_by_room", EventByTimeline, partition_key=2, clustering_key=1, writer="roomserver")

Rules: a partition stays bounded (put a bucket into its key where it would
grow); a row is written either conditionally or plainly for its whole life.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

Value = str | int | bytes | bool | None
Key = tuple[Value, ...]
RowT = TypeVar("RowT", bound=NamedTuple)


class ColumnType(Enum):
    TEXT = "text"
    INTEGER = "integer"
    BLOB = "blob"
    BOOLEAN = "boolean"


_TYPES = {str: ColumnType.TEXT, int: ColumnType.INTEGER, bytes: ColumnType.BLOB, bool: ColumnType.BOOLEAN}


@dataclass(frozen=True)
class Column:
    name: str
    type: ColumnType
    nullable: bool


@dataclass(frozen=True)
class Table(Generic[RowT]):
    """One declared table. `partition_key` and `clustering_key` count leading fields of the row type."""

    name: str
    row_type: type[RowT]
    partition_key: int
    clustering_key: int
    writer: str
    """The service that writes it; nobody else does."""
    conditional: bool = False
    """Rows are written by `insert_all_if_absent` and `replace_if` alone (Cassandra: lightweight transactions)."""
    ttl_s: int | None = None
    """Rows may be dropped this long after they were written; None = never."""
    columns: tuple[Column, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(self.row_type)
        names = self.row_type._fields
        columns = tuple(_column(self.name, name, hints[name]) for name in names)
        keys = columns[: self.partition_key + self.clustering_key]
        if self.partition_key < 1 or len(keys) != self.partition_key + self.clustering_key:
            raise TypeError(f"table {self.name}: the key has more fields than the row")
        if any(column.nullable for column in keys):
            raise TypeError(f"table {self.name}: a key column cannot be None")
        object.__setattr__(self, "columns", columns)

    @property
    def key_length(self) -> int:
        return self.partition_key + self.clustering_key

    def key_of(self, row: RowT) -> Key:
        return tuple(row[: self.key_length])


def _column(table: str, name: str, annotation: object) -> Column:
    nullable = False
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        options = [option for option in typing.get_args(annotation) if option is not type(None)]
        nullable = len(options) != len(typing.get_args(annotation))
        annotation = options[0] if len(options) == 1 else annotation
    if not isinstance(annotation, type) or annotation not in _TYPES:
        raise TypeError(f"table {table}, column {name}: {annotation!r} is no column type")
    return Column(name, _TYPES[annotation], nullable)
