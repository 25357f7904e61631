"""The threads of a room, those with the latest replies first.

    thread_buckets_by_room   which buckets of the timeline to look into
    threads_by_room          in each: threads by the position of their latest reply

Spec: https://spec.matrix.org/v1.19/client-server-api/#querying-threads-in-a-room
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import orjson

from matrix_protocol.events.redaction import redact_content
from matrix_protocol.room_versions import RoomVersionRules
from roomserver.queries.aggregations import Onlooker
from roomserver.tables import (
    THREAD_BUCKETS_BY_ROOM,
    THREAD_PARTICIPANTS,
    THREADS_BY_ROOM,
    TIMELINE_BY_ROOM,
    ThreadRow,
    TimelineRow,
)
from service_kit.rpc.pb.room_queries_pb2 import ThreadsRequest
from service_kit.store.interface import Range, Store

ROWS_PER_PAGE_MAX: Final = 2000
"""Threads that are looked at for one page, however few of them are wanted."""
BUCKETS_PER_PAGE_MAX: Final = 1000
READ_TOGETHER: Final = 100


class ThreadsPage:
    """One page; `more` and `next_position` are right after `read`."""

    def __init__(self, store: Store, request: ThreadsRequest, onlooker: Onlooker, bucket: int) -> None:
        """`bucket` is that of `from_position`, or the room's last one."""
        self._store = store
        self._request = request
        self._onlooker = onlooker
        self._bucket = bucket
        self.more = False
        self.next_position = request.from_position

    async def read(self) -> list[TimelineRow]:
        """At most `limit` roots. Each has a reply that the viewer may see only as far as its aggregation tells."""
        found: list[TimelineRow] = []
        batch: list[ThreadRow] = []
        looked_at = 0
        async for thread in self._threads():
            if len(batch) >= min(READ_TOGETHER, self._request.limit - len(found)):
                found += await self._shown(batch)
                batch = []
            if len(found) >= self._request.limit or looked_at >= ROWS_PER_PAGE_MAX:
                self.more = True
                break
            looked_at += 1
            self.next_position = thread.position - 1
            batch.append(thread)
        return found + await self._shown(batch)

    async def _threads(self) -> AsyncIterator[ThreadRow]:
        """All of them, from the position on."""
        room_id, position = self._request.room_id, self._request.from_position or None
        buckets = await self._store.scan(
            THREAD_BUCKETS_BY_ROOM,
            (room_id,),
            range=Range(through=self._bucket),
            limit=BUCKETS_PER_PAGE_MAX,
            reverse=True,
        )
        for row in buckets:
            rows: list[ThreadRow] | None = None
            while rows is None or len(rows) == READ_TOGETHER:
                rows = await self._store.scan(
                    THREADS_BY_ROOM,
                    (room_id, row.bucket),
                    range=Range(through=position),
                    limit=READ_TOGETHER,
                    reverse=True,
                )
                for thread in rows:
                    position = thread.position - 1
                    yield thread

    async def _shown(self, threads: Sequence[ThreadRow]) -> list[TimelineRow]:
        """The roots of those that are wanted and that the viewer may see."""
        wanted = await self._participated(threads) if self._request.only_participated else threads
        if not wanted:
            return []
        keys = [(thread.room_id, thread.root_bucket, thread.root_position) for thread in wanted]
        rows = await self._store.get_many(TIMELINE_BY_ROOM, keys)
        return [row for row in rows if row is not None and await self._onlooker.sees(row)]

    async def _participated(self, threads: Sequence[ThreadRow]) -> list[ThreadRow]:
        """ "The `sender` of the thread root event", or "of an event which references the thread root"."""
        user_id = self._request.as_user_id
        keys = [(thread.room_id, thread.root_event_id, user_id) for thread in threads]
        rows = await self._store.get_many(THREAD_PARTICIPANTS, keys) if keys else []
        return [
            thread
            for thread, row in zip(threads, rows, strict=True)
            if thread.root_sender == user_id or (row is not None and row.replies > 0)
        ]


def without_content(row: TimelineRow, rules: RoomVersionRules) -> TimelineRow:
    """ "If the thread root event was sent by an ignored user, the event is returned redacted to the caller." """
    client = orjson.loads(row.client_json)
    client["content"] = dict(redact_content(row.type, client["content"], rules.redaction))
    client["unsigned"] = {}
    return row._replace(client_json=orjson.dumps(client))
