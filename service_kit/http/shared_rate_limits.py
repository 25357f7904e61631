"""Rate limits that hold for all gateways together, though each decides by itself and at once.

    gateway 1   check ─ check ───────── tell: 2 drawn of @alice's messages ─►  rates.drawn.message ─┐
    gateway 2                 check ─── tell: 1 ─►                                                  ├─► draw_elsewhere
    gateway 3 …                                                                                     ┘

Whoever draws says so at most `TELL_AFTER_S` later; the others draw the same
from their own buckets. Until then each may let through what the bucket holds:
so N gateways let at most N bursts through at first. This is borrowed, not won:
each draw is counted everywhere in the end, and buckets below empty are paid off
before anything more is let through (ADR-0024 has what was measured). What the
bus loses is let through once more, nothing worse; who was killed is missed by
nobody. Nothing waits for another process, and nothing is sent where nothing is
drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from service_kit.bus.interface import Bus, BusError, Message, Subscription
from service_kit.bus.streams import rates_drawn
from service_kit.clock import Clock
from service_kit.http.rate_limits import RateLimits
from service_kit.rpc.pb.rate_limits_pb2 import RatesDrawn

log = logging.getLogger(__name__)

TELL_AFTER_S = 0.1


class SharedRateLimits:
    """Tells other processes what `limits` drew, and draws what they tell. Between `start` and `stop`."""

    def __init__(self, limits: RateLimits, bus: Bus, clock: Clock) -> None:
        self._limits = limits
        self._bus = bus
        self._clock = clock
        self._origin = secrets.token_bytes(8)
        self._drawn_signal = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._telling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        for name in self._limits.names:
            self._subscriptions.append(await self._bus.subscribe(rates_drawn(name), self._on_drawn))
        if self._subscriptions:
            self._limits.on_drawn = self._drawn_signal.set
            self._telling = asyncio.get_running_loop().create_task(self._tell_for_ever())

    async def stop(self) -> None:
        self._limits.on_drawn = None
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        for subscription in self._subscriptions:
            await subscription.unsubscribe()

    async def _tell_for_ever(self) -> None:
        while True:
            await self._drawn_signal.wait()
            await self._clock.sleep(TELL_AFTER_S)
            self._drawn_signal.clear()
            await self._tell()

    async def _tell(self) -> None:
        for name, drawn in self._limits.take_untold().items():
            message = RatesDrawn(origin=self._origin, keys=drawn.keys(), counts=drawn.values())
            try:
                await self._bus.publish(rates_drawn(name), message.SerializeToString())
            except BusError as error:
                # Others let this much more through than they should.
                log.debug("what was drawn of %s could not be told: %r", name, error)

    async def _on_drawn(self, message: Message) -> None:
        told = RatesDrawn.FromString(message.payload)
        if told.origin == self._origin:
            return
        name = message.subject.rpartition(".")[2]
        for key, count in zip(told.keys, told.counts, strict=False):
            self._limits.draw_elsewhere(name, key, count)
