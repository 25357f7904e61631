"""The receipts of a room, or of one user in it, and who is typing; private receipts too: the asker shows those to
their owner alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from roomserver.input.receipts import MAIN_THREAD, RECEIPT_TYPES
from roomserver.tables import RECEIPTS_BY_ROOM, TYPING_BY_SHARD, TYPING_CHANGE_BY_ROOM, ReceiptRow
from service_kit.rpc.pb.facts_pb2 import ReceiptFact, TypingFact
from service_kit.rpc.pb.room_queries_pb2 import ReceiptEntry, ReceiptsChunk
from service_kit.shards import Shard
from service_kit.store.interface import Range, Store

TYPING_MAX: Final = 100


async def receipts_of_user(store: Store, room_id: str, user_id: str) -> ReceiptsChunk:
    """Those of the main timeline and of all threads at once: single rows, however many others have read the room."""
    keys = [
        (room_id, receipt_type, thread_id, user_id) for receipt_type in RECEIPT_TYPES for thread_id in ("", MAIN_THREAD)
    ]
    rows = await store.get_many(RECEIPTS_BY_ROOM, keys)
    return ReceiptsChunk(receipts=[_entry(row) for row in rows if row is not None])


async def receipt_chunks(store: Store, shard: Shard, room_id: str) -> AsyncIterator[ReceiptsChunk]:
    """A chunk for each page of the store (at most 1000), one at least."""
    typing = await store.scan(TYPING_BY_SHARD, (str(shard),), range=Range(prefix=(room_id,)), limit=TYPING_MAX)
    changed = await store.get(TYPING_CHANGE_BY_ROOM, (room_id,))
    chunk = ReceiptsChunk(
        typing=[TypingFact(user_id=row.user_id, typing=True, expires_at_ms=row.expires_at_ms) for row in typing],
        typing_position=changed.position if changed is not None else 0,
    )
    async for page in store.pages(RECEIPTS_BY_ROOM, (room_id,)):
        chunk.receipts.extend(map(_entry, page))
        yield chunk
        chunk = ReceiptsChunk()
    yield chunk


def _entry(row: ReceiptRow) -> ReceiptEntry:
    receipt = ReceiptFact(
        user_id=row.user_id,
        receipt_type=row.receipt_type,
        event_id=row.event_id,
        thread_id=row.thread_id,
        ts_ms=row.ts_ms,
        event_position=row.event_position or 0,
    )
    return ReceiptEntry(position=row.position, receipt=receipt)
