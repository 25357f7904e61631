"""Locking and suspending accounts, which a server administrator can undo.

Spec: https://spec.matrix.org/v1.19/client-server-api/#account-moderation
"""

from __future__ import annotations

from matrix_protocol.errors import Forbidden, NotFound
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.user_commands_pb2 import Account, GetAccount, SetModeration, UserReply
from userserver.accounts import existing
from userserver.tables import AccountRow, third_party_ids_of
from userserver.users import User, Users


class Moderation:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def prepare(self, command: GetAccount | SetModeration) -> User:
        return existing(await self._users.load(command.user_id))

    def get(self, command: GetAccount, user: User, batch: Batch) -> UserReply:
        return UserReply(account=_shown(_account(user)))

    def set(self, command: SetModeration, user: User, batch: Batch) -> UserReply:
        """Everybody who remembers the user's tokens is told before this is answered (`domain.committed`)."""
        account = _account(user)
        # "404: The user ID is not found, or is deactivated."
        if account.deactivated:
            raise NotFound("This account has been deactivated")
        # "403: […] or the target user is another administrator."
        if account.admin:
            raise Forbidden("Server administrators cannot be locked or suspended")
        changed = account._replace(
            locked=command.locked if command.HasField("locked") else bool(account.locked),
            suspended=command.suspended if command.HasField("suspended") else bool(account.suspended),
        )
        if changed != account:
            self._users.record_account(batch, user, changed, callers_changed=True)
        return UserReply(account=_shown(changed))


def _account(user: User) -> AccountRow:
    account = existing(user).account
    assert account is not None
    return account


def _shown(row: AccountRow) -> Account:
    return Account(
        user_id=row.user_id,
        admin=row.admin,
        guest=row.guest,
        deactivated=row.deactivated,
        locked=bool(row.locked),
        suspended=bool(row.suspended),
        third_party_ids=third_party_ids_of(row),
    )
