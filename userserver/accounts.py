"""Accounts: made, checked, listed, deactivated. A user ID is never given out twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matrix_protocol.errors import NotFound, UserInUse
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import ChoreFact, Fact, LeaveRooms, ProfileFact, ThirdPartyId
from service_kit.rpc.pb.user_commands_pb2 import (
    CheckPassword,
    CheckUsername,
    DeactivateUser,
    ListUsers,
    RegisterUser,
    SetPassword,
    UserReply,
    UserSummary,
)
from service_kit.shards import Shard
from service_kit.store.interface import SCAN_ROWS_MAX, Range, Store
from userserver.account_data import AccountData
from userserver.passwords import Checked, Passwords
from userserver.sessions import REMOVALS_MAX, new_device_id, remove_devices, start_session
from userserver.tables import ACCOUNT_DATA, USERS_BY_SHARD, AccountRow, UserByShardRow, third_party_ids_json
from userserver.unapplied import Unapplied
from userserver.users import User, Users

TAKEN = "This user name is taken"


class Registration(NamedTuple):
    user: User
    password_hash: str
    new_device_id: str


class NewPassword(NamedTuple):
    user: User
    password_hash: str


class PasswordCheck(NamedTuple):
    user: User
    checked: Checked


class Deactivation(NamedTuple):
    user: User
    account_data_keys: Sequence[tuple[str, str]]
    """(room ID, type) of what is to be erased"""


class Accounts:
    """Everything about an account but its sessions."""

    def __init__(
        self,
        shard: Shard,
        store: Store,
        unapplied: Unapplied,
        users: Users,
        passwords: Passwords,
        account_data: AccountData,
    ) -> None:
        self._shard = shard
        self._account_data = account_data
        self._store = store
        self._unapplied = unapplied
        self._users = users
        self._passwords = passwords

    async def prepare_register(self, command: RegisterUser) -> Registration:
        user = await self._users.load_with_profile(command.user_id)
        _check_free(user, command)
        password_hash = await self._passwords.hash(command.password) if command.password else ""
        return Registration(user, password_hash, new_device_id())

    def register(self, command: RegisterUser, prepared: Registration, batch: Batch) -> UserReply:
        user, password_hash, new_id = prepared
        _check_free(user, command)  # it may have been made while the password was being hashed
        account = AccountRow(
            user_id=user.user_id,
            password_hash=password_hash,
            admin=command.admin,
            deactivated=False,
            created_at_ms=batch.now_ms,
            guest=command.guest,
            suspended=user.account is not None and bool(user.account.suspended),
            accepted_policies="\n".join(command.accepted_policies) or None,
            third_party_ids_json=third_party_ids_json(
                [_added(command.third_party_id, batch)] if command.HasField("third_party_id") else []
            ),
        )
        self._users.record_account(batch, user, account, callers_changed=user.exists)
        if not command.HasField("session"):
            return UserReply(session={"user_id": user.user_id})
        return UserReply(session=start_session(self._users, batch, user, command.session, new_id))

    async def prepare_check_username(self, command: CheckUsername) -> User:
        return await self._users.load(command.user_id)

    def check_username(self, command: CheckUsername, user: User, batch: Batch) -> UserReply:
        if user.exists:
            raise UserInUse(TAKEN)
        return UserReply()

    async def prepare_check_password(self, command: CheckPassword) -> PasswordCheck:
        user = await self._users.load(command.user_id)
        password_hash = "" if user.account is None else user.account.password_hash
        return PasswordCheck(user, await self._passwords.check(password_hash, command.password))

    def check_password(self, command: CheckPassword, prepared: PasswordCheck, batch: Batch) -> UserReply:
        account, checked = prepared.user.account, prepared.checked
        usable = account is not None and not account.deactivated and account.password_hash == checked.password_hash
        return UserReply(matched=usable and checked.matched)

    async def prepare_set_password(self, command: SetPassword) -> NewPassword:
        user = existing(await self._users.load(command.user_id))
        return NewPassword(user, await self._passwords.hash(command.password))

    def set_password(self, command: SetPassword, prepared: NewPassword, batch: Batch) -> UserReply:
        user, password_hash = prepared
        account = existing(user).account
        assert account is not None
        if account.deactivated:
            raise NotFound("This account has been deactivated")
        self._users.record_account(batch, user, account._replace(password_hash=password_hash))
        others = [device_id for device_id in user.devices if device_id != command.keep_device_id]
        more = command.logout_devices and remove_devices(self._users, batch, user, others)
        return UserReply(more=more)

    async def prepare_deactivate(self, command: DeactivateUser) -> Deactivation:
        user = existing(await self._users.load_with_profile(command.user_id))
        if not command.erase:
            return Deactivation(user, ())
        await self._unapplied.wait_for(user.user_id)
        rows = await self._store.scan(ACCOUNT_DATA, (command.user_id,), limit=REMOVALS_MAX)
        return Deactivation(user, [(row.room_id, row.type) for row in rows])

    def deactivate(self, command: DeactivateUser, prepared: Deactivation, batch: Batch) -> UserReply:
        """The password hash stays unless all is to be erased: who knows the password is told why it fails.

        "M_USER_DEACTIVATED: The user has been deactivated. Servers MAY instead use M_FORBIDDEN when they can no
        longer authenticate the deactivated user (e.g. their password has been wiped)."
        """
        user = existing(prepared.user)
        account = user.account
        assert account is not None
        password_hash = "" if command.erase else account.password_hash
        if not account.deactivated or account.password_hash != password_hash:
            changed = account._replace(
                deactivated=True, admin=False, password_hash=password_hash, third_party_ids_json=None
            )
            self._users.record_account(batch, user, changed)
        if not account.deactivated:
            self._users.record(batch, user, Fact(chore=ChoreFact(leave_rooms=LeaveRooms(user_id=user.user_id))))
        more_devices = remove_devices(self._users, batch, user, list(user.devices))
        more_data = command.erase and self._erase(batch, user, prepared.account_data_keys)
        return UserReply(more=more_devices or more_data)

    def _erase(self, batch: Batch, user: User, account_data_keys: Sequence[tuple[str, str]]) -> bool:
        if user.profile:
            self._users.record(batch, user, Fact(profile=ProfileFact()))
        for room_id, event_type in account_data_keys:
            self._account_data.erase(batch, user, room_id, event_type)
        return len(account_data_keys) == REMOVALS_MAX

    async def prepare_list(self, command: ListUsers) -> list[UserByShardRow]:
        limit = max(1, min(command.limit, SCAN_ROWS_MAX))
        after = Range(after=command.after_user_id or None)
        return await self._store.scan(USERS_BY_SHARD, (self._shard.number,), range=after, limit=limit)

    def list_users(self, command: ListUsers, rows: Sequence[UserByShardRow], batch: Batch) -> UserReply:
        summaries = [
            UserSummary(
                user_id=row.user_id,
                admin=row.admin,
                deactivated=row.deactivated,
                created_at_ms=row.created_at_ms,
                guest=row.guest,
            )
            for row in rows
        ]
        return UserReply(users=summaries)


def _added(third_party_id: ThirdPartyId, batch: Batch) -> ThirdPartyId:
    third_party_id.added_at_ms = batch.now_ms
    return third_party_id


def _check_free(user: User, command: RegisterUser) -> None:
    """Raises UserInUse, but for a guest who becomes an ordinary user, and proves with a token to be that guest.

    "Guest users can also upgrade their account by going through the ordinary `register` flow, but specifying the
    additional POST parameter `guest_access_token`".
    Spec: https://spec.matrix.org/v1.19/client-server-api/#guest-access
    """
    if not user.exists:
        return
    account, token = user.account, user.tokens.get(command.guest_token_sha256)
    assert account is not None
    is_guest = account.guest and not account.deactivated and not account.locked
    if not is_guest or token is None or token.is_refresh_token:
        raise UserInUse(TAKEN)


def existing(user: User) -> User:
    """Raises NotFound for a user without account."""
    if not user.exists:
        raise NotFound("There is no such user")
    return user
