"""The answers to `user_queries.proto`: streamed reads of a user's records."""

from __future__ import annotations

from collections.abc import AsyncIterator

from matrix_protocol.push_rules import PUSH_RULES
from service_kit.rpc.pb.user_queries_pb2 import AccountDataChunk, AccountDataEntry, AccountDataRequest
from service_kit.store.interface import Store
from userserver.account_data import DEFAULT_POSITION, told_content
from userserver.tables import ACCOUNT_DATA, AccountDataRow

CHUNK_BYTES = 256 * 1024
CHUNK_ENTRIES_MAX = 500


class UserQueryService:
    """Answers from the tables. Who asks has followed the user's facts to some position before: so do the tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

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


def _entry(row: AccountDataRow) -> AccountDataEntry:
    return AccountDataEntry(room_id=row.room_id, type=row.type, content_json=row.content_json, position=row.position)
