"""Rooms that all users of a generator share, with sizes by a power law: few are large, most are small."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import gevent.lock

if TYPE_CHECKING:
    from loadtests.locustfiles.matrix_user import MatrixUser


class Rooms:
    """Room k is chosen with a probability that falls as 1 / k ** exponent (Zipf). Made when first wanted."""

    def __init__(self, number: int, exponent: float = 1.1) -> None:
        self._weights = [1 / (rank**exponent) for rank in range(1, number + 1)]
        self._ids = [""] * number
        self._locks = [gevent.lock.Semaphore() for _ in range(number)]

    def choose(self, chooser: random.Random, number: int) -> list[int]:
        """So many different rooms."""
        chosen: dict[int, None] = {}
        while len(chosen) < min(number, len(self._weights)):
            chosen[chooser.choices(range(len(self._weights)), self._weights)[0]] = None
        return list(chosen)

    def enter(self, user: MatrixUser, index: int) -> None:
        with self._locks[index]:
            if not self._ids[index]:
                self._ids[index] = user.create_room(f"Room {index}")
                user.room_ids.append(self._ids[index])
                return
        user.join(self._ids[index])
