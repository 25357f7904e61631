from __future__ import annotations

import pytest

from matrix_protocol.errors import Forbidden, LimitExceeded, Unavailable
from service_kit.clock import ManualClock
from service_kit.config import RateLimit as Rate
from service_kit.config import RateLimitSettings
from service_kit.http import rate_limits
from service_kit.http.rate_limits import LOGIN_FAILURE, MESSAGE, OTHER, RateLimits, address_key, rates_of


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


def several(clock: ManualClock, **more: object) -> RateLimits:
    rate = Rate(per_second=1, burst=2)
    names = ("message", "room", "address", "login_failure", "login_failure_address")
    return RateLimits(dict.fromkeys(names, rate), clock, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("again", "is_refused"),
    [
        (("@a:b", "192.0.2.9", "!z"), True),
        (("@z:b", "192.0.2.1", "!z"), True),
        (("@z:b", "192.0.2.9", "!r"), True),
        (("@z:b", "192.0.2.9", "!z"), False),
        (("@z:b", "", ""), False),
    ],
)
def test_user_address_and_room_each_have_a_bucket(again: tuple[str, str, str], is_refused: bool) -> None:
    made = several(ManualClock())
    for _ in range(2):
        made.check_request(MESSAGE, "@a:b", "192.0.2.1", "!r")
    if is_refused:
        with pytest.raises(LimitExceeded):
            made.check_request(MESSAGE, *again)
    else:
        made.check_request(MESSAGE, *again)


def test_exempt_users_and_addresses_have_no_limits() -> None:
    made = several(ManualClock(), exempt_users=["@bot:b"], exempt_addresses=["198.51.100.0/24"])
    for _ in range(10):
        made.check_request(MESSAGE, "@bot:b", "192.0.2.1", "!r")
        made.check_request(MESSAGE, "@a:b", "198.51.100.7", "!r")
    made.check_request(MESSAGE, "@a:b", "192.0.2.1", "!r")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, key: str) -> None:
    assert address_key(address) == key


def attempt(made: RateLimits, error: Exception | None, account: str = "@a:b", address: str = "192.0.2.1") -> None:
    with made.login_attempt(account, address):
        if error is not None:
            raise error


def test_only_failed_logins_are_counted() -> None:
    made = several(ManualClock())
    for _ in range(5):
        attempt(made, None)
        with pytest.raises(Unavailable):
            attempt(made, Unavailable("The store is away"))
    for _ in range(2):
        with pytest.raises(Forbidden):
            attempt(made, Forbidden("Wrong"))
    with pytest.raises(LimitExceeded):
        attempt(made, None)
    with pytest.raises(LimitExceeded):
        attempt(made, None, account="@z:b")
    with pytest.raises(LimitExceeded):
        attempt(made, None, address="192.0.2.9")
    attempt(made, None, account="@z:b", address="192.0.2.9")


def test_attempts_at_the_same_time_are_counted_before_they_fail() -> None:
    made = several(ManualClock())
    with made.login_attempt("@a:b", ""), made.login_attempt("@a:b", ""), pytest.raises(LimitExceeded):
        attempt(made, None, address="")
    attempt(made, None)


def test_no_key_is_kept_in_any_length() -> None:
    made = several(ManualClock())
    made.check(LOGIN_FAILURE, "x" * 100_000)
    assert [len(key) for key in made._full_at_s["login_failure"]] == [rate_limits.KEY_CHARS_MAX]


def test_what_others_should_know_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "UNTOLD_MAX", 10)
    made = several(ManualClock())
    made.on_drawn = lambda: None
    for number in range(20):
        made.check(MESSAGE, f"@{number}:b")
    assert made.take_untold() == {"message": {f"@{number}:b": 1 for number in range(10)}}
    assert made.take_untold() == {}
