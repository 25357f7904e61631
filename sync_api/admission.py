"""Who is next when many want something expensive: initial syncs, and the first sync of a user that this worker forgot.

After an outage everybody comes back at once. A few are served at a time, so that each is done soon and others' messages
get through meanwhile; the rest wait in line. Whoever would wait longer than a client likely does is asked to come back,
at a time of their own, so that they don't all come back together:

    in line: (mean time of one) × (those before) / (served at a time) > WAIT_S_MAX  ─►  429, retry_after_ms
"""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random

from matrix_protocol.errors import LimitExceeded
from service_kit.clock import Clock

AT_A_TIME = 3
"""Each may hold all rooms of a user in memory. While 1,000 clients came back, another's send took 106 ms (median) with
8 at a time, 72 with 4, 25 with 2 (`python -m loadtests.herd`); more than one, since each waits for others, too."""
WAIT_S_MAX = 20.0
"""Clients give up a request after 30 s and more."""
IN_LINE_MAX = 10_000
FIRST_GUESS_S = 0.01
_WEIGHT_OF_NEWEST = 0.05


class Turn:
    """What `Admission.turn` gives. `end` it as soon as the expensive part is over, and whatever happens."""

    __slots__ = ("_admission", "_began_s")

    def __init__(self, admission: Admission | None, began_s: float = 0.0) -> None:
        self._admission = admission
        self._began_s = began_s

    def end(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.ended(self._began_s)


FREE_TURN = Turn(None)
"""Of what is not expensive."""


class Admission:
    def __init__(self, clock: Clock, random: Random | None = None) -> None:
        self._clock = clock
        self._random = random or Random()
        self._served = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._mean_s = FIRST_GUESS_S

    @property
    def in_line(self) -> int:
        return len(self._line)

    async def turn(self) -> Turn:
        """Wait in line. Raises LimitExceeded if the line is too long."""
        if self._served >= AT_A_TIME or self._line:
            self._check_line()
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._line.append(place)
            try:
                await place  # who lets us in has counted us
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._next()
                else:
                    self._line.remove(place)
                raise
        else:
            self._served += 1
        return Turn(self, self._clock.monotonic_s())

    def _check_line(self) -> None:
        wait_s = self._mean_s * len(self._line) / AT_A_TIME
        if wait_s > WAIT_S_MAX or len(self._line) >= IN_LINE_MAX:
            retry_after_s = max(1.0, wait_s) * self._random.uniform(0.5, 1.5)
            raise LimitExceeded(
                "Many clients are coming back at this moment; try again a little later",
                retry_after_ms=int(retry_after_s * 1000),
            )

    def ended(self, began_s: float) -> None:
        """For `Turn`."""
        self._mean_s += _WEIGHT_OF_NEWEST * (self._clock.monotonic_s() - began_s - self._mean_s)
        self._next()

    def _next(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._served -= 1
