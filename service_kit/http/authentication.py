"""Who is asking: from an access token to a `Caller`.

Tokens look like `plx_<user shard>_<43 random characters>`; only their SHA-256
is known anywhere but at the client. The number says which userserver shard
knows the token. Answers are kept for a minute; a token's end is told on
`token.revoked` before the logout is answered, and so is that an account was
locked, suspended, or is no longer: before the administrator is answered. Where that message may have been
missed (the bus connection broke, or a user shard has a new owner, whose
predecessor may have died before publishing it), everything is asked anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple, Protocol

from matrix_protocol.errors import MatrixError, MissingToken, UnknownToken
from service_kit.access_tokens import shard_of_access_token, token_sha256
from service_kit.bus.interface import Bus, Message, Subscription
from service_kit.bus.streams import TOKEN_REVOKED, owner_announcements
from service_kit.clock import Clock
from service_kit.http.request import Request
from service_kit.rpc.pb.facts_pb2 import TokenRevoked
from service_kit.rpc.pb.user_commands_pb2 import LookUpToken, TokenOwner, UserCommand, UserReply
from service_kit.shards import USER, Shard, ShardMap

CALLERS_MAX = 50_000
CALLER_TTL_S = 60.0
REFUSAL_TTL_S = 1.0
REFUSALS_MAX = 10_000
LOOKUP_TIMEOUT_S = 20.0


class Caller(NamedTuple):
    """Who an access token belongs to."""

    user_id: str
    device_id: str
    admin: bool
    guest: bool
    token_sha256: bytes
    locked: bool = False
    suspended: bool = False
    restricted: bool = False
    """guest, locked or suspended: only then endpoints have to be looked at more closely"""
    rate_limited: bool = True
    """False for whom no limits hold: an application service whose registration says `rate_limited: false`."""


class Authenticator(Protocol):
    """What an application needs to know callers."""

    def cached(self, token: str) -> Caller | None:
        """The caller, if known without asking anybody."""
        ...

    async def caller_of(self, token: str, client_ip: str = "") -> Caller:
        """Raises UnknownToken (with soft_logout where the client should log in again without losing its data)."""
        ...


class UserShards(Protocol):
    """The part of CommandClient that this needs."""

    async def shard(self, shard: Shard, key: str, body: UserCommand, *, timeout_s: float = ...) -> UserReply: ...


class _Known(NamedTuple):
    caller: Caller
    until_s: float
    expires_at_ms: int


def access_token_of(request: Request) -> str:
    """The token of a request, "" if it has none. Raises MissingToken if there is a header of another kind alone.

    The query parameter was deprecated in Matrix 1.11; clients still use it.
    NOTSPEC: a header of another kind may be meant for a proxy before us (Basic): then the query parameter counts.
    """
    header = request.header(b"authorization")
    if not header:
        return request.query_value("access_token")
    scheme, _, token = header.partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else request.query_value("access_token")
    if not token:
        raise MissingToken("The Authorization header must be: Bearer <access token>")
    return token


class Authentication:
    """Looks tokens up at their user shard, once for all who ask at the same time, and remembers callers."""

    def __init__(self, users: UserShards, bus: Bus, shards: ShardMap, clock: Clock) -> None:
        self._users = users
        self._bus = bus
        self._shards = shards
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._refused: dict[bytes, tuple[float, MatrixError]] = {}
        self._lookups: dict[bytes, asyncio.Task[Caller]] = {}
        self._generation = 0
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        self._bus.on_reconnect(self.forget_all)
        self._subscriptions = [
            await self._bus.subscribe(TOKEN_REVOKED, self._on_revoked),
            await self._bus.subscribe(owner_announcements(USER), self._on_new_owner),
        ]

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        for lookup in self._lookups.values():
            lookup.cancel()

    def cached(self, token: str) -> Caller | None:
        return self._cached(token_sha256(token))

    def _cached(self, digest: bytes) -> Caller | None:
        known = self._known.get(digest)
        if known is None:
            return None
        if known.until_s <= self._clock.monotonic_s() or 0 < known.expires_at_ms <= self._clock.now_ms():
            del self._known[digest]
            return None
        return known.caller

    async def caller_of(self, token: str, client_ip: str = "") -> Caller:
        digest = token_sha256(token)
        caller = self._cached(digest)
        if caller is not None:
            return caller
        shard = shard_of_access_token(token, self._shards)
        if shard is None:
            raise _unknown(soft_logout=False)
        self._raise_if_refused(digest)
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(self._look_up(digest, shard, client_ip))
            self._lookups[digest] = lookup
            lookup.add_done_callback(lambda done: self._lookup_ended(digest, done))
        # Shielded: who goes away must not take the answer from the others who wait for it.
        return await asyncio.shield(lookup)

    async def _look_up(self, digest: bytes, shard: Shard, client_ip: str) -> Caller:
        command = UserCommand(look_up_token=LookUpToken(token_sha256=digest, client_ip=client_ip))
        generation = self._generation
        try:
            reply = await self._users.shard(shard, digest.hex(), command, timeout_s=LOOKUP_TIMEOUT_S)
            owner = reply.token_owner
            if not owner.user_id or owner.soft_logged_out:
                raise _unknown(soft_logout=owner.soft_logged_out)
        except UnknownToken as error:
            self._refuse(digest, error)
            raise
        caller = _caller(owner, digest)
        if generation == self._generation:
            self._remember(caller, owner)
        return caller

    def _remember(self, caller: Caller, owner: TokenOwner) -> None:
        until_s = self._clock.monotonic_s() + CALLER_TTL_S
        self._known[caller.token_sha256] = _Known(caller, until_s, owner.expires_at_ms)
        if len(self._known) > CALLERS_MAX:
            # The oldest entry, which would have to be asked for again soonest anyway.
            self._known.popitem(last=False)

    def _refuse(self, digest: bytes, error: MatrixError) -> None:
        if len(self._refused) >= REFUSALS_MAX:
            self._refused.clear()
        self._refused[digest] = (self._clock.monotonic_s() + REFUSAL_TTL_S, error)

    def _raise_if_refused(self, digest: bytes) -> None:
        until_s, error = self._refused.get(digest, (0.0, None))
        if error is None:
            return
        if until_s > self._clock.monotonic_s():
            raise _unknown(soft_logout=bool(error.extra.get("soft_logout")))
        del self._refused[digest]

    def _lookup_ended(self, digest: bytes, lookup: asyncio.Task[Caller]) -> None:
        self._lookups.pop(digest, None)
        if not lookup.cancelled():
            lookup.exception()  # whoever waited has it; if nobody does any more, it is not worth a warning

    async def _on_revoked(self, message: Message) -> None:
        # A lookup under way may carry the answer from before: it is used once, not remembered.
        self._generation += 1
        revoked = TokenRevoked.FromString(message.payload)
        for digest in revoked.token_sha256:
            self._known.pop(digest, None)
        if revoked.account_changed:  # seldom: somebody was locked, suspended, or is no guest any more
            self.forget_user(revoked.user_id)

    def forget(self, caller: Caller) -> None:
        """Their token has just ended, and whoever ended it is about to be told: before the broadcast comes, perhaps."""
        self._generation += 1
        self._known.pop(caller.token_sha256, None)

    def forget_user(self, user_id: str) -> None:
        """All of the user's tokens are to be looked up again."""
        self._generation += 1
        for digest in [digest for digest, known in self._known.items() if known.caller.user_id == user_id]:
            del self._known[digest]

    async def _on_new_owner(self, message: Message) -> None:
        await self.forget_all()

    async def forget_all(self) -> None:
        """Ask for every token again: a message that revoked one may have been missed."""
        self._generation += 1
        self._known.clear()


def _caller(owner: TokenOwner, digest: bytes) -> Caller:
    return Caller(
        owner.user_id,
        owner.device_id,
        owner.admin,
        owner.guest,
        digest,
        locked=owner.locked,
        suspended=owner.suspended,
        restricted=owner.guest or owner.locked or owner.suspended,
    )


def _unknown(*, soft_logout: bool) -> UnknownToken:
    return UnknownToken("The access token is unknown or no longer valid", soft_logout=soft_logout)
