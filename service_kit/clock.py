"""Time, as an argument: services never ask the operating system themselves.

So that tests and simulations decide what time it is.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall clock, milliseconds since the Unix epoch; may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from some start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in order of their time."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = start_ms
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self._start_ms + int(self._elapsed_s * 1000)

    def monotonic_s(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed_s + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move on by so much, waking every sleeper at its own time."""
        end_s = self._elapsed_s + seconds
        while due := sorted(s for s in self._sleepers if s[0] <= end_s):
            wake_s, _, future = due[0]
            self._sleepers.remove(due[0])
            self._elapsed_s = max(self._elapsed_s, wake_s)
            if not future.done():
                future.set_result(None)
            await _settle()
        self._elapsed_s = end_s
        await _settle()


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
