"""What is to be sent later into the rooms of one shard, and the timer that says when it is time.

The owner sends itself a command when an event is due (as it does when typing ends), so that the event goes the way of
every other and that it was sent is a fact beside it, in the same append: it is sent once, whoever dies when. A new
owner reads from the table what waits, also what became due while nobody owned the shard.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from matrix_protocol.errors import MatrixError
from roomserver.state.recent import Recent
from service_kit.clock import Clock
from service_kit.shards import Shard

WAITING_PER_SHARD_MAX: Final = 50_000
"""At some 300 bytes each: the contents stay in the table."""
SENT_AT_ONCE: Final = 32
OUTCOMES_MAX: Final = 8192
"""More than commands may wait (`service_kit.ledger.owner`): one that was prepared finds what others did since."""
RETRY_S: Final = 1.0
STALE_MAX: Final = 1000
"""Times of events that were restarted or are done: so many beyond those that wait, then they are thrown out."""

SendIfDue = Callable[[Shard, str, str], Awaitable[object]]
"""Given the shard, the delay ID and the sender, sends the event if it is due."""

_logger = logging.getLogger(__name__)


class Waiting(NamedTuple):
    room_id: str
    sender: str
    delay_ms: int
    scheduled_at_ms: int

    @property
    def due_at_ms(self) -> int:
        return self.scheduled_at_ms + self.delay_ms


class Outcome(NamedTuple):
    """What became of an event."""

    sender: str
    is_sent: bool


class DelayedEvents:
    """Those of one shard, by delay ID, with one timer for all of them."""

    def __init__(self, clock: Clock, send_if_due: Callable[[str, str], Awaitable[object]]) -> None:
        self._clock = clock
        self._send_if_due = send_if_due
        self._waiting: dict[str, Waiting] = {}
        self._of_user: Counter[str] = Counter()
        self._times: list[tuple[int, str]] = []
        """A heap; times that no event has any more are skipped."""
        self._timer: asyncio.Task[None] | None = None
        self._next_ms = 0
        self.outcomes: Recent[str, Outcome] = Recent(OUTCOMES_MAX)
        """Of those that were sent or cancelled lately."""

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, delay_id: str) -> Waiting | None:
        return self._waiting.get(delay_id)

    def of_user(self, sender: str) -> int:
        """How many of this user's wait."""
        return self._of_user[sender]

    def set(self, delay_id: str, waiting: Waiting) -> None:
        """Schedule, or restart."""
        if delay_id not in self._waiting:
            self._of_user[waiting.sender] += 1
        self._waiting[delay_id] = waiting
        heappush(self._times, (waiting.due_at_ms, delay_id))
        if len(self._times) > 2 * len(self._waiting) + STALE_MAX:
            self._times = [(each.due_at_ms, name) for name, each in self._waiting.items()]
            heapify(self._times)
        if self._timer is None or waiting.due_at_ms < self._next_ms:
            self._set_timer()

    def finish(self, delay_id: str, *, is_sent: bool) -> None:
        waiting = self._waiting.pop(delay_id)
        self._of_user[waiting.sender] -= 1
        if not self._of_user[waiting.sender]:
            del self._of_user[waiting.sender]
        self.outcomes.put(delay_id, Outcome(waiting.sender, is_sent))

    def close(self) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_ms = self._first_ms()
        self._timer = asyncio.get_running_loop().create_task(self._wait_and_send())

    def _first_ms(self) -> int:
        """When the next one is due; there must be one."""
        while not self._is_current(*self._times[0]):
            heappop(self._times)
        return self._times[0][0]

    def _is_current(self, due_at_ms: int, delay_id: str) -> bool:
        waiting = self._waiting.get(delay_id)
        return waiting is not None and waiting.due_at_ms == due_at_ms

    async def _wait_and_send(self) -> None:
        while self._waiting:
            self._next_ms = self._first_ms()
            await self._clock.sleep(max(self._next_ms - self._clock.now_ms(), 1) / 1000)
            # While some are being sent, one that is due earlier than the rest must not stop this.
            self._next_ms = 0
            if not await self._send(self._take_due()):
                await self._clock.sleep(RETRY_S)
        self._timer = None

    def _take_due(self) -> list[tuple[int, str]]:
        """ "in chronological order of their scheduled send times", some at a time. They stay in the heap until done."""
        now_ms = self._clock.now_ms()
        due: list[tuple[int, str]] = []
        while self._times and len(due) < SENT_AT_ONCE and self._times[0][0] <= now_ms:
            time = heappop(self._times)
            if self._is_current(*time):
                due.append(time)
        for time in due:
            heappush(self._times, time)
        return list(dict.fromkeys(due))

    async def _send(self, due: list[tuple[int, str]]) -> bool:
        """Whether all of them are done, or were restarted."""
        senders = [(delay_id, self._waiting[delay_id].sender) for _, delay_id in due]
        sends = (self._send_if_due(delay_id, sender) for delay_id, sender in senders)
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, MatrixError):
                raise failure
            _logger.info("a delayed event could not be sent when it was due, trying again: %s", failure)
        # One that waits as before, without an error: whoever owns the shard by now has a clock that is behind ours.
        return not failures and not any(self._is_current(*time) for time in due)
