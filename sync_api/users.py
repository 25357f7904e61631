"""The users with a client connected to this worker: followed, read, kept up to date, dropped when idle.

1 follow    the user at every room shard (memberships), and at their own user shard (account data)
2 read      memberships and account data; facts that come meanwhile are applied as they come, and
            what is read afterwards does not undo them (each row carries its position)
3 attach    the rooms that the user is joined to
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from matrix_protocol.errors import MatrixError
from service_kit.clock import Clock
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.pb.user_queries_pb2 import AccountDataRequest
from service_kit.rpc.queries import RoomQueries, UserQueries
from service_kit.shards import ROOM, Shard, ShardMap
from sync_api.rooms import RoomViews
from sync_api.user_view import UserView

CONCURRENT_LOADS_MAX = 16
ATTACHED_AT_A_TIME = 200
SWEEP_S = 10.0
USERS_MAX = 50_000
"""Users held by one worker; the longest idle go first."""


class UserFollower(Protocol):
    """The part of `service_kit.ledger.follow.FactFollower` that is about users."""

    async def follow_user(self, user_id: str) -> int: ...

    async def unfollow_user(self, user_id: str) -> None: ...

    async def follow_user_in_rooms(self, user_id: str) -> object: ...

    async def unfollow_user_in_rooms(self, user_id: str) -> None: ...

    def position(self, shard: Shard) -> int: ...


class UserViews:
    def __init__(
        self,
        rooms: RoomViews,
        room_queries: RoomQueries,
        user_queries: UserQueries,
        follower: UserFollower,
        shards: ShardMap,
        clock: Clock,
        *,
        idle_s: float,
    ) -> None:
        self._rooms = rooms
        self._room_queries = room_queries
        self._user_queries = user_queries
        self._follower = follower
        self._shards = shards
        self._clock = clock
        self._idle_s = idle_s
        self._views: dict[str, UserView] = {}
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._loads = asyncio.Semaphore(CONCURRENT_LOADS_MAX)
        self._sweeper: asyncio.Task[None] | None = None

    def get(self, user_id: str) -> UserView | None:
        return self._views.get(user_id)

    def __len__(self) -> int:
        return len(self._views)

    # --- requests ---

    async def enter(self, user_id: str) -> UserView:
        """The user's view, for one request; `leave` it afterwards. Raises MatrixError."""
        while True:
            view = self._views.get(user_id)
            if view is not None and user_id not in self._loading:
                view.requests += 1
                return view
            task = self._loading.get(user_id)
            if task is None:
                task = self._loading[user_id] = asyncio.create_task(self._load(user_id))
                # Whoever waited for it may be gone: then nobody else asks how it ended.
                task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            await asyncio.shield(task)

    def leave(self, view: UserView) -> None:
        view.requests -= 1
        view.last_used_s = self._clock.monotonic_s()

    async def attach_rooms(self, view: UserView) -> None:
        """Follow the rooms that the user is joined to and that are not followed yet."""
        missing = [
            membership.room_id
            for membership in view.memberships.values()
            if membership.membership == "join" and membership.room_id not in view.joined
        ]
        for first in range(0, len(missing), ATTACHED_AT_A_TIME):
            batch = missing[first : first + ATTACHED_AT_A_TIME]
            for attached in await asyncio.gather(*(self._rooms.attach(view, room_id) for room_id in batch)):
                if (known := view.memberships.get(attached.room_id)) and known.membership == "join":
                    view.joined[attached.room_id] = attached
                else:
                    self._rooms.detach(view, attached)

    def detach_room(self, view: UserView, room_id: str) -> None:
        """The user is no longer joined to it."""
        if (room := view.joined.pop(room_id, None)) is not None:
            self._rooms.detach(view, room)

    # --- loading ---

    def facts_lost(self) -> None:
        """Facts could not be had any more: what the views say may be old."""
        for view in self._views.values():
            view.stale = True
            view.checkpoint = None
            view.inboxes.clear()

    async def refresh(self, view: UserView) -> None:
        """Read the view again if facts were lost."""
        if view.stale:
            view.stale = False
            try:
                await self._read(view)
            except BaseException:
                view.stale = True
                raise
            for room_id in [room_id for room_id in view.joined if view.memberships[room_id].membership != "join"]:
                self.detach_room(view, room_id)

    async def _load(self, user_id: str) -> None:
        try:
            async with self._loads:
                if (leaving := self._leaving.get(user_id)) is not None:
                    await asyncio.wait([leaving])
                view = UserView(user_id)
                view.last_used_s = self._clock.monotonic_s()
                # Known before it is followed, so that no fact is missed in between.
                self._views[user_id] = view
                try:
                    await asyncio.gather(
                        self._follower.follow_user_in_rooms(user_id), self._follower.follow_user(user_id)
                    )
                    await self._read(view)
                except BaseException:
                    self._drop(view)
                    raise
        finally:
            del self._loading[user_id]

    async def _read(self, view: UserView) -> None:
        async for chunk in self._room_queries.get_rooms_of_user(RoomsOfUserRequest(user_id=view.user_id)):
            for row in chunk.rooms:
                view.read_membership(row, self._shards.of_room(row.room_id).number)
        async for entries in self._user_queries.get_account_data(AccountDataRequest(user_id=view.user_id)):
            for entry in entries.entries:
                view.apply_account_data(entry.position, entry.room_id, entry.type, entry.content_json)
        for membership in view.memberships.values():
            number = membership.shard_number
            if membership.position > self._follower.position(Shard(ROOM, number)):
                view.ahead[number] = max(view.ahead.get(number, 0), membership.position)

    # --- dropping ---

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_forever())

    async def _sweep_forever(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_S)
            with suppress(MatrixError):
                await self.sweep()

    async def sweep(self) -> None:
        """Drop the users that no request has been about for long, and the rooms that only they were in."""
        before_s = self._clock.monotonic_s() - self._idle_s
        for view in list(self._views.values()):
            if not view.requests and view.user_id not in self._loading:
                surplus = len(self._views) > USERS_MAX
                if view.last_used_s <= before_s or surplus:
                    self._drop(view)
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        await self._rooms.sweep()

    def _drop(self, view: UserView) -> None:
        del self._views[view.user_id]
        for room_id in list(view.joined):
            self.detach_room(view, room_id)
        self._leaving[view.user_id] = asyncio.create_task(self._unfollow(view.user_id))

    async def _unfollow(self, user_id: str) -> None:
        try:
            await asyncio.gather(
                self._follower.unfollow_user_in_rooms(user_id),
                self._follower.unfollow_user(user_id),
                return_exceptions=True,
            )
        finally:
            del self._leaving[user_id]

    async def close(self) -> None:
        tasks = [*self._loading.values(), *self._leaving.values()]
        tasks += [self._sweeper] if self._sweeper is not None else []
        tasks += [task for view in self._views.values() for inbox in view.inboxes.values() for task in inbox.tasks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
