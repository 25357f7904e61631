"""Messages of one subscription: handed over in order, one at a time, from a bounded queue."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from service_kit.bus.interface import Handler, Message
from service_kit.telemetry import BUS_MESSAGES_DROPPED

PENDING_BYTES_MAX = 128 * 1024 * 1024
_logger = logging.getLogger(__name__)


class Delivery:
    """Feeds a handler. An idle one costs no task: one is made when a message arrives and ends with the queue."""

    __slots__ = ("_handler", "_pending", "_pending_bytes", "_pending_messages_max", "_subject", "_task")

    def __init__(self, subject: str, handler: Handler, pending_messages_max: int) -> None:
        self._subject = subject
        self._handler = handler
        self._pending: deque[Message] = deque()
        self._pending_bytes = 0
        self._pending_messages_max = pending_messages_max
        self._task: asyncio.Task[None] | None = None

    def put(self, message: Message) -> None:
        """Never waits; drops the message if too many, or too large ones, wait already."""
        if len(self._pending) >= self._pending_messages_max or self._pending_bytes > PENDING_BYTES_MAX:
            BUS_MESSAGES_DROPPED.inc()
            return
        self._pending.append(message)
        self._pending_bytes += len(message.payload)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._feed())

    def stop(self) -> None:
        """Forget what waits. A message that is being handled is handled to its end."""
        self._pending.clear()
        self._pending_bytes = 0

    async def join(self) -> None:
        """Until all that waits is handled. Not for the handler itself."""
        while self._task is not None:
            await asyncio.wait({self._task})

    def cancel(self) -> None:
        """Stop, and cancel the handler, unless it is the one that calls this."""
        self.stop()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _feed(self) -> None:
        pending = self._pending
        try:
            while pending:
                message = pending.popleft()
                self._pending_bytes -= len(message.payload)
                try:
                    await self._handler(message)
                except Exception:
                    _logger.exception("a handler of %s failed", self._subject)
        finally:
            self._task = None
