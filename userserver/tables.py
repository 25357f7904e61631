"""The userserver's tables, and the rows that each fact makes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from service_kit.limits import TO_DEVICE_AGE_S_MAX
from service_kit.rpc.pb.facts_pb2 import (
    AccountDataFact,
    AccountFact,
    DeviceFact,
    Fact,
    FilterFact,
    PresenceStatusFact,
    ProfileFact,
    ThirdPartyId,
    ToDeviceDeliveredFact,
    ToDeviceFact,
    TokenFact,
)
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write
from service_kit.store.schema import Table
from userserver.credential_tables import CREDENTIAL_TABLES, CREDENTIAL_WRITES
from userserver.report_tables import REPORT_TABLES, content_report_writes, notice_room_writes

WRITER = "userserver"
_THIRD_PARTY_ID_FIELDS = ("medium", "address", "validated_at_ms", "added_at_ms")

TO_DEVICE_TRANSACTION_TTL_S = 86_400
"""Clients repeat a request for minutes, after a restart perhaps for hours."""


class AccountRow(NamedTuple):
    user_id: str
    password_hash: str
    """argon2id, encoded with its parameters; "" = no login with a password"""
    admin: bool
    deactivated: bool
    """the row stays, so that nobody else gets the name"""
    created_at_ms: int
    guest: bool
    locked: bool | None = None
    suspended: bool | None = None
    accepted_policies: str | None = None
    """at registration, one "<name> <version>" a line"""
    third_party_ids_json: bytes | None = None
    """addresses that were proven: [{"medium", "address", "validated_at_ms", "added_at_ms"}]"""


class DeviceRow(NamedTuple):
    user_id: str
    device_id: str
    display_name: str
    created_at_ms: int
    last_seen_ip: str | None = None
    last_seen_ts_ms: int | None = None


class TokenRow(NamedTuple):
    token_sha256: bytes
    user_id: str


class TokenByUserRow(NamedTuple):
    user_id: str
    token_sha256: bytes
    device_id: str
    expires_at_ms: int
    """0 = never"""
    is_refresh_token: bool
    replaces_sha256: bytes
    """the refresh token that this one was got with, until this one was used; then empty"""


class ProfileRow(NamedTuple):
    user_id: str
    profile_json: bytes


class AccountDataRow(NamedTuple):
    user_id: str
    room_id: str
    """"" = global"""
    type: str
    content_json: bytes
    position: int
    """in the ledger of the user's shard"""


class FilterRow(NamedTuple):
    user_id: str
    filter_id: str
    filter_json: bytes


class PresenceStatusRow(NamedTuple):
    """Presence itself is in memory alone (ADR-0020); this is what the user has said about themselves."""

    user_id: str
    status_msg: str


class ToDeviceRow(NamedTuple):
    """A message that waits for a device; the last two columns tell how full the inbox is without counting."""

    user_id: str
    device_id: str
    position: int
    """in the ledger of the user's shard"""
    sender: str
    type: str
    content_json: bytes
    messages_through: int
    """of all messages that were ever put into this inbox, with this one"""
    bytes_through: int
    """of their contents"""


class ToDeviceInboxRow(NamedTuple):
    """Where an inbox begins: what stood in it through here is not for the device (any more)."""

    user_id: str
    device_id: str
    delivered_through: int


class ToDeviceTransactionRow(NamedTuple):
    """A request to send that was carried out in this shard."""

    shard: int
    transaction_sha256: bytes
    position: int


class UserByShardRow(NamedTuple):
    """About 60 bytes a user: ten million users in 64 shards make partitions of 9 MB."""

    shard: int
    user_id: str
    admin: bool
    deactivated: bool
    created_at_ms: int
    guest: bool


