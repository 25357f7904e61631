"""Moving pages from the write-ahead log into the database file, beside the commits instead of inside one.

A passive checkpoint on a connection of its own copies while others commit, so
it never quite reaches the end of the log under load, and only a log that was
copied to its end starts again at its beginning. So two steps: the long one in
the background, and what came in meanwhile between two transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from service_kit.store.one_thread import OneThread

ROWS_BETWEEN_CHECKPOINTS = 2000
"""About 20 MiB of log: large enough that a hot page is copied once for many changes."""


class Checkpoints:
    def __init__(self, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._open_connection = open_connection
        self._connection: sqlite3.Connection | None = None
        self._thread = OneThread("sqlite-checkpoint")
        self._running: asyncio.Future[None] | None = None
        self._rows = 0
        self.is_finish_wanted = False

    def count(self, rows: int) -> None:
        """So many rows were committed; starts the background step when it is time."""
        self._rows += rows
        if self._rows >= ROWS_BETWEEN_CHECKPOINTS and self._running is None:
            self._rows = 0
            self._running = self._thread.run(self._copy)
            self._running.add_done_callback(self._copied)

    def finish(self, writer: sqlite3.Connection) -> None:
        """Copy the rest of the log; nobody writes meanwhile. For a thread."""
        self.is_finish_wanted = False
        _passive_checkpoint(writer)

    async def close(self) -> None:
        if self._running is not None:
            await asyncio.wait([self._running])
        self._thread.stop()
        if self._connection is not None:
            self._connection.close()

    def _copy(self) -> None:
        if self._connection is None:
            self._connection = self._open_connection()
        _passive_checkpoint(self._connection)

    def _copied(self, copied: asyncio.Future[None]) -> None:
        self._running = None
        self.is_finish_wanted = not copied.cancelled() and copied.exception() is None


def _passive_checkpoint(connection: sqlite3.Connection) -> None:
    # If it fails (disk full, say), the log stays as it is; it is tried again after as many rows.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
