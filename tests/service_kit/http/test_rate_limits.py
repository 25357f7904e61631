from __future__ import annotations

import pytest

from matrix_protocol.errors import LimitExceeded
from service_kit.clock import ManualClock
from service_kit.config import RateLimit as Rate
from service_kit.config import RateLimitSettings
from service_kit.http import rate_limits
from service_kit.http.rate_limits import MESSAGE, OTHER, RateLimits, rates_of


def limits(clock: ManualClock, per_second: float = 2, burst: int = 3, *, enabled: bool = True) -> RateLimits:
    return RateLimits({"message": Rate(per_second=per_second, burst=burst)}, clock, enabled=enabled)


def test_burst_is_let_through_and_the_next_must_wait() -> None:
    made = limits(ManualClock())
    for _ in range(3):
        made.check(MESSAGE, "@a:b")
    with pytest.raises(LimitExceeded) as refused:
        made.check(MESSAGE, "@a:b")
    assert 499 <= refused.value.extra["retry_after_ms"] <= 502  # type: ignore[operator]


async def test_after_the_told_time_the_request_is_let_through() -> None:
    clock = ManualClock()
    made = limits(clock)
    for _ in range(3):
        made.check(MESSAGE, "@a:b")
    with pytest.raises(LimitExceeded) as refused:
        made.check(MESSAGE, "@a:b")
    wait_ms = refused.value.extra["retry_after_ms"]
    assert isinstance(wait_ms, int)
    await clock.advance(wait_ms / 1000)
    made.check(MESSAGE, "@a:b")
    with pytest.raises(LimitExceeded):
        made.check(MESSAGE, "@a:b")


def test_users_and_buckets_do_not_share() -> None:
    made = limits(ManualClock(), burst=1)
    made.check(MESSAGE, "@a:b")
    made.check(MESSAGE, "@c:b")
    made.check(OTHER, "@a:b")


async def test_bucket_never_holds_more_than_its_burst() -> None:
    clock = ManualClock()
    made = limits(clock)
    await clock.advance(1000)
    for _ in range(3):
        made.check(MESSAGE, "@a:b")
    with pytest.raises(LimitExceeded):
        made.check(MESSAGE, "@a:b")


def test_disabled_limits_let_everything_through() -> None:
    made = limits(ManualClock(), burst=1, enabled=False)
    for _ in range(10):
        made.check(MESSAGE, "@a:b")


def test_number_of_remembered_users_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "BUCKETS_MAX", 100)
    made = limits(ManualClock())
    for number in range(1000):
        made.check(MESSAGE, f"@{number}:b")
    assert len(made._full_at_s["message"]) <= 100


def test_every_bucket_has_a_setting() -> None:
    names = {value.name for value in vars(rate_limits).values() if isinstance(value, rate_limits.RateLimit)}
    assert names == set(rates_of(RateLimitSettings()))
