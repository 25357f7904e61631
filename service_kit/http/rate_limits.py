"""How much one user, one address, one room may ask for.

Token buckets, kept as one number each ("generic cell rate algorithm"): the
time at which the bucket would be full again. So a bucket that is full need not
be remembered, and there is nothing to refill. A decision is made here and now;
what was drawn is told the other processes a moment later, and what they drew
is drawn here too (`shared_rate_limits`). What is kept has a bound.

| bucket                    | of whom                                                                     |
|---------------------------|-----------------------------------------------------------------------------|
| what an endpoint declares | the user; the address where nobody is logged in                             |
| `address`                 | the address, for all requests from there, whoever is logged in              |
| `room`                    | the room, for what is sent into it by everybody                             |
| `login_failure`           | the account, and the address: drawn at each attempt, given back on success  |

IPv6 addresses count by their /64: so many a single customer has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple, Protocol

from matrix_protocol.errors import Forbidden, LimitExceeded
from service_kit.clock import Clock
from service_kit.http.proxies import TrustedProxies

BUCKETS_MAX = 100_000
"""Users, addresses, rooms remembered at a time for each name; the oldest are forgotten first."""
UNTOLD_MAX = 10_000
"""Drawn from so many buckets of a name without having told others: from further ones they are not told."""
KEY_CHARS_MAX = 300
"""Of longer names (which nobody has) only the beginning counts."""


class RateLimit(NamedTuple):
    """Which bucket an endpoint draws from; the settings give it its rate."""

    name: str
    draws_from_room: bool = False
    """Whether the room in the path has a bucket of its own to draw from."""


LOGIN = RateLimit("login")
LOGIN_FAILURE = RateLimit("login_failure")
LOGIN_FAILURE_ADDRESS = RateLimit("login_failure_address")
REGISTRATION = RateLimit("registration")
EMAIL = RateLimit("email")
EMAIL_LINK = RateLimit("email_link")
MESSAGE = RateLimit("message", draws_from_room=True)
MEMBERSHIP = RateLimit("membership")
CREATE_ROOM = RateLimit("create_room")
SYNC = RateLimit("sync")
DIRECTORY = RateLimit("directory")
REPORT = RateLimit("report")
OTHER = RateLimit("other")
ADDRESS = RateLimit("address")
ROOM = RateLimit("room")


class Rate(Protocol):
    @property
    def per_second(self) -> float: ...
    @property
    def burst(self) -> int: ...


class LimitSettings(Protocol):
    """`service_kit.config.RateLimitSettings`, whose other fields are rates."""

    @property
    def enabled(self) -> bool: ...
    @property
    def exempt_users(self) -> Sequence[str]: ...
    @property
    def exempt_addresses(self) -> Sequence[str]: ...


def rates_of(settings: object) -> dict[str, Rate]:
    """The rates among a settings section's fields, by name."""
    fields = vars(settings).items()
    return {name: rate for name, rate in fields if hasattr(rate, "per_second") and hasattr(rate, "burst")}


@lru_cache(maxsize=8192)
def address_key(client_ip: str) -> str:
    """Whose bucket an address draws from: an IPv4 address its own, an IPv6 address that of its /64."""
    try:
        address = ip_address(client_ip)
    except ValueError:
        return client_ip
    if not isinstance(address, IPv6Address):
        return client_ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


