"""The questions about what relates to what, and about the time of events: a part of `servicer.RoomQueryService`.

| question               | file                       |
|------------------------|----------------------------|
| get_relations          | relations.py, related.py   |
| get_threads            | threads.py                 |
| get_aggregations       | aggregations.py            |
| get_event_by_timestamp | timestamps.py              |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

from matrix_protocol.errors import Forbidden, InvalidParam, NotFound
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.queries.aggregations import Bundles, Onlooker
from roomserver.queries.event import NOT_FOUND, read_event
from roomserver.queries.relations import RelatedPage
from roomserver.queries.retention import Retention
from roomserver.queries.threads import ThreadsPage, without_content
from roomserver.queries.timeline import Buckets, fill_entry
from roomserver.queries.timestamps import closest_event
from roomserver.queries.viewer import Viewer, viewer_of
from roomserver.tables import ROOMS, TIMELINE_BY_ROOM, TimelineRow
from service_kit.rpc.pb.room_queries_pb2 import (
    Aggregations,
    AggregationsChunk,
    AggregationsRequest,
    RelationsRequest,
    ThreadsRequest,
    TimelineChunk,
    TimelineEntry,
    TimestampRequest,
)
from service_kit.store.interface import SCAN_ROWS_MAX, Store

ENTRIES_MAX: Final = 200
CHUNK_BYTES_MAX: Final = 1024 * 1024
"""A chunk that has reached this goes out, however few entries it has."""
RELATED_LIMIT_MAX: Final = 1000


class RelationQueries:
    _store: Store
    _buckets: Buckets
    _retention: Retention

    async def _committed_position(self, room_id: str) -> int:
        raise NotImplementedError

    async def get_relations(self, request: RelationsRequest) -> AsyncIterator[TimelineChunk]:
        """Raises NotFound, InvalidParam."""
        _check_limit(request.limit)
        position = await self._committed_position(request.room_id)
        seen = await read_event(
            self._store,
            request.room_id,
            request.event_id,
            request.as_user_id,
            await self._retention.oldest_ms(request.room_id),
        )
        onlooker = await self._onlooker(request.room_id, request.as_user_id, request.ignored_user_ids)
        page = RelatedPage(self._store, request, onlooker)
        rows = await page.read(seen.row)
        bundled = await Bundles(self._store, request.room_id, onlooker).of_rows(rows)
        async for chunk in event_chunks(rows, onlooker, bundled, position):
            chunk.more, chunk.next_position = page.more, page.next_position
            yield chunk

    async def get_threads(self, request: ThreadsRequest) -> AsyncIterator[TimelineChunk]:
        """Raises Forbidden, InvalidParam."""
        _check_limit(request.limit)
        position = await self._committed_position(request.room_id)
        viewer = await viewer_of(
            self._store, request.room_id, request.as_user_id, await self._retention.oldest_ms(request.room_id)
        )
        onlooker = Onlooker(viewer, frozenset(request.ignored_user_ids))
        bucket = await self._buckets.last(request.room_id)
        if request.from_position and bucket > 0:
            bucket = await self._buckets.of_position(request.room_id, request.from_position, bucket)
        page = ThreadsPage(self._store, request, onlooker, bucket)
        rows = await page.read()
        # A state event may be a root, and here the thread is what is asked for.
        bundled = await Bundles(self._store, request.room_id, onlooker).of_rows(rows, state_too=True)
        rows = [row for row in rows if row.position in bundled and bundled[row.position].replies]
        rows = await self._without_ignored(rows, onlooker)
        async for chunk in event_chunks(rows, onlooker, bundled, position):
            chunk.more, chunk.next_position = page.more, page.next_position
            yield chunk

    async def get_aggregations(self, request: AggregationsRequest) -> AsyncIterator[AggregationsChunk]:
        """Of events of the timeline, by their positions; those with none are left out. Raises InvalidParam."""
        if len(request.positions) > SCAN_ROWS_MAX:
            raise InvalidParam(f"positions must be at most {SCAN_ROWS_MAX}")
        await self._committed_position(request.room_id)
        onlooker = await self._onlooker(request.room_id, request.as_user_id, request.ignored_user_ids)
        rows = await self._rows_at(request.room_id, request.positions)
        bundled = await Bundles(self._store, request.room_id, onlooker).of_span(rows)
        chunk, chunk_bytes = AggregationsChunk(), 0
        for at, aggregations in bundled.items():
            if chunk_bytes >= CHUNK_BYTES_MAX:
                yield chunk
                chunk, chunk_bytes = AggregationsChunk(), 0
            chunk.entries.add(position=at, aggregations=aggregations)
            chunk_bytes += aggregations.ByteSize()
        yield chunk

    async def get_event_by_timestamp(self, request: TimestampRequest) -> TimelineEntry:
        """Raises Forbidden, NotFound."""
        await self._committed_position(request.room_id)
        viewer = await viewer_of(
            self._store, request.room_id, request.as_user_id, await self._retention.oldest_ms(request.room_id)
        )
        row = await closest_event(self._store, request.room_id, viewer, request.ts_ms, backwards=request.backwards)
        if row is None:
            side = "before" if request.backwards else "after"
            raise NotFound(f"There is no event {side} {request.ts_ms} that you may see")
        entry = TimelineEntry()
        fill_entry(entry, row, "")
        return entry

    async def _onlooker(self, room_id: str, user_id: str, ignored_user_ids: Iterable[str]) -> Onlooker:
        """Somebody who may see this or that of the room."""
        if not user_id:
            return Onlooker(None)
        oldest_ms = await self._retention.oldest_ms(room_id)
        try:
            viewer = await viewer_of(self._store, room_id, user_id, oldest_ms)
        except Forbidden:  # single events may be open to all
            viewer = Viewer(self._store, room_id, user_id, None, oldest_ms)
        return Onlooker(viewer, frozenset(ignored_user_ids))

    async def _rows_at(self, room_id: str, positions: Sequence[int]) -> list[TimelineRow]:
        last = await self._buckets.last(room_id)
        if last < 0:
            return []
        keys = [(room_id, await self._buckets.of_position(room_id, at, last), at) for at in positions]
        rows = await self._store.get_many(TIMELINE_BY_ROOM, keys) if keys else []
        return [row for row in rows if row is not None]

    async def _without_ignored(self, rows: Sequence[TimelineRow], onlooker: Onlooker) -> list[TimelineRow]:
        if not any(row.sender in onlooker.ignored_user_ids for row in rows):
            return list(rows)
        room = await self._store.get(ROOMS, (rows[0].room_id,))
        if room is None:
            raise NotFound(NOT_FOUND)
        rules = ROOM_VERSIONS[room.version]
        return [without_content(row, rules) if row.sender in onlooker.ignored_user_ids else row for row in rows]


async def event_chunks(
    rows: Iterable[TimelineRow], onlooker: Onlooker, bundled: Mapping[int, Aggregations], position: int
) -> AsyncIterator[TimelineChunk]:
    """The events with what is bundled with them, in chunks; one at least."""
    chunk, chunk_bytes = TimelineChunk(position=position), 0
    for row in rows:
        if len(chunk.entries) >= ENTRIES_MAX or chunk_bytes >= CHUNK_BYTES_MAX:
            yield chunk
            chunk, chunk_bytes = TimelineChunk(position=position), 0
        entry = chunk.entries.add()
        fill_entry(entry, row, await onlooker.membership_after(row.position))
        if (aggregations := bundled.get(row.position)) is not None:
            entry.aggregations.CopyFrom(aggregations)
            chunk_bytes += aggregations.ByteSize()
        chunk_bytes += len(row.client_json)
    yield chunk


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= RELATED_LIMIT_MAX:
        raise InvalidParam(f"limit must be between 1 and {RELATED_LIMIT_MAX}")