ACCOUNTS = Table("accounts", AccountRow, partition_key=1, clustering_key=0, writer=WRITER)
DEVICES = Table("devices_by_user", DeviceRow, partition_key=1, clustering_key=1, writer=WRITER)
TOKENS = Table("tokens", TokenRow, partition_key=1, clustering_key=0, writer=WRITER)
TOKENS_BY_USER = Table("tokens_by_user", TokenByUserRow, partition_key=1, clustering_key=1, writer=WRITER)
PROFILES = Table("profiles", ProfileRow, partition_key=1, clustering_key=0, writer=WRITER)
ACCOUNT_DATA = Table("account_data_by_user", AccountDataRow, partition_key=1, clustering_key=2, writer=WRITER)
FILTERS = Table("filters_by_user", FilterRow, partition_key=1, clustering_key=1, writer=WRITER)
PRESENCE_STATUS = Table("presence_status_by_user", PresenceStatusRow, partition_key=1, clustering_key=0, writer=WRITER)
TO_DEVICE = Table(
    "to_device_by_device", ToDeviceRow, partition_key=2, clustering_key=1, writer=WRITER, ttl_s=TO_DEVICE_AGE_S_MAX
)
TO_DEVICE_INBOXES = Table(
    "to_device_inboxes",
    ToDeviceInboxRow,
    partition_key=1,
    clustering_key=1,
    writer=WRITER,
    ttl_s=TO_DEVICE_AGE_S_MAX + 86_400,  # longer than anything that it says is delivered
)
TO_DEVICE_TRANSACTIONS = Table(
    "to_device_transactions",
    ToDeviceTransactionRow,
    partition_key=2,
    clustering_key=0,
    writer=WRITER,
    ttl_s=TO_DEVICE_TRANSACTION_TTL_S,
)
USERS_BY_SHARD = Table("users_by_shard", UserByShardRow, partition_key=1, clustering_key=1, writer=WRITER)

TABLES: tuple[Table[Any], ...] = (
    ACCOUNTS,
    DEVICES,
    TOKENS,
    TOKENS_BY_USER,
    PROFILES,
    ACCOUNT_DATA,
    FILTERS,
    PRESENCE_STATUS,
    TO_DEVICE,
    TO_DEVICE_INBOXES,
    TO_DEVICE_TRANSACTIONS,
    USERS_BY_SHARD,
    *CREDENTIAL_TABLES,
    *REPORT_TABLES,
)


def writes_for(shard: Shard, position: int, fact: Fact) -> list[Write]:
    """The rows that this fact makes: pure and idempotent, so that it also serves to redo."""
    kind = fact.WhichOneof("body")
    if kind is None or kind not in _WRITES:
        return []
    return _WRITES[kind](shard, position, fact.user_id, getattr(fact, kind))


def account_row(user_id: str, fact: AccountFact) -> AccountRow:
    return AccountRow(
        user_id,
        fact.password_hash,
        fact.admin,
        fact.deactivated,
        fact.created_at_ms,
        fact.guest,
        fact.locked,
        fact.suspended,
        "\n".join(fact.accepted_policies) or None,
        third_party_ids_json(fact.third_party_ids),
    )


def account_fact(row: AccountRow) -> AccountFact:
    """The fact that makes this row."""
    return AccountFact(
        user_id=row.user_id,
        password_hash=row.password_hash,
        admin=row.admin,
        deactivated=row.deactivated,
        created_at_ms=row.created_at_ms,
        guest=row.guest,
        locked=bool(row.locked),
        suspended=bool(row.suspended),
        accepted_policies=(row.accepted_policies or "").splitlines(),
        third_party_ids=third_party_ids_of(row),
    )


def third_party_ids_of(row: AccountRow) -> list[ThirdPartyId]:
    return [ThirdPartyId(**each) for each in orjson.loads(row.third_party_ids_json or b"[]")]


def third_party_ids_json(ids: Iterable[ThirdPartyId]) -> bytes | None:
    """None if there are none."""
    listed = [{name: getattr(each, name) for name in _THIRD_PARTY_ID_FIELDS} for each in ids]
    return orjson.dumps(listed) if listed else None


def device_row(user_id: str, fact: DeviceFact) -> DeviceRow:
    return DeviceRow(
        user_id, fact.device_id, fact.display_name, fact.created_at_ms, fact.last_seen_ip, fact.last_seen_ts_ms
    )


def device_fact(row: DeviceRow) -> DeviceFact:
    """The fact that makes this row."""
    return DeviceFact(
        device_id=row.device_id,
        display_name=row.display_name,
        created_at_ms=row.created_at_ms,
        last_seen_ip=row.last_seen_ip or "",
        last_seen_ts_ms=row.last_seen_ts_ms or 0,
    )


def token_row(user_id: str, fact: TokenFact) -> TokenByUserRow:
    return TokenByUserRow(
        user_id, fact.token_sha256, fact.device_id, fact.expires_at_ms, fact.is_refresh_token, fact.replaces_sha256
    )


