"""Tables of what proves who somebody is, for a while: rows that end by themselves."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from service_kit.rpc.pb.facts_pb2 import LoginTokenFact
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write
from service_kit.store.schema import Table

WRITER: Final = "userserver"
LOGIN_TOKEN_LIFETIME_MAX_S: Final = 3600


class LoginTokenRow(NamedTuple):
    token_sha256: bytes
    user_id: str
    expires_at_ms: int


LOGIN_TOKENS = Table(
    "login_tokens", LoginTokenRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=LOGIN_TOKEN_LIFETIME_MAX_S
)

CREDENTIAL_TABLES: tuple[Table[Any], ...] = (LOGIN_TOKENS,)


def login_token_writes(shard: Shard, position: int, user_id: str, fact: LoginTokenFact) -> list[Write]:
    if fact.deleted:
        return [Delete(LOGIN_TOKENS, (fact.token_sha256,))]
    return [Put(LOGIN_TOKENS, LoginTokenRow(fact.token_sha256, user_id, fact.expires_at_ms))]
