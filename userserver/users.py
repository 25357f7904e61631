"""What a shard's owner holds in memory of its users: read from the tables when needed, dropped when idle.

    _alive   every user that anybody holds: one object a user, so that all commands in flight see the same
    _recent  keeps the last used ones of all shards of the worker

A user whom neither a command nor `_recent` keeps is garbage, and the tables are
the truth again, as soon as they have the user's last facts (`unapplied`).
Memory changes in one way only: `record` applies a new fact.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

import orjson

from matrix_protocol.errors import Unavailable
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.store.interface import Store
from service_kit.store.schema import RowT, Table
from userserver.tables import (
    ACCOUNTS,
    DEVICES,
    PROFILES,
    TOKENS,
    TOKENS_BY_USER,
    AccountRow,
    DeviceRow,
    TokenByUserRow,
    account_fact,
    account_row,
    device_row,
    token_row,
)
from userserver.unapplied import Unapplied

USERS_IN_MEMORY_MAX = 10_000
"""Kept by a worker beyond those with commands in flight: about 2.2 KiB each with two devices, 22 MiB in all."""


class AccountDataSize(NamedTuple):
    entries: int
    bytes: int
    """of their contents"""


class Inbox:
    """How much waits for a device: see `to_device`."""

    __slots__ = (
        "bytes_before",
        "bytes_through",
        "delivered_through",
        "is_known",
        "messages_before",
        "messages_through",
    )

    def __init__(self) -> None:
        self.is_known = False
        """Whether it was read; what is below may be old otherwise."""
        self.delivered_through = 0
        self.messages_before = self.bytes_before = 0
        """of all that was ever put into it: what is there no more"""
        self.messages_through = self.bytes_through = 0
        """of all that was ever put into it"""


class User:
    """One user's account, devices and tokens; the profile once somebody asked for it."""

    __slots__ = ("__weakref__", "account", "account_data_size", "devices", "inboxes", "profile", "tokens", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.account: AccountRow | None = None
        self.devices: dict[str, DeviceRow] = {}
        self.tokens: dict[bytes, TokenByUserRow] = {}
        self.profile: dict[str, object] | None = None
        """None = not read yet"""
        self.inboxes: dict[str, Inbox] = {}
        """by device ID; those that messages were sent to"""
        self.account_data_size: AccountDataSize | None = None
        """None = not added up yet; see `account_data`"""

    @property
    def exists(self) -> bool:
        return self.account is not None

    def tokens_of_device(self, device_id: str) -> list[TokenByUserRow]:
        return [token for token in self.tokens.values() if token.device_id == device_id]

    def apply(self, fact: Fact) -> None:
        """Change what is held here as the fact says."""
        kind = fact.WhichOneof("body")
        if kind == "account":
            self.account = account_row(self.user_id, fact.account)
        elif kind == "device":
            self.devices.pop(fact.device.device_id, None)
            for sha256 in fact.device.revoked_sha256:
                self.tokens.pop(sha256, None)
            if fact.device.deleted:
                self.inboxes.pop(fact.device.device_id, None)
            else:
                self.devices[fact.device.device_id] = device_row(self.user_id, fact.device)
        elif kind == "token":
            self.tokens.pop(fact.token.token_sha256, None)
            if not fact.token.deleted:
                self.tokens[fact.token.token_sha256] = token_row(self.user_id, fact.token)
        elif kind == "profile":
            self.profile = orjson.loads(fact.profile.profile_json or b"{}")


def revoked_by(fact: Fact) -> Sequence[bytes]:
    """The tokens that end with this fact."""
    if fact.HasField("device"):
        return fact.device.revoked_sha256
    return (fact.token.token_sha256,) if fact.HasField("token") and fact.token.deleted else ()


class RecentUsers:
    """Keeps the last used users of a worker in memory, whatever their shard."""

    def __init__(self, users_max: int = USERS_IN_MEMORY_MAX) -> None:
        self._users_max = users_max
        self._users: OrderedDict[str, User] = OrderedDict()

    def keep(self, user: User) -> None:
        self._users[user.user_id] = user
        self._users.move_to_end(user.user_id)
        if len(self._users) > self._users_max:
            self._users.popitem(last=False)

    def clear(self) -> None:
        self._users.clear()


class Users:
    """The users of one owned shard."""

    def __init__(self, store: Store, unapplied: Unapplied, recent: RecentUsers) -> None:
        self._store = store
        self._unapplied = unapplied
        self._recent = recent
        self._alive: WeakValueDictionary[str, User] = WeakValueDictionary()
        self._by_token: WeakValueDictionary[bytes, User] = WeakValueDictionary()
        self._loading: dict[str, asyncio.Task[User]] = {}

    def by_token(self, token_sha256: bytes) -> User | None:
        """Whose token it is, if that user is in memory."""
        user = self._by_token.get(token_sha256)
        if user is not None:
            self._recent.keep(user)
        return user

    async def load_by_token(self, token_sha256: bytes) -> User | None:
        user = self.by_token(token_sha256)
        if user is not None:
            return user
        await self._unapplied.wait_for(token_sha256)
        row = await self._store.get(TOKENS, (token_sha256,))
        return None if row is None else await self.load(row.user_id)

    async def load(self, user_id: str) -> User:
        """The user as of all commands executed so far; one without account if there is none."""
        user = self._alive.get(user_id)
        if user is None:
            # One reading at a time: two could end up with different objects, or an old one.
            task = self._loading.get(user_id)
            if task is None:
                task = self._loading[user_id] = asyncio.create_task(self._read(user_id))
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                user = await asyncio.shield(task)
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise  # it is the command that was given up
                raise Unavailable("This part of the server is being moved, try again") from None
        self._recent.keep(user)
        return user

    async def load_with_profile(self, user_id: str) -> User:
        user = await self.load(user_id)
        if user.profile is None:
            await self._unapplied.wait_for(user_id)
            row = await self._store.get(PROFILES, (user_id,))
            if user.profile is None:  # nobody was faster
                user.profile = {} if row is None else orjson.loads(row.profile_json)
        return user

    def record(self, batch: Batch, user: User, fact: Fact) -> int:
        """Add a fact about this user to the batch, and to memory; returns its position."""
        fact.user_id = user.user_id
        position = batch.add(fact)
        user.apply(fact)
        self._unapplied.note(user.user_id, position)
        for sha256 in revoked_by(fact):
            self._by_token.pop(sha256, None)
        if fact.HasField("token") and not fact.token.deleted:
            self._by_token[fact.token.token_sha256] = user
            self._unapplied.note(fact.token.token_sha256, position)
        return position

    def record_account(self, batch: Batch, user: User, account: AccountRow, *, callers_changed: bool = False) -> None:
        """`callers_changed`: what the user's access tokens may do is not what it was."""
        fact = account_fact(account)
        fact.callers_changed = callers_changed
        self.record(batch, user, Fact(account=fact))

    async def close(self) -> None:
        """Whoever waits for a user is told Unavailable; the owner prepares those commands anew, or sends them on."""
        for task in list(self._loading.values()):
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)

    async def _read(self, user_id: str) -> User:
        try:
            await self._unapplied.wait_for(user_id)
            account, devices, tokens = await asyncio.gather(
                self._store.get(ACCOUNTS, (user_id,)),
                self._all_rows(DEVICES, user_id),
                self._all_rows(TOKENS_BY_USER, user_id),
            )
        finally:
            del self._loading[user_id]
        user = User(user_id)
        user.account = account
        user.devices = {row.device_id: row for row in devices}
        user.tokens = {row.token_sha256: row for row in tokens}
        self._alive[user_id] = user
        for token_sha256 in user.tokens:
            self._by_token[token_sha256] = user
        return user

    async def _all_rows(self, table: Table[RowT], user_id: str) -> list[RowT]:
        return [row async for page in self._store.pages(table, (user_id,)) for row in page]
