"""Several gateways limit together: what one let through, the others know a moment later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from matrix_protocol.errors import LimitExceeded
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.config import RateLimit as Rate
from service_kit.http.rate_limits import MESSAGE, RateLimits
from service_kit.http.shared_rate_limits import TELL_AFTER_S, SharedRateLimits

PER_SECOND, BURST = 5, 20


class Gateways:
    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.hub = MemoryBus(clock=clock)
        self.limits: list[RateLimits] = []

    async def add(self, stack: AsyncExitStack) -> RateLimits:
        limits = RateLimits({"message": Rate(per_second=PER_SECOND, burst=BURST)}, self.clock)
        shared = SharedRateLimits(limits, self.hub.connect(), self.clock)
        await shared.start()
        stack.push_async_callback(shared.stop)
        self.limits.append(limits)
        return limits

    def let_through(self, count: int, user: str = "@a:b", first: int = 0) -> int:
        """How many of so many requests pass, sent to the gateways in turn."""
        passed = 0
        for number in range(count):
            try:
                self.limits[(first + number) % len(self.limits)].check(MESSAGE, user)
            except LimitExceeded:
                continue
            passed += 1
        return passed


async def told(clock: ManualClock) -> None:
    """Until everybody has told what it drew."""
    await clock.advance(0)
    await clock.advance(TELL_AFTER_S)


StartGateways = Callable[[int], Awaitable[Gateways]]


@pytest.fixture
async def start() -> AsyncIterator[StartGateways]:
    async with AsyncExitStack() as stack:

        async def start_gateways(count: int) -> Gateways:
            gateways = Gateways(ManualClock())
            for _ in range(count):
                await gateways.add(stack)
            return gateways

        yield start_gateways


async def test_what_one_let_through_the_others_count(start: StartGateways) -> None:
    gateways = await start(3)
    for _ in range(BURST):
        gateways.limits[0].check(MESSAGE, "@a:b")
    await told(gateways.clock)
    for limits in gateways.limits:
        with pytest.raises(LimitExceeded):
            limits.check(MESSAGE, "@a:b")
        limits.check(MESSAGE, "@other:b")


async def test_nobody_counts_twice_what_it_let_through_itself(start: StartGateways) -> None:
    gateways = await start(2)
    assert gateways.let_through(BURST - 4) == BURST - 4
    await told(gateways.clock)
    assert gateways.let_through(10) in (4, 5, 6, 7, 8)
    await told(gateways.clock)
    assert gateways.let_through(10) == 0


@pytest.mark.parametrize("count", [1, 2, 4, 8])
async def test_a_flood_gets_no_more_through_many_gateways_than_through_one(start: StartGateways, count: int) -> None:
    gateways = await start(count)
    seconds = 60
    passed = 0
    for step in range(seconds * 20):
        passed += gateways.let_through(40, first=step)
        await gateways.clock.advance(0.05)
    permitted = BURST + PER_SECOND * seconds
    # All gateways' buckets are full at first; what was borrowed then is paid off within the minute, but for what one
    # interval lets through.
    assert permitted - 2 <= passed <= permitted + count + 1


async def test_what_the_first_moment_lets_through_is_a_burst_a_gateway(start: StartGateways) -> None:
    gateways = await start(4)
    assert gateways.let_through(1000) == 4 * BURST
    await told(gateways.clock)
    owed = 3 * BURST
    await gateways.clock.advance(owed / PER_SECOND - 1)
    assert gateways.let_through(100) == 0


async def test_what_is_given_back_is_given_back_everywhere() -> None:
    clock = ManualClock()
    hub = MemoryBus(clock=clock)
    rates = {"login_failure": Rate(per_second=0.1, burst=2)}
    async with AsyncExitStack() as stack:
        made = [RateLimits(rates, clock) for _ in range(2)]
        for limits in made:
            shared = SharedRateLimits(limits, hub.connect(), clock)
            await shared.start()
            stack.push_async_callback(shared.stop)
        for _ in range(10):
            with made[0].login_attempt("@a:b", ""):
                await told(clock)
        await told(clock)
        with made[1].login_attempt("@a:b", ""), made[1].login_attempt("@a:b", ""):
            pass


async def test_nothing_is_told_where_nothing_is_drawn_or_limited(start: StartGateways) -> None:
    gateways = await start(2)
    await gateways.clock.advance(10)
    assert gateways.clock._sleepers == []
    unlimited = RateLimits({}, gateways.clock)
    shared = SharedRateLimits(unlimited, gateways.hub.connect(), gateways.clock)
    await shared.start()
    unlimited.check(MESSAGE, "@a:b")
    assert unlimited.on_drawn is None
    await shared.stop()
