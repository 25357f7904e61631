"""Long polls that wait for something to happen, and what wakes them.

A fact marks the waiting requests of the users it is for; they are woken
together once the delivery that brought it has been handed over, so that several
facts make one answer. The user's view collects the rooms that changed, so that
the answer is made of these alone, however many rooms the user is in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from service_kit.clock import Clock
from service_kit.telemetry import SYNCS_WAITING
from sync_api.user_view import UserView
from sync_api.waiter import Waiter

TICK_S = 0.1
"""Resolution of timeouts."""
WAITERS_OF_USER_MAX = 40
"""Long polls of one user at a time; the longest waiting ends first."""


class SyncWaiters:
    def __init__(self, clock: Clock, *, waiting_max: int) -> None:
        self._clock = clock
        self._waiting_max = waiting_max
        self._waiters: dict[Waiter, None] = {}
        """the longest waiting first"""
        self._expiring: dict[int, set[Waiter]] = {}
        self._marked: set[Waiter] = set()
        self._ticker: asyncio.Task[None] | None = None
        self.draining = False

    def __len__(self) -> int:
        return len(self._waiters)

    # --- requests ---

    def add(self, user: UserView, timeout_ms: int, token_sha256: bytes = b"", device_id: str = "") -> Waiter:
        """News is collected from now on. `remove` it whatever happens."""
        waiter = Waiter(user.waiters, token_sha256, device_id)
        waiter.is_over = self.draining or timeout_ms <= 0
        if timeout_ms > 0:
            self._bound(user)
            waiter.expires_tick = self._tick() + max(1, round(timeout_ms / 1000 / TICK_S))
            self._expiring.setdefault(waiter.expires_tick, set()).add(waiter)
            if self._ticker is None:
                self._ticker = asyncio.create_task(self._expire())
        user.waiters.add(waiter)
        self._waiters[waiter] = None
        return waiter

    def remove(self, waiter: Waiter) -> None:
        if self._waiters.pop(waiter, waiter) is waiter:
            return
        waiter.of_same_user.discard(waiter)
        self._marked.discard(waiter)
        if (expiring := self._expiring.get(waiter.expires_tick)) is not None:
            expiring.discard(waiter)

    def _bound(self, user: UserView) -> None:
        if len(self._waiters) >= self._waiting_max:
            next(iter(self._waiters)).end()
        if len(user.waiters) >= WAITERS_OF_USER_MAX:
            min(user.waiters, key=lambda waiter: waiter.expires_tick).end()

    def revoke(self, user: UserView, token_sha256s: Iterable[bytes]) -> None:
        """These access tokens of the user have ended, and so have the long polls that came with them."""
        revoked = frozenset(token_sha256s)
        for waiter in user.waiters:
            if waiter.token_sha256 in revoked:
                waiter.is_revoked = True
                waiter.end()

    def end_of(self, user: UserView) -> None:
        """The user's long polls end with their ordinary answer."""
        for waiter in user.waiters:
            waiter.end()

    # --- facts ---

    def room_changed(self, room_id: str, users: Iterable[UserView]) -> None:
        for user in users:
            user.room_changed(room_id)
            if user.waiters:
                self._mark(user.waiters)

    def account_changed(self, user: UserView) -> None:
        user.account_changed()
        self._mark(user.waiters)

    def device_changed(self, user: UserView, device_id: str) -> None:
        for waiter in user.waiters:
            if waiter.device_id == device_id:
                waiter.has_news = True
                self._mark((waiter,))

    def everything_changed(self) -> None:
        """Nobody knows what."""
        for waiter in self._waiters:
            waiter.has_news = True
        self._mark(self._waiters)

    def _mark(self, waiters: Iterable[Waiter]) -> None:
        if not self._marked:
            asyncio.get_running_loop().call_soon(self._wake_marked)
        self._marked.update(waiters)

    def _wake_marked(self) -> None:
        marked, self._marked = self._marked, set()
        for waiter in marked:
            waiter.wake()

    # --- time ---

    def _tick(self) -> int:
        return int(self._clock.monotonic_s() / TICK_S)

    async def _expire(self) -> None:
        """Runs while anything waits."""
        while self._expiring:
            now = self._tick()
            SYNCS_WAITING.set(len(self._waiters))
            for tick in [tick for tick in self._expiring if tick <= now]:
                for waiter in self._expiring.pop(tick):
                    waiter.end()
            await self._clock.sleep(TICK_S)
        SYNCS_WAITING.set(0)
        self._ticker = None

    # --- the end ---

    def drain(self) -> None:
        """Every long poll ends with its ordinary answer, now; new ones do not wait."""
        self.draining = True
        for waiter in self._waiters:
            waiter.end()

    async def close(self) -> None:
        self.drain()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