def _account(shard: Shard, position: int, user_id: str, fact: AccountFact) -> list[Write]:
    listed = UserByShardRow(shard.number, user_id, fact.admin, fact.deactivated, fact.created_at_ms, fact.guest)
    return [Put(ACCOUNTS, account_row(user_id, fact)), Put(USERS_BY_SHARD, listed)]


def _device(shard: Shard, position: int, user_id: str, fact: DeviceFact) -> list[Write]:
    if fact.deleted:
        tokens = [write for sha256 in fact.revoked_sha256 for write in _token_removal(user_id, sha256)]
        # A later device of the same name starts with an empty inbox.
        inbox = Put(TO_DEVICE_INBOXES, ToDeviceInboxRow(user_id, fact.device_id, position))
        return [Delete(DEVICES, (user_id, fact.device_id)), inbox, *tokens]
    return [Put(DEVICES, device_row(user_id, fact))]


def _token(shard: Shard, position: int, user_id: str, fact: TokenFact) -> list[Write]:
    if fact.deleted:
        return _token_removal(user_id, fact.token_sha256)
    return [Put(TOKENS, TokenRow(fact.token_sha256, user_id)), Put(TOKENS_BY_USER, token_row(user_id, fact))]


def _token_removal(user_id: str, token_sha256: bytes) -> list[Write]:
    return [Delete(TOKENS, (token_sha256,)), Delete(TOKENS_BY_USER, (user_id, token_sha256))]


def _profile(shard: Shard, position: int, user_id: str, fact: ProfileFact) -> list[Write]:
    if not fact.profile_json:
        return [Delete(PROFILES, (user_id,))]
    return [Put(PROFILES, ProfileRow(user_id, fact.profile_json))]


def _account_data(shard: Shard, position: int, user_id: str, fact: AccountDataFact) -> list[Write]:
    if not fact.content_json:
        return [Delete(ACCOUNT_DATA, (user_id, fact.room_id, fact.type))]
    return [Put(ACCOUNT_DATA, AccountDataRow(user_id, fact.room_id, fact.type, fact.content_json, position))]


def _filter(shard: Shard, position: int, user_id: str, fact: FilterFact) -> list[Write]:
    if not fact.filter_json:
        return [Delete(FILTERS, (user_id, fact.filter_id))]
    return [Put(FILTERS, FilterRow(user_id, fact.filter_id, fact.filter_json))]


def _presence_status(shard: Shard, position: int, user_id: str, fact: PresenceStatusFact) -> list[Write]:
    if not fact.status_msg:
        return [Delete(PRESENCE_STATUS, (user_id,))]
    return [Put(PRESENCE_STATUS, PresenceStatusRow(user_id, fact.status_msg))]


def _to_device(shard: Shard, position: int, user_id: str, fact: ToDeviceFact) -> list[Write]:
    writes: list[Write] = []
    if fact.transaction_sha256:
        done = ToDeviceTransactionRow(shard.number, fact.transaction_sha256, position)
        writes.append(Put(TO_DEVICE_TRANSACTIONS, done))
    for content in fact.contents:
        for target in content.targets:
            row = ToDeviceRow(
                user_id,
                target.device_id,
                position,
                fact.sender,
                fact.type,
                content.content_json,
                target.messages_through,
                target.bytes_through,
            )
            writes.append(Put(TO_DEVICE, row))
    return writes


def _to_device_delivered(shard: Shard, position: int, user_id: str, fact: ToDeviceDeliveredFact) -> list[Write]:
    inbox = Put(TO_DEVICE_INBOXES, ToDeviceInboxRow(user_id, fact.device_id, fact.through_position))
    return [inbox, *(Delete(TO_DEVICE, (user_id, fact.device_id, delivered)) for delivered in fact.positions)]


_WRITES: dict[str, Callable[[Shard, int, str, Any], list[Write]]] = {
    "account": _account,
    "device": _device,
    "token": _token,
    "profile": _profile,
    "account_data": _account_data,
    "filter": _filter,
    **CREDENTIAL_WRITES,
    "content_report": content_report_writes,
    "presence_status": _presence_status,
    "to_device": _to_device,
    "to_device_delivered": _to_device_delivered,
    "notice_room": notice_room_writes,
}
