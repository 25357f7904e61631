"""Looking into a room without being in it: a long poll that follows the room for as long as it lasts.

Who may look is decided by the roomserver, for each page: world-readable rooms, as long as they are.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-previews
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from matrix_protocol.errors import UnknownToken
from service_kit.rpc.pb.room_queries_pb2 import TimelineEntry, TimelineRequest
from service_kit.rpc.queries import GET_TIMELINE, Asker
from service_kit.tokens import SyncToken
from sync_api.positions import Positions
from sync_api.rooms import RoomViews
from sync_api.sync_waiters import SyncWaiters
from sync_api.user_view import UserView
from sync_api.users import UserViews

EVENTS_MAX = 100
"""Of one answer; the next one goes on from there."""


class Peek(NamedTuple):
    user_id: str
    room_id: str
    since: SyncToken | None
    """None = from now on"""
    timeout_ms: int
    token_sha256: bytes
    """of the access token; its end is that of the long poll"""


class Peeked(NamedTuple):
    start: SyncToken
    end: SyncToken
    entries: list[TimelineEntry]


class Peeking:
    def __init__(
        self, rooms: RoomViews, users: UserViews, waiters: SyncWaiters, positions: Positions, asker: Asker
    ) -> None:
        self._rooms = rooms
        self._users = users
        self._waiters = waiters
        self._positions = positions
        self._asker = asker
        self._peeks: Counter[tuple[str, str]] = Counter()
        """requests under way, by user and room"""

    async def is_joined(self, user_id: str, room_id: str) -> bool:
        user = await self._users.enter(user_id)
        try:
            membership = user.memberships.get(room_id)
            return membership is not None and membership.membership == "join"
        finally:
            self._users.leave(user)

    async def events(self, peek: Peek) -> Peeked:
        """What happens in the room after `since`. Raises Forbidden."""
        # Nobody makes a worker follow a room that they may not look into.
        await self._page(peek, SyncToken((), 0), 0, 0)
        user = await self._users.enter(peek.user_id)
        waiter = self._waiters.add(user, peek.timeout_ms, peek.token_sha256)
        key = (peek.user_id, peek.room_id)
        self._peeks[key] += 1
        view = None
        try:
            view = await self._rooms.attach(user, peek.room_id)
            start = since = peek.since or self._now(user)
            number = view.shard_number
            while True:
                waiter.has_news = False
                through = self._now(user)
                page = await self._page(peek, since, number, through.rooms[number])
                if waiter.is_revoked:
                    raise UnknownToken("The access token has been revoked", soft_logout=False)
                if page.entries or waiter.is_over:
                    return page._replace(start=start)
                since = page.end
                await waiter.wait()
        finally:
            self._peeks[key] -= 1
            if not self._peeks[key]:
                del self._peeks[key]
                if view is not None and peek.room_id not in user.joined:
                    self._rooms.detach(user, view)
            self._waiters.remove(waiter)
            self._users.leave(user)

    def _now(self, user: UserView) -> SyncToken:
        return SyncToken(self._positions.of_rooms(), self._positions.of_user(user.user_id))

    async def _page(self, peek: Peek, since: SyncToken, number: int, through_position: int) -> Peeked:
        """The events after `since`, of which only the room's shard counts. Positions 0: only whether it is allowed."""
        after = since.rooms[number] if since.rooms else 0
        if since.rooms and through_position <= after:
            return Peeked(since, since, [])
        request = TimelineRequest(
            room_id=peek.room_id,
            as_user_id=peek.user_id,
            from_position=after,
            to_position=through_position,
            limit=EVENTS_MAX if since.rooms else 1,
        )
        entries: list[TimelineEntry] = []
        reached = through_position
        async for chunk in self._asker.stream(GET_TIMELINE, request):
            entries += chunk.entries
            if chunk.more:
                reached = chunk.next_position
        end = since._replace(rooms=(*since.rooms[:number], reached, *since.rooms[number + 1 :]))
        return Peeked(since, end, entries)
