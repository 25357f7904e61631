"""The pause between two attempts of a question."""

from __future__ import annotations

from matrix_protocol.errors import Unavailable
from service_kit.clock import Clock
from service_kit.rpc.queries import deadline_s
from service_kit.shards import Shard

BACKOFF_FIRST_S = 0.01
BACKOFF_MAX_S = 0.2


class Retry:
    """Waits longer each time, until the question's deadline."""

    def __init__(self, clock: Clock, shard: Shard) -> None:
        self._clock = clock
        self._shard = shard
        self._deadline_s = deadline_s(clock)
        self._backoff_s = BACKOFF_FIRST_S

    def remaining_s(self) -> float:
        return max(self._deadline_s - self._clock.monotonic_s(), 0.0)

    async def wait(self) -> None:
        """Raises Unavailable if there is no time for another attempt."""
        if self.remaining_s() <= self._backoff_s:
            raise Unavailable(f"Nobody answers for shard {self._shard} now; try again later")
        await self._clock.sleep(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
