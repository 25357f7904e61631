"""Who is typing in the rooms of one shard, and until when.

Typing ends by a command of its own that the owner sends to itself when the
time is up, so that the end is a fact in the ledger like everything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from matrix_protocol.errors import MatrixError
from service_kit.clock import Clock

RETRY_S = 1.0

StopTyping = Callable[[str, str], Awaitable[object]]
"""Given room ID and user ID, ends the typing if it has expired."""

_logger = logging.getLogger(__name__)


class TypingUsers:
    """`expires_at_ms` by room and user, and one timer for all of them."""

    def __init__(self, clock: Clock, stop_typing: StopTyping) -> None:
        self._clock = clock
        self._stop_typing = stop_typing
        self._expires_at_ms: dict[tuple[str, str], int] = {}
        self._timer: asyncio.Task[None] | None = None
        self._next_ms = 0

    def __len__(self) -> int:
        return len(self._expires_at_ms)

    def expires_at_ms(self, room_id: str, user_id: str) -> int:
        """0 = not typing."""
        return self._expires_at_ms.get((room_id, user_id), 0)

    def start(self, room_id: str, user_id: str, expires_at_ms: int) -> None:
        self._expires_at_ms[room_id, user_id] = expires_at_ms
        if self._timer is None or expires_at_ms < self._next_ms:
            self._set_timer()

    def stop(self, room_id: str, user_id: str) -> None:
        self._expires_at_ms.pop((room_id, user_id), None)

    def close(self) -> None:
        self._expires_at_ms.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_ms = min(self._expires_at_ms.values())
        self._timer = asyncio.get_running_loop().create_task(self._wait_and_stop())

    async def _wait_and_stop(self) -> None:
        while self._expires_at_ms:
            self._next_ms = min(self._expires_at_ms.values())
            await self._clock.sleep(max(self._next_ms - self._clock.now_ms(), 1) / 1000)
            now_ms = self._clock.now_ms()
            expired = [key for key, expires_at_ms in self._expires_at_ms.items() if expires_at_ms <= now_ms]
            if not await self._stop_all(expired):
                await self._clock.sleep(RETRY_S)
        self._timer = None

    async def _stop_all(self, keys: list[tuple[str, str]]) -> bool:
        try:
            for room_id, user_id in keys:
                await self._stop_typing(room_id, user_id)
        except MatrixError as error:
            _logger.info("an expired typing notice could not be ended, trying again: %s", error)
            return False
        return True
