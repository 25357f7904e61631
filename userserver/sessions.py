"""Sessions: a device with an access token and perhaps a refresh token.

The tokens of a device, and how they follow each other:

    login     A  R        A new login with the same device ID revokes all of them first.
    refresh   A  R  A' R' A' and R' remember that they replace R. R can still be used: if the client never got the
                          answer it asks again, and the A' and R' of before are revoked in favour of new ones.
    first use of A' or R'  A and R are revoked: the client has the new ones.

So a device never has more than four. "The old refresh token remains valid until
the new access token or refresh token is used, at which point the old refresh
token is revoked." The old access token may be revoked "immediately, or" not: it
goes together with R, so that requests under way are not cut off.

Spec: https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Awaitable, Iterable
from typing import NamedTuple

from matrix_protocol.errors import Forbidden, UnknownToken, UserDeactivated, UserLocked
from service_kit.ledger.domain import Batch
from service_kit.limits import DEVICES_PER_USER_MAX
from service_kit.rpc.pb.facts_pb2 import DeviceFact, Fact, TokenFact
from service_kit.rpc.pb.user_commands_pb2 import (
    LoginWithPassword,
    Logout,
    LookUpToken,
    NewSession,
    RefreshToken,
    Session,
    TokenOwner,
    UserReply,
)
from userserver.passwords import Checked, Passwords
from userserver.tables import AccountRow, DeviceRow, TokenByUserRow, device_fact
from userserver.users import User, Users

WRONG_PASSWORD = "Wrong user name or password"
"""The same words for both: they must not tell whether the account exists."""

REMOVALS_MAX = 400
"""Devices, or records of account data, that one command removes: it must stay below 1000 facts in all."""

LAST_SEEN_GRAIN_MS = 5 * 60 * 1000
"""Only so often is a device's use written down: it may be "a few minutes out of date, for efficiency reasons"."""


class LoginAttempt(NamedTuple):
    user: User
    checked: Checked
    new_device_id: str


class Sessions:
    """Login, token look-up, refresh, logout."""

    def __init__(self, users: Users, passwords: Passwords) -> None:
        self._users = users
        self._passwords = passwords

    async def prepare_login(self, command: LoginWithPassword) -> LoginAttempt:
        user = await self._users.load(command.user_id)
        password_hash = "" if user.account is None else user.account.password_hash
        checked = await self._passwords.check(password_hash, command.password)
        return LoginAttempt(user, checked, new_device_id())

    def login(self, command: LoginWithPassword, attempt: LoginAttempt, batch: Batch) -> UserReply:
        user, checked, new_id = attempt
        account = user.account
        # The password may have been changed while this one was being checked.
        if account is None or not checked.matched or account.password_hash != checked.password_hash:
            raise Forbidden(WRONG_PASSWORD)
        check_may_log_in(account)
        session = start_session(self._users, batch, user, command.session, new_id)
        if checked.better_hash:
            self._users.record_account(batch, user, account._replace(password_hash=checked.better_hash))
        return UserReply(session=session)

    def prepare_look_up(self, command: LookUpToken) -> Awaitable[User | None] | User:
        return self._users.by_token(command.token_sha256) or self._users.load_by_token(command.token_sha256)

    def look_up(self, command: LookUpToken, user: User | None, batch: Batch) -> UserReply:
        token = None if user is None else user.tokens.get(command.token_sha256)
        if user is None or user.account is None or token is None or token.is_refresh_token:
            raise UnknownToken("This access token is not valid (any more)", soft_logout=False)
        expired = 0 < token.expires_at_ms <= batch.now_ms
        if not expired:
            if token.replaces_sha256:
                self._confirm(batch, user, token)
            seen(self._users, batch, user, token.device_id, command.client_ip)
        return UserReply(
            token_owner=TokenOwner(
                user_id=user.user_id,
                device_id=token.device_id,
                expires_at_ms=token.expires_at_ms,
                soft_logged_out=expired,
                admin=user.account.admin,
                guest=user.account.guest,
                locked=bool(user.account.locked),
                suspended=bool(user.account.suspended),
            )
        )

    async def prepare_refresh(self, command: RefreshToken) -> User | None:
        return await self._users.load_by_token(command.refresh_token_sha256)

    def refresh(self, command: RefreshToken, user: User | None, batch: Batch) -> UserReply:
        old = None if user is None else user.tokens.get(command.refresh_token_sha256)
        if user is None or old is None or not old.is_refresh_token:
            raise UnknownToken("This refresh token is not valid (any more)", soft_logout=False)
        check_may_log_in(user.account)
        if old.replaces_sha256:
            self._confirm(batch, user, old)
        # What an earlier exchange of the same token gave out was never used.
        unused = [token for token in user.tokens_of_device(old.device_id) if token.replaces_sha256 == old.token_sha256]
        revoke(self._users, batch, user, unused)
        expires_at_ms = _expiry(batch, command.access_token_lifetime_ms)
        for sha256, expiry, is_refresh in (
            (command.new_access_token_sha256, expires_at_ms, False),
            (command.new_refresh_token_sha256, 0, True),
        ):
            fact = TokenFact(
                token_sha256=sha256,
                device_id=old.device_id,
                expires_at_ms=expiry,
                is_refresh_token=is_refresh,
                replaces_sha256=old.token_sha256,
            )
            self._users.record(batch, user, Fact(token=fact))
        lifetime_ms = command.access_token_lifetime_ms
        return UserReply(session=Session(user_id=user.user_id, device_id=old.device_id, expires_in_ms=lifetime_ms))

    async def prepare_logout(self, command: Logout) -> User:
        return await self._users.load(command.user_id)

    def logout(self, command: Logout, user: User, batch: Batch) -> UserReply:
        device_ids = list(user.devices) if command.all_devices else [command.device_id]
        return UserReply(more=remove_devices(self._users, batch, user, device_ids))

    def _confirm(self, batch: Batch, user: User, used: TokenByUserRow) -> None:
        """The client has used one of the new tokens, so it has them: what they replace goes."""
        tokens = user.tokens_of_device(used.device_id)
        new = [token for token in tokens if token.replaces_sha256 == used.replaces_sha256]
        revoke(self._users, batch, user, [token for token in tokens if token not in new])
        for token in new:
            fact = TokenFact(
                token_sha256=token.token_sha256,
                device_id=token.device_id,
                expires_at_ms=token.expires_at_ms,
                is_refresh_token=token.is_refresh_token,
            )
            self._users.record(batch, user, Fact(token=fact))


