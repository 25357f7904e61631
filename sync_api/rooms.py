"""The rooms that a worker follows: attached by its users, read on demand, dropped under a memory budget.

1 follow     the owner registers us: tables hold everything through the returned position
2 read       state, end of the timeline, receipts (facts that come meanwhile wait)
3 apply      the waiting facts, then each new one
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from typing import Any, Protocol

from service_kit.rpc.pb.room_queries_pb2 import (
    ReceiptsRequest,
    StateKey,
    StateRequest,
    TimelineRequest,
)
from service_kit.rpc.queries import RoomQueries
from service_kit.shards import ShardMap
from sync_api.entries import StateEvent, TimelineEvent
from sync_api.room_contents import MEMBERS_COMPLETE_MAX, TIMELINE_EVENTS_READ, RoomContents
from sync_api.room_view import RoomView
from sync_api.user_view import UserView

CONCURRENT_READS_MAX = 16
"""Rooms being read at a time by one worker."""


class RoomFollower(Protocol):
    """The part of `service_kit.ledger.follow.FactFollower` that is about rooms."""

    async def follow_room(self, room_id: str) -> int: ...

    async def unfollow_room(self, room_id: str) -> None: ...


class RoomViews:
    def __init__(self, queries: RoomQueries, follower: RoomFollower, shards: ShardMap, bytes_max: int) -> None:
        self._queries = queries
        self._follower = follower
        self._shards = shards
        self._bytes_max = bytes_max
        self._views: dict[str, RoomView] = {}
        self._users: dict[str, set[UserView]] = {}
        """this worker's users in each of these rooms"""
        self._attaching: dict[str, asyncio.Task[None]] = {}
        self._unfollowing: dict[str, asyncio.Task[None]] = {}
        self._recent: OrderedDict[str, RoomView] = OrderedDict()
        """rooms with contents, the most recently used last"""
        self._bytes_held = 0
        """of their contents, when they were read or last weighed"""
        self._reads = asyncio.Semaphore(CONCURRENT_READS_MAX)

    def get(self, room_id: str) -> RoomView | None:
        return self._views.get(room_id)

    def users_in(self, room_id: str) -> Collection[UserView]:
        return self._users.get(room_id, ())

    def __len__(self) -> int:
        return len(self._views)

    @property
    def loaded_count(self) -> int:
        return len(self._recent)

    # --- following ---

    async def attach(self, user: UserView, room_id: str) -> RoomView:
        """Follow the room for this user. Raises MatrixError if its owner cannot be reached."""
        while True:
            view = self._views.get(room_id)
            if view is not None and room_id not in self._attaching:
                self._users[room_id].add(user)
                return view
            task = self._attaching.get(room_id)
            if task is None:
                task = self._attaching[room_id] = asyncio.create_task(self._follow(room_id))
                task.add_done_callback(_retrieve)
            await asyncio.shield(task)

    def detach(self, user: UserView, view: RoomView) -> None:
        """The user left the room, or the worker. The room is unfollowed by the next `sweep` if nobody is left."""
        self._users[view.room_id].discard(user)

    async def sweep(self) -> None:
        """Unfollow the rooms that nobody is in any more."""
        idle = [room_id for room_id, users in self._users.items() if not users and room_id not in self._attaching]
        for room_id in idle:
            del self._views[room_id], self._users[room_id]
            self._recent.pop(room_id, None)
            self._unfollowing[room_id] = asyncio.create_task(self._unfollow(room_id))
        self._weigh()
        await asyncio.gather(*self._unfollowing.values(), return_exceptions=True)

    async def _follow(self, room_id: str) -> None:
        try:
            if (unfollowing := self._unfollowing.get(room_id)) is not None:
                await asyncio.wait([unfollowing])
            view = RoomView(room_id, self._shards.of_room(room_id).number)
            # Known before it is followed, so that no fact is missed in between.
            self._views[room_id], self._users[room_id] = view, set()
            try:
                view.known_from = await self._follower.follow_room(room_id)
            except BaseException:
                del self._views[room_id], self._users[room_id]
                raise
        finally:
            del self._attaching[room_id]

    async def _unfollow(self, room_id: str) -> None:
        try:
            await self._follower.unfollow_room(room_id)
        finally:
            del self._unfollowing[room_id]

    def facts_lost(self, shard_number: int) -> None:
        """Nothing is known of the rooms of this shard until they are read again."""
        for view in self._views.values():
            if view.shard_number == shard_number:
                view.forget()
                self._recent.pop(view.room_id, None)

    # --- contents ---

    async def contents(self, view: RoomView) -> RoomContents:
        """What is in the room, read if need be."""
        contents = view.contents
        if contents is not None:
            if view.room_id in self._recent:
                self._recent.move_to_end(view.room_id)
            return contents
        if view.loading is None:
            view.loading = asyncio.create_task(self._load(view))
            view.loading.add_done_callback(_retrieve)
        return await asyncio.shield(view.loading)

    async def _load(self, view: RoomView) -> RoomContents:
        contents = None
        try:
            async with self._reads:
                while contents is None:
                    lost_before = view.times_lost
                    view.begin_reading()
                    contents = await read_contents(self._queries, view.room_id)
                    if view.times_lost != lost_before:
                        contents = None
        finally:
            view.loading = None
            view.finish_reading(contents)
        if self._views.get(view.room_id) is view:
            self._recent[view.room_id] = view
            self._bytes_held += contents.weight()
            self._shrink()
        return contents

    def _shrink(self) -> None:
        """Drop the contents of the rooms that were not used for the longest time, but never the newest."""
        while self._bytes_held > self._bytes_max and len(self._recent) > 1:
            _, view = self._recent.popitem(last=False)
            if view.contents is not None:
                self._bytes_held -= view.contents.weight()
                view.contents = None

    def _weigh(self) -> None:
        """Rooms grow: their sizes are added up anew now and then."""
        self._bytes_held = sum(view.contents.weight() for view in self._recent.values() if view.contents is not None)
        self._shrink()

    async def close(self) -> None:
        for task in (*self._attaching.values(), *self._unfollowing.values()):
            task.cancel()
        for view in self._views.values():
            if view.loading is not None:
                view.loading.cancel()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Whoever waited for it may be gone: then nobody else asks how it ended."""
    if not task.cancelled():
        task.exception()


async def read_contents(queries: RoomQueries, room_id: str) -> RoomContents:
    contents = RoomContents(room_id)
    request = StateRequest(room_id=room_id, members_max=MEMBERS_COMPLETE_MAX, with_summary=True)
    async for chunk in queries.get_state(request):
        if chunk.HasField("summary"):
            contents.read_summary(chunk.summary)
            contents.members_complete = chunk.summary.members <= MEMBERS_COMPLETE_MAX
        for entry in chunk.entries:
            contents.read_state(StateEvent.from_entry(entry))
    await _read_timeline(queries, room_id, contents)
    first = True
    async for receipts in queries.get_receipts(ReceiptsRequest(room_id=room_id)):
        for row in sorted(receipts.receipts, key=lambda row: row.position):
            contents.apply_receipt(row.position, row.receipt)
        if first:
            for typing in receipts.typing:
                contents.apply_typing(receipts.typing_position, typing)
            contents.typing_position = receipts.typing_position
        first = False
    return contents


async def _read_timeline(queries: RoomQueries, room_id: str, contents: RoomContents) -> None:
    events: list[TimelineEvent] = []
    more = False
    async for chunk in queries.get_timeline(
        TimelineRequest(room_id=room_id, backwards=True, limit=TIMELINE_EVENTS_READ, with_aggregations=True)
    ):
        events += map(TimelineEvent.from_entry, chunk.entries)
        more = chunk.more
    contents.read_timeline(events, more=more)


async def refresh_heroes(queries: RoomQueries, room_id: str, contents: RoomContents) -> None:
    """Ask again who the first members of a large room are, after one of them left."""
    nothing_else = [StateKey(type="", state_key="")]
    request = StateRequest(room_id=room_id, with_summary=True, keys=nothing_else)
    contents.heroes_stale = False
    async for chunk in queries.get_state(request):
        if chunk.HasField("summary"):
            contents.hero_user_ids = list(chunk.summary.hero_user_ids)


async def read_state(queries: RoomQueries, request: StateRequest) -> AsyncIterator[StateEvent]:
    async for chunk in queries.get_state(request):
        for entry in chunk.entries:
            yield StateEvent.from_entry(entry)
