"""Tables of what proves who somebody is, for a while: rows that end by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from service_kit.rpc.pb.facts_pb2 import (
    AddressFact,
    AuthSessionFact,
    ChoreDoneFact,
    ChoreFact,
    LoginTokenFact,
    MailCountFact,
    RegistrationTokenFact,
    ValidationFact,
)
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write
from service_kit.store.schema import Table

WRITER: Final = "userserver"
LOGIN_TOKEN_LIFETIME_MAX_S: Final = 3600
AUTH_SESSION_LIFETIME_S: Final = 24 * 3600
VALIDATION_KEPT_S: Final = 2 * 24 * 3600
"""A link is good for a day at most, and so long again after it was followed."""


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


class AddressRow(NamedTuple):
    """Whose an address is."""

    server_name: str
    medium: str
    address: str
    user_id: str
    claimed_at_ms: int


class ValidationRow(NamedTuple):
    """Somebody shall prove, with a token that was mailed, that an address is theirs."""

    sid: str
    server_name: str
    medium: str
    address: str
    purpose: str
    client_secret_sha256: bytes
    created_at_ms: int
    validated_at_ms: int
    """0 = not yet"""
    expires_at_ms: int
    send_attempt: int
    next_link: str


class MailCountRow(NamedTuple):
    """How many mails went to an address since when."""

    address_code: str
    since_ms: int
    mails: int


class ChoreRow(NamedTuple):
    """What is still to be done; seldom more than a few rows a shard."""

    shard: int
    position: int
    """of its fact"""
    chore: bytes
    """a serialised ChoreFact"""


LOGIN_TOKENS = Table(
    "login_tokens", LoginTokenRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=LOGIN_TOKEN_LIFETIME_MAX_S
)

AUTH_SESSIONS = Table(
    "auth_sessions", AuthSessionRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=AUTH_SESSION_LIFETIME_S
)
REGISTRATION_TOKENS = Table(
    "registration_tokens", RegistrationTokenRow, partition_key=1, clustering_key=0, writer=WRITER
)
ADDRESSES = Table("users_by_address", AddressRow, partition_key=3, clustering_key=0, writer=WRITER)
VALIDATIONS = Table(
    "validations", ValidationRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=VALIDATION_KEPT_S
)
MAIL_COUNTS = Table(
    "mail_counts_by_address", MailCountRow, partition_key=1, clustering_key=0, writer=WRITER, ttl_s=VALIDATION_KEPT_S
)
CHORES = Table("chores_by_shard", ChoreRow, partition_key=1, clustering_key=1, writer=WRITER)

CREDENTIAL_TABLES: tuple[Table[Any], ...] = (
    LOGIN_TOKENS,
    AUTH_SESSIONS,
    REGISTRATION_TOKENS,
    ADDRESSES,
    VALIDATIONS,
    MAIL_COUNTS,
    CHORES,
)


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


def address_writes(shard: Shard, position: int, user_id: str, fact: AddressFact) -> list[Write]:
    key = (fact.server_name, fact.medium, fact.address)
    if not fact.user_id:
        return [Delete(ADDRESSES, key)]
    return [Put(ADDRESSES, AddressRow(*key, fact.user_id, fact.claimed_at_ms))]


def validation_writes(shard: Shard, position: int, user_id: str, fact: ValidationFact) -> list[Write]:
    if not fact.address:
        return [Delete(VALIDATIONS, (fact.sid,))]
    return [Put(VALIDATIONS, validation_row(fact))]


def validation_row(fact: ValidationFact) -> ValidationRow:
    return ValidationRow(*(getattr(fact, name) for name in ValidationRow._fields))


def validation_fact(row: ValidationRow) -> ValidationFact:
    """The fact that makes this row."""
    return ValidationFact(**row._asdict())


def mail_count_writes(shard: Shard, position: int, user_id: str, fact: MailCountFact) -> list[Write]:
    return [Put(MAIL_COUNTS, MailCountRow(fact.address_code, fact.since_ms, fact.mails))]


def chore_writes(shard: Shard, position: int, user_id: str, fact: ChoreFact) -> list[Write]:
    return [Put(CHORES, ChoreRow(shard.number, position, fact.SerializeToString()))]


def chore_done_writes(shard: Shard, position: int, user_id: str, fact: ChoreDoneFact) -> list[Write]:
    return [Delete(CHORES, (shard.number, fact.position))]


CREDENTIAL_WRITES: dict[str, Callable[[Shard, int, str, Any], list[Write]]] = {
    "login_token": login_token_writes,
    "auth_session": auth_session_writes,
    "registration_token": registration_token_writes,
    "address": address_writes,
    "validation": validation_writes,
    "mail_count": mail_count_writes,
    "chore": chore_writes,
    "chore_done": chore_done_writes,
}
"""By the kind of fact: the rows that it makes."""