def new_device_id() -> str:
    """Ten capital letters and digits."""
    return b32encode(secrets.token_bytes(7))[:10].decode("ascii")


def check_may_log_in(account: AccountRow | None) -> None:
    """Raises UserDeactivated and UserLocked. Suspended users may "log in and create additional sessions"."""
    if account is None or account.deactivated:
        raise UserDeactivated("This account has been deactivated")
    # "A client that receives such a response together with an M_USER_LOCKED error code, cannot obtain a new access
    # token until the account has been unlocked."
    if account.locked:
        raise UserLocked("This account has been locked", soft_logout=True)


def start_session(users: Users, batch: Batch, user: User, new: NewSession, new_id: str) -> Session:
    """Give the device its tokens; make it, under the ID `new_id` unless the client chose one.

    Raises Forbidden, and then has changed nothing.
    """
    device_id = new.device_id or new_id
    if device_id not in user.devices and len(user.devices) >= DEVICES_PER_USER_MAX:
        raise Forbidden(f"This account has {len(user.devices)} devices: log some of them out first")
    # "If the client sets the device_id, the server will invalidate any access and refresh tokens previously
    # assigned to that device."
    revoke(users, batch, user, user.tokens_of_device(device_id))
    if device_id not in user.devices:
        name = new.initial_device_display_name
        device = DeviceRow(user.user_id, device_id, name, batch.now_ms, new.client_ip, batch.now_ms)
        users.record(batch, user, Fact(device=device_fact(device)))
    else:
        seen(users, batch, user, device_id, new.client_ip)
    expires_at_ms = _expiry(batch, new.access_token_lifetime_ms)
    access = TokenFact(token_sha256=new.access_token_sha256, device_id=device_id, expires_at_ms=expires_at_ms)
    users.record(batch, user, Fact(token=access))
    if new.refresh_token_sha256:
        refresh = TokenFact(token_sha256=new.refresh_token_sha256, device_id=device_id, is_refresh_token=True)
        users.record(batch, user, Fact(token=refresh))
    return Session(user_id=user.user_id, device_id=device_id, expires_in_ms=new.access_token_lifetime_ms)


def seen(users: Users, batch: Batch, user: User, device_id: str, client_ip: str) -> None:
    """Note that the device is in use, unless that was noted a short time ago."""
    device = user.devices.get(device_id)
    if device is None or batch.now_ms - (device.last_seen_ts_ms or 0) < LAST_SEEN_GRAIN_MS:
        return
    used = device._replace(last_seen_ip=client_ip, last_seen_ts_ms=batch.now_ms)
    users.record(batch, user, Fact(device=device_fact(used)))


def remove_devices(users: Users, batch: Batch, user: User, device_ids: Iterable[str]) -> bool:
    """Remove devices with their tokens; True = there are more than one command may remove.

    Devices that do not exist are passed over.
    """
    found = sorted(user.devices.keys() & device_ids)
    now = set(found[:REMOVALS_MAX])
    tokens: dict[str, list[bytes]] = {device_id: [] for device_id in now}
    for token in user.tokens.values():
        if token.device_id in now:
            tokens[token.device_id].append(token.token_sha256)
    for device_id, revoked in tokens.items():
        fact = DeviceFact(device_id=device_id, deleted=True, revoked_sha256=revoked)
        users.record(batch, user, Fact(device=fact))
    return len(found) > REMOVALS_MAX


def revoke(users: Users, batch: Batch, user: User, tokens: list[TokenByUserRow]) -> None:
    for token in tokens:
        fact = TokenFact(token_sha256=token.token_sha256, device_id=token.device_id, deleted=True)
        users.record(batch, user, Fact(token=fact))


def _expiry(batch: Batch, lifetime_ms: int) -> int:
    return batch.now_ms + lifetime_ms if lifetime_ms else 0
