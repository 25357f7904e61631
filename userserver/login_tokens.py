"""Login tokens: somebody who is logged in lets another device log in, once, within minutes.

Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token
"""

from __future__ import annotations

from typing import NamedTuple

from matrix_protocol.errors import Forbidden
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, LoginTokenFact
from service_kit.rpc.pb.user_commands_pb2 import LoginWithToken, NewLoginToken, UserReply
from service_kit.store.interface import Store
from userserver.accounts import existing
from userserver.credential_tables import LOGIN_TOKENS, LoginTokenRow
from userserver.live_rows import LiveRow, LiveRows
from userserver.sessions import check_may_log_in, new_device_id, start_session
from userserver.unapplied import Unapplied
from userserver.users import User, Users

WRONG_TOKEN = "This login token is unknown, was used before, or has expired"


class TokenToBe(NamedTuple):
    user: User
    token: LiveRow[LoginTokenRow]


class TokenLogin(NamedTuple):
    user: User
    token: LiveRow[LoginTokenRow]
    new_device_id: str


class LoginTokens:
    def __init__(self, store: Store, unapplied: Unapplied, users: Users) -> None:
        self._users = users
        self._rows = LiveRows(store, LOGIN_TOKENS, unapplied)

    async def prepare_new(self, command: NewLoginToken) -> TokenToBe:
        user = existing(await self._users.load(command.user_id))
        return TokenToBe(user, await self._rows.load(command.token_sha256))

    def new(self, command: NewLoginToken, prepared: TokenToBe, batch: Batch) -> UserReply:
        user, token = prepared
        check_may_log_in(existing(user).account)
        row = LoginTokenRow(command.token_sha256, user.user_id, batch.now_ms + command.lifetime_ms)
        fact = LoginTokenFact(token_sha256=row.token_sha256, expires_at_ms=row.expires_at_ms)
        self._rows.changed(token, row, batch.add(Fact(user_id=user.user_id, login_token=fact)))
        return UserReply()

    async def prepare_login(self, command: LoginWithToken) -> TokenLogin:
        token = await self._rows.load(command.token_sha256)
        if token.row is None:
            raise Forbidden(WRONG_TOKEN)
        return TokenLogin(await self._users.load(token.row.user_id), token, new_device_id())

    def login(self, command: LoginWithToken, prepared: TokenLogin, batch: Batch) -> UserReply:
        """ "The generated token MUST only be valid for a single login, enforced by the server." """
        user, token, new_id = prepared
        if token.row is None or token.row.expires_at_ms <= batch.now_ms:
            raise Forbidden(WRONG_TOKEN)
        check_may_log_in(user.account)
        session = start_session(self._users, batch, user, command.session, new_id)
        fact = LoginTokenFact(token_sha256=command.token_sha256, deleted=True)
        self._rows.changed(token, None, batch.add(Fact(user_id=user.user_id, login_token=fact)))
        return UserReply(session=session)
