"""How much one user, or one address, may ask for.

Token buckets, kept as one number each ("generic cell rate algorithm"): the
time at which the bucket would be full again. So a bucket that is full need not
be remembered, and there is nothing to refill. Each process counts for itself;
what is kept has a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from matrix_protocol.errors import LimitExceeded
from service_kit.clock import Clock

BUCKETS_MAX = 100_000
"""Users and addresses remembered at a time for each name; the oldest are forgotten first."""


class RateLimit(NamedTuple):
    """Which bucket an endpoint draws from; the settings give it its rate."""

    name: str


LOGIN = RateLimit("login")
REGISTRATION = RateLimit("registration")
MESSAGE = RateLimit("message")
MEMBERSHIP = RateLimit("membership")
CREATE_ROOM = RateLimit("create_room")
SYNC = RateLimit("sync")
OTHER = RateLimit("other")


class Rate(Protocol):
    @property
    def per_second(self) -> float: ...
    @property
    def burst(self) -> int: ...


def rates_of(settings: object) -> dict[str, Rate]:
    """The rates among a settings section's fields, by name."""
    fields = vars(settings).items()
    return {name: rate for name, rate in fields if hasattr(rate, "per_second") and hasattr(rate, "burst")}


class RateLimits:
    """All buckets of a process. A name without a rate has no limit."""

    def __init__(self, rates: Mapping[str, Rate], clock: Clock, *, enabled: bool = True) -> None:
        self._clock = clock
        self._rates = {name: (1.0 / rate.per_second, rate.burst / rate.per_second) for name, rate in rates.items()}
        self._full_at_s: dict[str, dict[str, float]] = {name: {} for name in rates}
        if not enabled:
            self._rates.clear()

    def check(self, limit: RateLimit, key: str) -> None:
        """Draw from the bucket of this user or address. Raises LimitExceeded, and then draws nothing."""
        rate = self._rates.get(limit.name)
        if rate is None:
            return
        cost_s, capacity_s = rate
        now_s = self._clock.monotonic_s()
        buckets = self._full_at_s[limit.name]
        full_at_s = max(buckets.get(key, now_s), now_s) + cost_s
        if full_at_s - now_s > capacity_s + 1e-9:
            wait_ms = int((full_at_s - now_s - capacity_s) * 1000) + 1
            raise LimitExceeded("Too many requests: slow down", retry_after_ms=wait_ms)
        if len(buckets) >= BUCKETS_MAX and key not in buckets:
            _forget(buckets, now_s)
        buckets[key] = full_at_s


def _forget(buckets: dict[str, float], now_s: float) -> None:
    """Make room: full buckets first, then a tenth of the longest known."""
    for key in [key for key, full_at_s in buckets.items() if full_at_s <= now_s]:
        del buckets[key]
    if len(buckets) >= BUCKETS_MAX:
        for key in list(buckets)[: BUCKETS_MAX // 10]:
            del buckets[key]
