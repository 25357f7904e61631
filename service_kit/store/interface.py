"""What every store can do; SQLite, memory and Cassandra behind the same few calls.

Nothing here needs more than one partition at a time to be atomic, and nothing
joins. Every call may raise `StoreUnavailable` (try again later; nothing is
known to be wrong with the data) and `OutcomeUnknown` (a conditional write may
or may not have happened: read before trying again).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from service_kit.store.schema import Key, RowT, Table, Value

SCAN_ROWS_MAX = 1000
"""Longest scan in one call; longer ones go page by page (`pages`)."""


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """Nothing was written; the same call may succeed later."""


class OutcomeUnknown(StoreError):
    """A conditional write was sent and its answer lost; only a read can tell what happened."""


class SchemaMismatch(StoreError):
    """The store holds another version of a table than the code declares."""


class Put(NamedTuple):
    """Write the whole row, whatever was there before (idempotent)."""

    table: Table[Any]
    row: tuple[Value, ...]


class Delete(NamedTuple):
    """Remove the row with this full key, if it is there (idempotent)."""

    table: Table[Any]
    key: Key


Write = Put | Delete


@dataclass(frozen=True)
class Range:
    """Which rows of a partition, in clustering order.

    `prefix` fixes leading clustering columns; the bounds are values of the
    clustering column that follows it. None = no bound.
    """

    prefix: Key = ()
    after: Value = None
    """exclusive lower bound"""
    at_least: Value = None
    """inclusive lower bound"""
    through: Value = None
    """inclusive upper bound"""
    before: Value = None
    """exclusive upper bound"""


ALL = Range()


class Store(Protocol):
    atomic_tables: bool
    """True if the `tables` of `insert_all_if_absent` are written in the same transaction as its rows.
    Where False, the caller writes them itself, afterwards, with `write`."""

    async def get(self, table: Table[RowT], key: Key) -> RowT | None:
        """The row with this full key."""
        ...

    async def get_many(self, table: Table[RowT], keys: Sequence[Key]) -> list[RowT | None]:
        """The rows with these full keys, in the order of the keys; at most `SCAN_ROWS_MAX` of them."""
        ...

    async def scan(
        self, table: Table[RowT], partition: Key, *, range: Range = ALL, limit: int, reverse: bool = False
    ) -> list[RowT]:
        """At most `limit` (≤ SCAN_ROWS_MAX) rows of one partition, ascending by clustering key, or descending."""
        ...

    def pages(self, table: Table[RowT], partition: Key, *, prefix: Key = ()) -> AsyncIterator[list[RowT]]:
        """All rows of a partition (with that clustering prefix), ascending, page by page; not one snapshot."""
        ...

    async def write(self, writes: Sequence[Write], *, as_of: int | None = None) -> None:
        """Do all of these, those of one row in order; durable on return.

        Not atomic: after a crash or an error some may be done, not always the first ones.

        `as_of` is the ledger's position that these rows are the tables' state at: without `atomic_tables`, a row
        stays as the largest position says, whoever writes last. So a former owner that wakes up late, or has another
        clock, overwrites nothing. Tables with a `ttl_s` go by the clock.
        """
        ...

    async def insert_all_if_absent(
        self, table: Table[RowT], rows: Sequence[RowT], *, tables: Sequence[Write] = ()
    ) -> bool:
        """Insert rows of ONE partition if none of their keys exists, all or nothing; durable on True.

        `tables` follow only if the rows went in (see `atomic_tables`).
        """
        ...

    async def replace_if(self, table: Table[RowT], key: Key, expected: RowT | None, new: RowT | None) -> bool:
        """Compare and set one row: write `new` (None = delete) only if the row equals `expected` (None = absent).

        OutcomeUnknown may also mean that the row is as `new` says, and nobody knows who wrote it.
        """
        ...

    async def get_settled(self, table: Table[RowT], key: Key) -> RowT | None:
        """Like `get`, and settles conditional writes whose outcome is open (Cassandra: a SERIAL read)."""
        ...

    async def delete_partition(self, table: Table[RowT], partition: Key) -> None:
        """Drop a whole partition (ledger retention)."""
        ...

    async def close(self) -> None:
        """Finish what was begun and release everything."""
        ...
