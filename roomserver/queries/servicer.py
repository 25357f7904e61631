"""Implements `service_kit.rpc.queries.RoomQueries`: who may ask, what is read, in which chunks it goes out.

| question          | file                                          |
|-------------------|-----------------------------------------------|
| get_state         | state.py, summary.py                          |
| get_timeline      | timeline.py, event_filter.py                  |
| get_event         | event.py                                      |
| get_receipts      | receipts.py                                   |
| get_rooms_of_user | rooms_of_user.py                              |
| get_visible_users | visible_users.py                              |
| aliases, directory, summaries, upgrades, guests: directory_queries.py |
| relations, threads, aggregations, by timestamp: relation_queries.py |
| get_delayed_event | delayed_events.py                             |

Who may see what is decided in viewer.py. Everything is read from the tables,
after they hold all that was committed when the question came.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, cast

from matrix_protocol.errors import InvalidParam, NotFound
from roomserver.domain import RoomShardDomain
from roomserver.queries import state
from roomserver.queries.aggregations import Bundles, Onlooker
from roomserver.queries.delayed_events import delayed_events_of, read_delayed_event
from roomserver.queries.directory_queries import DirectoryQueries
from roomserver.queries.event import read_event, room_of_event
from roomserver.queries.event_filter import compile_filter
from roomserver.queries.receipts import receipt_chunks, receipts_of_user
from roomserver.queries.relation_queries import CHUNK_BYTES_MAX, RelationQueries, event_chunks
from roomserver.queries.retention import Retention
from roomserver.queries.rooms_of_user import rooms_of_user_chunks
from roomserver.queries.state import MEMBER, Wanted, state_pages
from roomserver.queries.summary import summary_of
from roomserver.queries.timeline import Buckets, Page, Span, fill_entry
from roomserver.queries.viewer import viewer_of
from roomserver.queries.visible_users import visible_users
from roomserver.retention_tables import BUCKETS, ROOMS_BY_SHARD
from roomserver.state.shard import OwnedShard
from roomserver.tables import ROOMS
from service_kit.ledger.domain import ShardDomain
from service_kit.ledger.progress import Progress
from service_kit.rpc.pb.delayed_events_pb2 import (
    DelayedEvent,
    DelayedEventRequest,
    DelayedEventsRequest,
    FinalisedDelayedEvent,
)
from service_kit.rpc.pb.room_queries_pb2 import (
    EventRequest,
    ReceiptsChunk,
    ReceiptsRequest,
    RoomOfEvent,
    RoomOfEventRequest,
    RoomsOfUserChunk,
    RoomsOfUserRequest,
    RoomSummary,
    StateChunk,
    StateRequest,
    TimelineChunk,
    TimelineEntry,
    TimelineRequest,
)
from service_kit.rpc.pb.search_queries_pb2 import (
    RoomsOfShardChunk,
    RoomsOfShardRequest,
    VisibleUsersAnswer,
    VisibleUsersRequest,
)
from service_kit.rpc.queries import WrongOwner
from service_kit.shards import ROOM, Shard, ShardMap
from service_kit.store.interface import Store

STATE_ENTRIES_MAX: Final = 500
LIMIT_MAX: Final = 1001
"""One more than the 1000 that a client may get at most: /sync asks for it, to know whether there are more."""


class Owner(Progress, Protocol):
    """The part of `service_kit.ledger.owner.ShardOwner` that questions need."""

    @property
    def domain(self) -> ShardDomain: ...


class RoomQueryService(RelationQueries, DirectoryQueries):
    """`owner_of` gives the owner object of a shard that this worker serves, or None."""

    def __init__(
        self,
        store: Store,
        shards: ShardMap,
        owner_of: Callable[[Shard], Owner | None],
        retention: Retention,
    ) -> None:
        self._store = store
        self._retention = retention
        self._shards = shards
        self._owner_of = owner_of
        self._buckets = Buckets(store)

    async def get_state(self, request: StateRequest) -> AsyncIterator[StateChunk]:
        """Raises Forbidden for users, NotFound for the server itself."""
        position = await self._committed_position(request.room_id)
        at_position = request.at_position
        if request.as_user_id:
            viewer = await viewer_of(
                self._store, request.room_id, request.as_user_id, await self._retention.oldest_ms(request.room_id)
            )
            if viewer.left_at_position:
                at_position = min(at_position or viewer.left_at_position, viewer.left_at_position)
        room = await self._store.get(ROOMS, (request.room_id,))
        if room is None:
            raise NotFound("There is no such room")
        chunk, chunk_bytes, chunk_entries = StateChunk(room_version=room.version, position=position), 0, 0
        not_types = set(request.not_types)
        if request.with_summary or request.members_max:
            summary = await self._summary(request.room_id)
            if request.members_max and summary.members > request.members_max:
                not_types.add(MEMBER)
            if request.with_summary:
                chunk.summary.CopyFrom(summary)
        wanted = Wanted(request.room_id, request.keys, frozenset(not_types), at_position, request.after_position)
        async for rows in state_pages(self._store, self._buckets, wanted):
            for row in rows:
                if chunk_entries >= STATE_ENTRIES_MAX or chunk_bytes >= CHUNK_BYTES_MAX:
                    yield chunk
                    chunk, chunk_bytes, chunk_entries = StateChunk(room_version=room.version, position=position), 0, 0
                state.add_entry(chunk, row)
                chunk_bytes += len(row.client_json)
                chunk_entries += 1
        yield chunk

    async def get_timeline(self, request: TimelineRequest) -> AsyncIterator[TimelineChunk]:
        """Raises Forbidden, InvalidParam, BadJson."""
        if not 1 <= request.limit <= LIMIT_MAX:
            raise InvalidParam(f"limit must be between 1 and {LIMIT_MAX}")
        position = await self._committed_position(request.room_id)
        matches = compile_filter(request.filter_json, request.room_id)
        span = Span(request.room_id, request.backwards, request.from_position, request.to_position)
        viewer = None
        if request.as_user_id:
            viewer = await viewer_of(
                self._store, request.room_id, request.as_user_id, await self._retention.oldest_ms(request.room_id)
            )
            span = _until(span, viewer.looks_until())
        page = Page(self._store, self._buckets, span, request.limit)
        rows = await page.read(viewer, matches)
        onlooker = Onlooker(viewer, frozenset(request.ignored_user_ids))
        bundled = {}
        if request.with_aggregations:
            bundled = await Bundles(self._store, request.room_id, onlooker).of_span(rows)
        async for chunk in event_chunks(rows, onlooker, bundled, position):
            chunk.more, chunk.next_position = page.more, page.next_position
            yield chunk

    async def get_event(self, request: EventRequest) -> TimelineEntry:
        """Raises NotFound, also for events that the user may not see."""
        await self._committed_position(request.room_id)
        seen = await read_event(
            self._store,
            request.room_id,
            request.event_id,
            request.as_user_id,
            await self._retention.oldest_ms(request.room_id),
        )
        entry = TimelineEntry()
        fill_entry(entry, seen.row, seen.viewer_membership)
        if request.with_aggregations:
            onlooker = await self._onlooker(request.room_id, request.as_user_id, request.ignored_user_ids)
            bundled = await Bundles(self._store, request.room_id, onlooker).of_rows([seen.row])
            if seen.row.position in bundled:
                entry.aggregations.CopyFrom(bundled[seen.row.position])
        return entry

    async def get_room_of_event(self, request: RoomOfEventRequest) -> RoomOfEvent:
        """Says nothing of who may see the event: the asker asks for the event next. Raises NotFound."""
        return RoomOfEvent(room_id=await room_of_event(self._store, request.event_id))

    async def get_receipts(self, request: ReceiptsRequest) -> AsyncIterator[ReceiptsChunk]:
        await self._committed_position(request.room_id)
        if request.user_id:
            yield await receipts_of_user(self._store, request.room_id, request.user_id)
            return
        async for chunk in receipt_chunks(self._store, self._shards.of_room(request.room_id), request.room_id):
            yield chunk

    async def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]:
        """Rooms of all shards: who needs them complete follows the user's facts first."""
        async for chunk in rooms_of_user_chunks(self._store, request.user_id):
            yield chunk

    async def get_delayed_event(self, request: DelayedEventRequest) -> FinalisedDelayedEvent:
        """Raises NotFound."""
        shard = Shard(ROOM, request.shard_number)
        await self._committed_in(shard)
        return await read_delayed_event(self._store, shard, request)

    async def get_delayed_events(self, request: DelayedEventsRequest) -> AsyncIterator[DelayedEvent]:
        """Of all shards: one that was scheduled, sent or cancelled just now may be missing, or still be there."""
        async for event in delayed_events_of(self._store, self._shards, request.user_id):
            yield event

    async def get_rooms_of_shard(self, request: RoomsOfShardRequest) -> AsyncIterator[RoomsOfShardChunk]:
        """At least one chunk, also where there are no rooms."""
        position = await self._committed_in(Shard(ROOM, request.shard))
        yield RoomsOfShardChunk(position=position)
        for bucket in range(BUCKETS):
            async for page in self._store.pages(ROOMS_BY_SHARD, (str(Shard(ROOM, request.shard)), bucket)):
                yield RoomsOfShardChunk(room_ids=[row.room_id for row in page], position=position)

    async def get_visible_users(self, request: VisibleUsersRequest) -> VisibleUsersAnswer:
        """Raises InvalidParam. Of any worker: as of the tables."""
        return VisibleUsersAnswer(user_ids=await visible_users(self._store, request.as_user_id, request.user_ids))

    async def _summary(self, room_id: str) -> RoomSummary:
        room = await self._owned(self._shards.of_room(room_id)).load(room_id)
        if room is None:
            raise WrongOwner
        return summary_of(room)

    def _owned(self, shard: Shard) -> OwnedShard:
        owner = self._owner_of(shard)
        if owner is None:
            raise WrongOwner
        return cast(RoomShardDomain, owner.domain).owned

    async def _committed_position(self, key: str) -> int:
        """What is committed now in the shard of this room or alias; on return the tables hold it. Raises WrongOwner."""
        return await self._committed_in(self._shards.of_room(key))

    async def _committed_in(self, shard: Shard) -> int:
        owner = self._owner_of(shard)
        if owner is None:
            raise WrongOwner
        position = owner.committed_position
        if owner.applied_position < position:
            try:
                await owner.wait_applied(position)
            except CancelledError:
                if self._owner_of(shard) is owner:
                    raise  # it is the question that was given up
                raise WrongOwner from None
        return position


def _until(span: Span, last_position: int) -> Span:
    """The part of the span up to this position (0 = no limit)."""
    if not last_position:
        return span
    if span.backwards:
        return span._replace(from_position=min(span.from_position or last_position, last_position))
    return span._replace(to_position=min(span.to_position or last_position, last_position))
