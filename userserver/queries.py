"""The answers to `user_queries.proto`: streamed reads of a user's records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from matrix_protocol.push_rules import PUSH_RULES
from service_kit.ledger.progress import Progress
from service_kit.rpc.pb.presence_pb2 import ShardPresence
from service_kit.rpc.pb.user_queries_pb2 import (
    AccountDataChunk,
    AccountDataEntry,
    AccountDataRequest,
    ShardPresenceRequest,
    ToDeviceChunk,
    ToDeviceEntry,
    ToDeviceRequest,
)
from service_kit.rpc.queries import WrongOwner
from service_kit.shards import USER, Shard, ShardMap
from service_kit.store.interface import SCAN_ROWS_MAX, Range, Store
from userserver.account_data import DEFAULT_POSITION, told_content
from userserver.presence_publisher import PresencePublisher
from userserver.tables import ACCOUNT_DATA, TO_DEVICE, TO_DEVICE_INBOXES, AccountDataRow

CHUNK_BYTES = 256 * 1024
CHUNK_ENTRIES_MAX = 500


class UserQueryService:
    """Answers from the tables. `owner_of` gives the owner of a shard that this worker serves, or None.

    Who asks for account data has followed the user's facts to some position before: so do the tables.
    """

    def __init__(
        self,
        store: Store,
        shards: ShardMap,
        owner_of: Callable[[Shard], Progress | None],
        presence: PresencePublisher,
    ) -> None:
        self._presence = presence
        self._store = store
        self._shards = shards
        self._owner_of = owner_of

    async def get_account_data(self, request: AccountDataRequest) -> AsyncIterator[AccountDataChunk]:
        """Entries after `after_position`, global ones first, then room by room; defaults last."""
        chunk, chunk_bytes = AccountDataChunk(), 0
        has_own_push_rules = False
        async for page in self._store.pages(ACCOUNT_DATA, (request.user_id,)):
            for row in page:
                if row.type == PUSH_RULES and not row.room_id:
                    has_own_push_rules = True
                    row = row._replace(content_json=told_content(*row[:4]))
                if row.position <= request.after_position:
                    continue
                chunk.entries.append(_entry(row))
                chunk_bytes += len(row.content_json)
                if chunk_bytes >= CHUNK_BYTES or len(chunk.entries) >= CHUNK_ENTRIES_MAX:
                    yield chunk
                    chunk, chunk_bytes = AccountDataChunk(), 0
        if not has_own_push_rules and request.after_position < DEFAULT_POSITION:
            content_json = told_content(request.user_id, "", PUSH_RULES, b"")
            chunk.entries.append(
                _entry(AccountDataRow(request.user_id, "", PUSH_RULES, content_json, DEFAULT_POSITION))
            )
        if chunk.entries:
            yield chunk

    def get_shard_presence(self, request: ShardPresenceRequest) -> AsyncIterator[ShardPresence]:
        return self._presence.everybody_in(Shard(USER, request.shard))

    async def get_to_device(self, request: ToDeviceRequest) -> AsyncIterator[ToDeviceChunk]:
        """Messages after `after_position`, with everything that was committed when the question came."""
        owner = self._owner_of(self._shards.of_user(request.user_id))
        if owner is None:
            raise WrongOwner(f"the shard of {request.user_id} is not served here")
        await owner.wait_applied(owner.committed_position)
        inbox = await self._store.get(TO_DEVICE_INBOXES, (request.user_id, request.device_id))
        after = max(request.after_position, 0 if inbox is None else inbox.delivered_through)
        rows = await self._store.scan(
            TO_DEVICE,
            (request.user_id, request.device_id),
            range=Range(after=after),
            limit=max(1, min(request.limit, SCAN_ROWS_MAX)),
        )
        chunk, chunk_bytes = ToDeviceChunk(), 0
        for row in rows:
            chunk.entries.append(
                ToDeviceEntry(position=row.position, sender=row.sender, type=row.type, content_json=row.content_json)
            )
            chunk_bytes += len(row.content_json)
            if chunk_bytes >= CHUNK_BYTES:
                yield chunk
                chunk, chunk_bytes = ToDeviceChunk(), 0
        if chunk.entries:
            yield chunk


def _entry(row: AccountDataRow) -> AccountDataEntry:
    return AccountDataEntry(room_id=row.room_id, type=row.type, content_json=row.content_json, position=row.position)
