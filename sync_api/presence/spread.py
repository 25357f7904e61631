"""Whose change of presence concerns which of this worker's users: those who share a room that is not too large.

    presence.changed ──► queue ──► table ──► for each who has changed: their rooms (asked, remembered for a while)
                                             ├─► the users here who are in one of them: noted in their views, woken
                                             └─► the user themselves

The queue is worked off in order, and only then does the table's time go on, so that no token claims what a view
does not know yet. Nothing here happens when somebody sends a message.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable

from matrix_protocol.errors import MatrixError
from service_kit.bus.interface import Bus, Message, Subscription
from service_kit.bus.streams import PRESENCE_CHANGED
from service_kit.clock import Clock
from service_kit.limits import PRESENCE_ROOM_MEMBERS_MAX
from service_kit.rpc.pb.presence_pb2 import PresenceChanges, ShardPresence
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest, StateKey, StateRequest
from service_kit.rpc.pb.user_queries_pb2 import ShardPresenceRequest
from service_kit.rpc.queries import GET_ROOMS_OF_USER, GET_SHARD_PRESENCE, GET_STATE, Asker
from sync_api.presence.table import PresenceTable
from sync_api.rooms import RoomViews
from sync_api.sync_waiters import SyncWaiters
from sync_api.user_view import UserView
from sync_api.users import UserViews

QUEUE_MAX = 100
"""Messages; when more wait, something is missed, and asked for as a whole."""
REMEMBERED_USERS_MAX = 20_000
REMEMBERED_S = 300.0
"""Of a user whose joins and leaves are not heard of here: rooms that nobody of this worker is in."""
SIZES_MAX = 20_000
NEWS_MAX = 1000
"""In one view; more than that, and the client is told of everybody anew."""

_logger = logging.getLogger(__name__)


class PresenceSpread:
    def __init__(
        self,
        table: PresenceTable,
        rooms: RoomViews,
        users: UserViews,
        waiters: SyncWaiters,
        asker: Asker,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._table = table
        self._rooms = rooms
        self._users = users
        self._waiters = waiters
        self._asker = asker
        self._bus = bus
        self._clock = clock
        self._queue: asyncio.Queue[ShardPresence] = asyncio.Queue(QUEUE_MAX)
        self._rooms_of: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._subscription = await self._bus.subscribe(PRESENCE_CHANGED, self._on_changes)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def shared_rooms(self, user_id: str) -> frozenset[str]:
        """The rooms of a user that this worker follows and that are small enough to tell presence in."""
        now_s = self._clock.monotonic_s()
        until_s, room_ids = self._rooms_of.get(user_id, (0.0, frozenset()))
        if until_s <= now_s:
            request = RoomsOfUserRequest(user_id=user_id)
            chunks = self._asker.stream(GET_ROOMS_OF_USER, request)
            found = [room.room_id async for chunk in chunks for room in chunk.rooms if room.membership == "join"]
            room_ids = frozenset(found)
            self._rooms_of[user_id] = (now_s + REMEMBERED_S, room_ids)
            self._rooms_of.move_to_end(user_id)
            if len(self._rooms_of) > REMEMBERED_USERS_MAX:
                self._rooms_of.popitem(last=False)
        return frozenset([room_id for room_id in room_ids if await self._is_small(room_id)])

    def membership_changed(self, user_id: str, room_id: str, membership: str) -> None:
        """In a room that this worker follows: what is remembered of the user's rooms stays right."""
        known = self._rooms_of.get(user_id)
        if known is not None:
            until_s, room_ids = known
            changed = room_ids | {room_id} if membership == "join" else room_ids - {room_id}
            self._rooms_of[user_id] = (until_s, changed)

    # --- what comes in

    async def _on_changes(self, message: Message) -> None:
        for shard in PresenceChanges.FromString(message.payload).shards:
            if not self._queue.full():
                self._queue.put_nowait(shard)

    async def _run(self) -> None:
        while True:
            told = await self._queue.get()
            try:
                await self.take(told)
            except MatrixError as error:
                _logger.info("presence of shard %d could not be taken in: %s", told.shard, error)
            except Exception:
                _logger.exception("presence of shard %d could not be taken in", told.shard)

    async def take(self, told: ShardPresence) -> None:
        """One message, to its end."""
        if not self._table.fits(told):
            async for whole in self._asker.stream(GET_SHARD_PRESENCE, ShardPresenceRequest(shard=told.shard)):
                await self._spread(whole)
                told = whole
            self._table.complete(told)
            return
        await self._spread(told)
        self._table.complete(told)

    async def _spread(self, told: ShardPresence) -> None:
        for user_id in self._table.apply(told):
            entry = self._table.get(user_id)
            if entry is not None and len(self._users):
                for view in await self._concerned(user_id):
                    self._note(view, user_id, entry.changed_at_ms)

    async def _concerned(self, user_id: str) -> Iterable[UserView]:
        try:
            room_ids = await self.shared_rooms(user_id)
        except MatrixError as error:
            _logger.info("nobody is told of the presence of %s: %s", user_id, error)
            return ()
        views = {view for room_id in room_ids for view in self._rooms.users_in(room_id)}
        if (own := self._users.get(user_id)) is not None:
            views.add(own)
        return views

    def _note(self, view: UserView, user_id: str, changed_at_ms: int) -> None:
        if view.presence_from_ms is None:
            return  # no client of theirs has asked yet
        view.presence_news[user_id] = changed_at_ms
        if len(view.presence_news) > NEWS_MAX:
            view.presence_news.clear()
            view.presence_from_ms = None
        self._waiters.account_changed(view)

    async def _is_small(self, room_id: str) -> bool:
        view = self._rooms.get(room_id)
        if view is None or not self._rooms.users_in(room_id):
            return False
        if view.contents is not None:
            size = view.contents.joined_count
        elif (known := self._sizes.get(room_id)) is not None:
            return known <= PRESENCE_ROOM_MEMBERS_MAX
        else:
            size = await self._ask_size(room_id)
        self._sizes[room_id] = size
        if len(self._sizes) > SIZES_MAX:
            self._sizes.popitem(last=False)
        return size <= PRESENCE_ROOM_MEMBERS_MAX

    async def _ask_size(self, room_id: str) -> int:
        nothing_else = [StateKey(type="", state_key="")]
        request = StateRequest(room_id=room_id, with_summary=True, keys=nothing_else)
        async for chunk in self._asker.stream(GET_STATE, request):
            if chunk.HasField("summary"):
                return chunk.summary.joined_members
        return 0
