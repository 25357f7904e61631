"""The writing side of a SQLite file: everything that waits goes into one transaction (group commit).

    event loop      jobs ──► queue ──► BEGIN, statements ─┐               ┌─► all callers go on
    one thread      (waits for its turn, if it must)      └─► COMMIT ─────┘   (write and fsync)

The statements run on the event loop's own thread: a few µs each, and SQLite's
module gives up the interpreter at every one of them, so that in another thread
each could wait for the interpreter again. What takes long (the COMMIT with its
fsync, the turn among processes, the deletion of a partition) is one call in a
thread, during which the next jobs gather.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable

from service_kit.store.interface import OutcomeUnknown, StoreUnavailable
from service_kit.store.one_thread import OneThread
from service_kit.store.sqlite_checkpoints import Checkpoints
from service_kit.store.sqlite_schema import BUSY_TIMEOUT_S
from service_kit.store.turnstile import Turnstile

ROWS_PER_TRANSACTION_MAX = 500
"""About 4 ms of the event loop. A larger job has a transaction of its own."""

TURN_TIMEOUT_S = 10.0
QUEUED_ROWS_MAX = 20_000
"""More than this, and callers wait before their job is taken."""

_MISTAKES = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)
"""A job's own fault (a value that its column cannot hold), not the store's. So is all that is no sqlite3.Error."""


class Job:
    """One caller's write.

    `apply` runs inside a transaction and answers False if a condition was not
    met; then it has undone what it did.
    """

    __slots__ = ("apply", "future", "is_conditional", "is_slow", "result", "rows")

    def __init__(
        self, apply: Callable[[], bool], *, rows: int, is_conditional: bool = False, is_slow: bool = False
    ) -> None:
        self.apply = apply
        self.rows = rows
        self.is_conditional = is_conditional
        self.is_slow = is_slow or rows > ROWS_PER_TRANSACTION_MAX
        self.result = True
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """Takes jobs and commits them, in the order in which they came."""

    def __init__(
        self, connection: sqlite3.Connection, turnstile: Turnstile, checkpoints: Checkpoints, *, fsync: bool
    ) -> None:
        self._connection = connection
        self._turnstile = turnstile
        self._checkpoints = checkpoints
        self._fsync = fsync
        self._thread = OneThread("sqlite-commit")
        self._queue: deque[Job] = deque()
        self._queued_rows = 0
        self._space: asyncio.Future[None] | None = None
        self._wakeup: asyncio.Future[None] | None = None
        self._turn: asyncio.Future[None] | None = None
        self._is_waiting_for_turn = False
        self._is_closing = False
        self.is_busy = False
        """A transaction is open: nobody else may use the connection."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def submit(self, job: Job) -> bool:
        """Wait until the job is durable (or was not done because its condition was not met)."""
        while self._queued_rows >= QUEUED_ROWS_MAX and not self._is_closing:
            if self._space is None:
                self._space = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._space)
        self.put(job)
        return await job.future

    def put(self, job: Job) -> None:
        """Queue the job without regard to the bound."""
        if self._is_closing:
            raise StoreUnavailable("the store is closed")
        self._queue.append(job)
        self._queued_rows += job.rows
        _wake(self._wakeup)

    async def close(self) -> None:
        self._is_closing = True
        _wake(self._wakeup)
        _wake(self._space)
        await asyncio.wait([self._task])
        if self._turn is not None:
            await asyncio.wait([self._turn], timeout=TURN_TIMEOUT_S)
        self._thread.stop()

    async def _work(self) -> None:
        while self._queue or not self._is_closing:
            if self._queue:
                self.is_busy = True
                await self._transact(self._take())
                self.is_busy = False
            else:
                self._wakeup = asyncio.get_running_loop().create_future()
                await self._wakeup
                self._wakeup = None

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        rows = 0
        while self._queue and (not jobs or rows + self._queue[0].rows <= ROWS_PER_TRANSACTION_MAX):
            job = self._queue.popleft()
            self._queued_rows -= job.rows
            if not job.future.done():  # else the caller was cancelled before anything was done
                jobs.append(job)
                rows += job.rows
        if self._space is not None and self._queued_rows < QUEUED_ROWS_MAX:
            _wake(self._space)
            self._space = None
        return jobs

    async def _transact(self, jobs: list[Job]) -> None:
        try:
            await self._begin()
        except (sqlite3.Error, TimeoutError) as error:
            _fail(jobs, StoreUnavailable(f"cannot begin to write: {error}"), error)
            return
        try:
            for job in jobs:
                job.result = await self._thread.run(job.apply) if job.is_slow else job.apply()
        except Exception as error:
            self._abandon()
            if isinstance(error, sqlite3.Error) and not isinstance(error, _MISTAKES):
                _fail(jobs, StoreUnavailable(f"cannot write: {error}"), error)
            elif len(jobs) == 1:
                jobs[0].fail(TypeError(str(error)) if isinstance(error, sqlite3.Error) else error)
            else:
                for job in jobs:
                    await self._transact([job])
            return
        await self._commit(jobs)

    async def _commit(self, jobs: list[Job]) -> None:
        try:
            if self._fsync:
                await self._thread.run(self._commit_and_leave)
            else:
                self._commit_and_leave()
        except sqlite3.Error as error:
            _fail_commit(jobs, error)
            return
        self._checkpoints.count(sum(job.rows for job in jobs))
        for job in jobs:
            if not job.future.done():
                job.future.set_result(job.result)

    async def _begin(self) -> None:
        if self._turn is not None or not self._turnstile.try_enter():
            await self._wait_for_turn()
        try:
            if self._checkpoints.is_finish_wanted:
                await self._thread.run(lambda: self._checkpoints.finish(self._connection))
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                # Somebody who knows nothing of the turnstile writes (a backup, a person with sqlite3).
                await self._thread.run(self._begin_patiently)
        except BaseException:
            self._turnstile.leave()
            raise

    async def _wait_for_turn(self) -> None:
        if self._turn is None:
            self._turn = self._thread.run(self._turnstile.enter)
            self._turn.add_done_callback(self._turn_came)
        self._is_waiting_for_turn = True
        try:
            await asyncio.wait([self._turn], timeout=TURN_TIMEOUT_S)
            if not self._turn.done():
                raise TimeoutError(f"another process has been writing for {TURN_TIMEOUT_S} s")
        finally:
            self._is_waiting_for_turn = False
        self._turn = None

    def _turn_came(self, _: asyncio.Future[None]) -> None:
        if not self._is_waiting_for_turn:  # too late: it goes to the next process
            self._turn = None
            self._turnstile.leave()

    def _begin_patiently(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}").fetchall()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0").fetchall()

    def _commit_and_leave(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise
        finally:
            self._turnstile.leave()

    def _abandon(self) -> None:
        self._roll_back()
        self._turnstile.leave()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself rolls back on some errors
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _fail_commit(jobs: list[Job], error: sqlite3.Error) -> None:
    """A full disk stops a commit before its last page; after other errors the log may hold all of it."""
    is_surely_undone = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
    unknown = [job for job in jobs if job.is_conditional and not is_surely_undone]
    _fail(unknown, OutcomeUnknown(f"the commit failed: {error}"), error)
    _fail(jobs, StoreUnavailable(f"the commit failed: {error}"), error)


def _fail(jobs: list[Job], failure: StoreUnavailable | OutcomeUnknown, cause: BaseException) -> None:
    failure.__cause__ = cause
    for job in jobs:
        job.fail(failure)


def _wake(sleeper: asyncio.Future[None] | None) -> None:
    if sleeper is not None and not sleeper.done():
        sleeper.set_result(None)
