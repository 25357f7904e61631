"""Which rows the tables may not have yet, so that nobody reads an old one.

A fact counts from when its command is executed; its rows can be read when the
batch is committed and, with some stores, a little later still. Whoever reads a
table first waits for the facts of the same key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from service_kit.ledger.progress import Progress


class Unapplied:
    """The last position of each key that has facts which the tables may lack."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._positions: dict[Hashable, int] = {}
        self._order: deque[tuple[int, Hashable]] = deque()

    def note(self, key: Hashable, position: int) -> None:
        """A fact about this key was added at this position; positions grow."""
        self._positions[key] = position
        self._order.append((position, key))
        applied = self._progress.applied_position
        while self._order and self._order[0][0] <= applied:
            position, key = self._order.popleft()
            if self._positions.get(key) == position:
                del self._positions[key]

    async def wait_for(self, key: Hashable) -> None:
        """Until the tables have every fact about this key that was noted so far."""
        position = self._positions.get(key)
        if position is not None and position > self._progress.applied_position:
            await self._progress.wait_applied(position)
