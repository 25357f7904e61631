"""Tables of what proves who somebody is, for a while: rows that end by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from service_kit.rpc.pb.facts_pb2 import AuthSessionFact, LoginTokenFact, RegistrationTokenFact
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write
from service_kit.store.schema import Table

WRITER: Final = "userserver"
LOGIN_TOKEN_LIFETIME_MAX_S: Final = 3600
AUTH_SESSION_LIFETIME_S: Final = 24 * 3600


class LoginTokenRow(NamedTuple):
    token_sha256: bytes
    user_id: str
    expires_at_ms: int


class AuthSessionRow(NamedTuple):
    session: str
    stages_json: bytes
    """the stages that were passed, in order: [stage, what was proven]"""


class RegistrationTokenRow(NamedTuple):
    """Of a token with limited uses; their number is as that of the tokens in the configuration."""

    token_sha256: bytes
    uses: int


LOGIN_TOKENS = Table(
    "login_tokens", LoginTokenRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=LOGIN_TOKEN_LIFETIME_MAX_S
)

AUTH_SESSIONS = Table(
    "auth_sessions", AuthSessionRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=AUTH_SESSION_LIFETIME_S
)
REGISTRATION_TOKENS = Table(
    "registration_tokens", RegistrationTokenRow, partition_key=1, clustering_key=0, writer=WRITER
)

CREDENTIAL_TABLES: tuple[Table[Any], ...] = (LOGIN_TOKENS, AUTH_SESSIONS, REGISTRATION_TOKENS)


def login_token_writes(shard: Shard, position: int, user_id: str, fact: LoginTokenFact) -> list[Write]:
    if fact.deleted:
        return [Delete(LOGIN_TOKENS, (fact.token_sha256,))]
    return [Put(LOGIN_TOKENS, LoginTokenRow(fact.token_sha256, user_id, fact.expires_at_ms))]


def auth_session_writes(shard: Shard, position: int, user_id: str, fact: AuthSessionFact) -> list[Write]:
    if not fact.stages_json:
        return [Delete(AUTH_SESSIONS, (fact.session,))]
    return [Put(AUTH_SESSIONS, AuthSessionRow(fact.session, fact.stages_json))]


def registration_token_writes(shard: Shard, position: int, user_id: str, fact: RegistrationTokenFact) -> list[Write]:
    return [Put(REGISTRATION_TOKENS, RegistrationTokenRow(fact.token_sha256, fact.uses))]


CREDENTIAL_WRITES: dict[str, Callable[[Shard, int, str, Any], list[Write]]] = {
    "login_token": login_token_writes,
    "auth_session": auth_session_writes,
    "registration_token": registration_token_writes,
}
"""By the kind of fact: the rows that it makes."""
