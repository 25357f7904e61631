"""What a shard's owner does in the background: sends mails, makes deactivated users leave their rooms.

A chore is a fact, in the same commit as what it follows from, so that it is not forgotten when its owner dies: the next
owner reads what is still to be done from a table, and goes on. It is done when another fact says so. If the owner dies
between the two, a chore is done twice: a mail is sent again, a room is left that was left.

What fails is tried again, later and later, until the chore is of no use any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from matrix_protocol.errors import LimitExceeded, MatrixError
from service_kit.clock import Clock
from service_kit.ledger.domain import Batch
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ChoreDoneFact, ChoreFact, Fact
from service_kit.rpc.pb.user_commands_pb2 import FinishChore, UserCommand, UserReply
from service_kit.shards import Shard
from service_kit.store.interface import Store
from userserver.credential_tables import CHORES

WAITING_MAX = 10_000
"""Chores of one shard; more are refused."""
AT_ONCE_MAX = 4
CANCEL_EVERY_S = 0.1
RETRY_FIRST_S = 2.0
RETRY_MAX_S = 600.0
_logger = logging.getLogger(__name__)


class TryAgain(Exception):
    """It could not be done now, and may be later. The message is for the log: no addresses in it."""


class GiveUp(Exception):
    """It will never be possible. As above."""


Doer = Callable[[ChoreFact], Awaitable[None]]
"""Returns when it is done; raises TryAgain or GiveUp."""


class Doing(NamedTuple):
    """What chores are done with."""

    doers: Mapping[str, Doer]
    """By kind of chore."""
    commands: CommandClient
    clock: Clock


class Chores:
    """Those of one owned shard."""

    def __init__(self, shard: Shard, store: Store, doing: Doing) -> None:
        self._shard = shard
        self._store = store
        self._doing = doing
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """by position"""
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._is_closed = False

    async def recover(self) -> None:
        """Go on with what a former owner left."""
        async for page in self._store.pages(CHORES, (self._shard.number,)):
            for row in page:
                self._start(row.position, ChoreFact.FromString(row.chore))

    def committed(self, position: int, fact: Fact) -> None:
        if fact.HasField("chore"):
            self._start(position, fact.chore)

    def check_room(self) -> None:
        """Raises LimitExceeded if too much is waiting to be done."""
        if len(self._tasks) >= WAITING_MAX:
            raise LimitExceeded("Too much waits to be done here; try again later", retry_after_ms=60_000)

    def prepare_finish(self, command: FinishChore) -> None:
        return None

    def finish(self, command: FinishChore, prepared: None, batch: Batch) -> UserReply:
        batch.add(Fact(chore_done=ChoreDoneFact(position=command.position)))
        return UserReply()

    async def close(self) -> None:
        self._is_closed = True
        pending = set(self._tasks.values())
        while pending:  # not every library lets a cancellation through at the first time
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_EVERY_S)

    def _start(self, position: int, chore: ChoreFact) -> None:
        if position not in self._tasks:
            task = self._tasks[position] = asyncio.get_running_loop().create_task(self._do(position, chore))
            task.add_done_callback(lambda done: self._ended(position, done))

    def _ended(self, position: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(position, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a chore of %s was broken off", self._shard, exc_info=error)

    async def _do(self, position: int, chore: ChoreFact) -> None:
        await self._until_done(chore)
        command = UserCommand(finish_chore=FinishChore(position=position))
        while True:
            try:
                await self._doing.commands.shard(self._shard, f"chore {position}", command)
                return
            except MatrixError as error:
                _logger.warning("that a chore of %s is done could not be written down: %s", self._shard, error)
                await self._doing.clock.sleep(RETRY_FIRST_S)

    def _check_open(self) -> None:
        """What looks like success or failure may be a cancellation that a library kept to itself."""
        if self._is_closed:
            raise asyncio.CancelledError

    async def _until_done(self, chore: ChoreFact) -> None:
        kind = chore.WhichOneof("body") or ""
        doer, clock = self._doing.doers.get(kind), self._doing.clock
        if doer is None:
            _logger.error("a chore of kind %r is given up: this program does not know how to do it", kind)
            return
        delay_s = RETRY_FIRST_S
        while not 0 < chore.expires_at_ms <= clock.now_ms():
            try:
                async with self._free:
                    await doer(chore)
                self._check_open()
                return
            except GiveUp as error:
                _logger.warning("a chore of kind %s is given up: %s", kind, error)
                return
            except TryAgain as error:
                self._check_open()
                _logger.warning("a chore of kind %s is tried again in %.0f s: %s", kind, delay_s, error)
            except Exception:
                self._check_open()
                _logger.exception("a chore of kind %s failed, and is tried again in %.0f s", kind, delay_s)
            await clock.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)
        _logger.warning("a chore of kind %s came to nothing: its time is over", kind)