class RateLimits:
    """All buckets of a process. A name without a rate has no limit."""

    def __init__(
        self,
        rates: Mapping[str, Rate],
        clock: Clock,
        *,
        enabled: bool = True,
        exempt_users: Sequence[str] = (),
        exempt_addresses: Sequence[str] = (),
    ) -> None:
        self._clock = clock
        self._rates = {name: (1.0 / rate.per_second, rate.burst / rate.per_second) for name, rate in rates.items()}
        self._full_at_s: dict[str, dict[str, float]] = {name: {} for name in rates}
        self._untold: dict[str, dict[str, int]] = {name: {} for name in rates}
        self._exempt_users = frozenset(exempt_users)
        self._exempt_addresses = TrustedProxies(exempt_addresses)
        self.on_drawn: Callable[[], None] | None = None
        """Called after each draw of which others should be told; None: nobody is told."""
        if not enabled:
            self._rates.clear()

    @classmethod
    def of_settings(cls, settings: LimitSettings, clock: Clock) -> RateLimits:
        return cls(
            rates_of(settings),
            clock,
            enabled=settings.enabled,
            exempt_users=settings.exempt_users,
            exempt_addresses=settings.exempt_addresses,
        )

    @property
    def names(self) -> list[str]:
        """Of the limits that there are."""
        return list(self._rates)

    def check_request(self, limit: RateLimit, user_id: str, client_ip: str, room_id: str = "") -> None:
        """Draw from every bucket that a request draws from. `user_id` is "" if nobody is logged in.

        Raises LimitExceeded; what was drawn before that stays drawn.
        """
        if not self._rates or user_id in self._exempt_users or self._exempt_addresses.trusts(client_ip):
            return
        address = address_key(client_ip)
        if client_ip:
            self.check(ADDRESS, address)
        self.check(limit, user_id or address)
        if limit.draws_from_room and room_id:
            self.check(ROOM, room_id)

    @contextmanager
    def login_attempt(self, account: str, client_ip: str, failure: type[Exception] = Forbidden) -> Iterator[None]:
        """Around the check of a password or another secret: failures are limited by account and by address.

        Drawn before, so that attempts at the same time are counted, and given back unless the block raises `failure`.
        Raises LimitExceeded.
        """
        draws = [(LOGIN_FAILURE, account)]
        if client_ip and not self._exempt_addresses.trusts(client_ip):
            draws.insert(0, (LOGIN_FAILURE_ADDRESS, address_key(client_ip)))
        for limit, key in draws:
            self.check(limit, key)
        try:
            yield
        except failure:
            raise
        except BaseException:
            self._give_back(draws)
            raise
        self._give_back(draws)

    def _give_back(self, draws: list[tuple[RateLimit, str]]) -> None:
        for limit, key in draws:
            if limit.name in self._rates:
                self._add(limit.name, key[:KEY_CHARS_MAX], -1)
                self._will_tell(limit.name, key[:KEY_CHARS_MAX], -1)

    def check(self, limit: RateLimit, key: str) -> None:
        """Draw from the bucket of this user, address or room. Raises LimitExceeded, and then draws nothing."""
        name = limit.name
        rate = self._rates.get(name)
        if rate is None:
            return
        cost_s, capacity_s = rate
        if len(key) > KEY_CHARS_MAX:
            key = key[:KEY_CHARS_MAX]
        now_s = self._clock.monotonic_s()
        buckets = self._full_at_s[name]
        full_at_s = max(buckets.get(key, now_s), now_s) + cost_s
        if full_at_s - now_s > capacity_s + 1e-9:
            wait_ms = int((full_at_s - now_s - capacity_s) * 1000) + 1
            raise LimitExceeded("Too many requests: slow down", retry_after_ms=wait_ms)
        if len(buckets) >= BUCKETS_MAX and key not in buckets:
            _forget(buckets, now_s)
        buckets[key] = full_at_s
        if self.on_drawn is not None:
            self._will_tell(name, key, 1)

    # --- what other processes drew and should know

    def draw_elsewhere(self, name: str, key: str, count: int) -> None:
        """Another process let `count` requests through: the bucket may get emptier than empty, and is paid off."""
        if name in self._rates:
            self._add(name, key[:KEY_CHARS_MAX], count)

    def take_untold(self) -> dict[str, dict[str, int]]:
        """By name of the limit and by key: how often this process drew since the last call."""
        untold = {name: drawn for name, drawn in self._untold.items() if drawn}
        for name in untold:
            self._untold[name] = {}
        return untold

    def _add(self, name: str, key: str, count: int) -> None:
        cost_s, _ = self._rates[name]
        now_s = self._clock.monotonic_s()
        buckets = self._full_at_s[name]
        if len(buckets) >= BUCKETS_MAX and key not in buckets:
            _forget(buckets, now_s)
        buckets[key] = max(buckets.get(key, now_s), now_s) + count * cost_s

    def _will_tell(self, name: str, key: str, count: int) -> None:
        if self.on_drawn is None:
            return
        drawn = self._untold[name]
        if len(drawn) < UNTOLD_MAX or key in drawn:
            drawn[key] = drawn.get(key, 0) + count
        self.on_drawn()


def _forget(buckets: dict[str, float], now_s: float) -> None:
    """Make room: full buckets first, then a tenth of the longest known."""
    for key in [key for key, full_at_s in buckets.items() if full_at_s <= now_s]:
        del buckets[key]
    if len(buckets) >= BUCKETS_MAX:
        for key in list(buckets)[: BUCKETS_MAX // 10]:
            del buckets[key]
