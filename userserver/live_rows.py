"""Rows of one table as of all commands executed so far, also of those whose facts the tables lack yet.

As `users` does for users: whoever holds a row's key holds the same object as all
others, so what one command changes is what the next one sees. A key that nobody
holds is garbage, and the table is the truth again once it has the last facts.
"""

from __future__ import annotations

import asyncio
from typing import Generic
from weakref import WeakValueDictionary

from service_kit.store.interface import Store
from service_kit.store.schema import Key, RowT, Table
from userserver.unapplied import Unapplied


class LiveRow(Generic[RowT]):
    """The row with this key; None: there is none."""

    __slots__ = ("__weakref__", "is_read", "key", "reading", "row")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.row: RowT | None = None
        self.is_read = False
        self.reading = asyncio.Lock()


class LiveRows(Generic[RowT]):
    """Of one table, for the commands of one owned shard."""

    def __init__(self, store: Store, table: Table[RowT], unapplied: Unapplied) -> None:
        self._store = store
        self._table = table
        self._unapplied = unapplied
        self._alive: WeakValueDictionary[Key, LiveRow[RowT]] = WeakValueDictionary()

    async def load(self, *key: str | int | bytes) -> LiveRow[RowT]:
        """To be held until the command has been executed."""
        live = self._alive.get(key)
        if live is None:
            live = self._alive[key] = LiveRow(key)
        if not live.is_read:
            async with live.reading:  # one reading; if it is given up, the next who waits reads
                if not live.is_read:
                    await self._unapplied.wait_for((self._table.name, key))
                    live.row = await self._store.get(self._table, key)
                    live.is_read = True
        return live

    def changed(self, live: LiveRow[RowT], row: RowT | None, position: int) -> None:
        """A fact at this position made the row what it is now."""
        live.row = row
        self._unapplied.note((self._table.name, live.key), position)
