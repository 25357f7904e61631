"""What the owner of one room shard holds in memory, and how it reads what it does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from matrix_protocol.retention import RetentionPolicy
from roomserver.delayed_event_tables import DELAYED_EVENT_BUCKETS, DELAYED_EVENTS_DUE_BY_SHARD
from roomserver.state.cache import RoomBudget, ShardRooms
from roomserver.state.client_transactions import ClientTransactions
from roomserver.state.compact import MEMBER
from roomserver.state.delayed_events import DelayedEvents, SendIfDue, Waiting
from roomserver.state.loading import load_room
from roomserver.state.parents import Parents
from roomserver.state.published import PublishedRooms
from roomserver.state.purger import Purger, PurgeRoom
from roomserver.state.recent import Recent, RecentContents
from roomserver.state.resolver_threads import ResolverThreads
from roomserver.state.room import KEPT_TYPES, RoomInMemory
from roomserver.state.typing import StopTyping, TypingUsers
from roomserver.tables import (
    CURRENT_STATE_BY_ROOM,
    EVENTS_BY_ID,
    PUBLISHED_ROOMS_BY_SHARD,
    TIMELINE_BY_ROOM,
    TYPING_BY_SHARD,
    CurrentStateRow,
    EventByIdRow,
    RoomAliasRow,
    TimelineRow,
)
from service_kit.clock import Clock
from service_kit.hosted_servers import HostedServers
from service_kit.ledger.domain import Outdated
from service_kit.ledger.progress import Progress
from service_kit.rpc.pb.room_directory_pb2 import UpgradeFact
from service_kit.shards import Shard
from service_kit.store.interface import Store
from service_kit.store.schema import Key, RowT, Table

RECEIPTS_MAX: Final = 4096
RECENT_MAX: Final = 8192
"""More than commands may wait (`service_kit.ledger.owner`): one that was prepared finds what others did since."""


class ReceiptKey(NamedTuple):
    room_id: str
    receipt_type: str
    thread_id: str
    user_id: str


Settle = Callable[[Iterable[str]], Awaitable[None]]
"""Waits until the tables hold what the shards of these rooms have committed. Raises MatrixErrors."""


class Surroundings(NamedTuple):
    """What the shards of one process share."""

    store: Store
    clock: Clock
    hosted_servers: HostedServers
    budget: RoomBudget
    stop_typing: StopTyping
    send_if_due: SendIfDue
    shard_of_room: Callable[[str], Shard]
    settle: Settle
    progress_of: Callable[[Shard], Progress]
    resolver_threads: ResolverThreads
    members_max: int = 100_000
    delayed_events_per_user_max: int = 100
    notices_localpart: str = ""
    retention: RetentionPolicy | None = None
    purge_room: PurgeRoom | None = None
    purge_interval_s: float = 3600


class OwnedShard:
    """One owned shard. Made new each time the shard is acquired, dropped as a whole."""

    def __init__(self, shard: Shard, surroundings: Surroundings) -> None:
        self.shard = shard
        self.store = surroundings.store
        self.clock = surroundings.clock
        self.hosted_servers = surroundings.hosted_servers
        self.members_max = surroundings.members_max
        self.settle = surroundings.settle
        self.rooms = ShardRooms(surroundings.budget, self._applied_position)
        self.client_transactions = ClientTransactions(self.store, self._applied_position)
        self.recent_contents = RecentContents()
        self.parents = Parents(self.store, self.read_event, self._applied_position)
        self.receipt_positions: Recent[ReceiptKey, int] = Recent(RECEIPTS_MAX)
        """Ledger positions of the events that receipts point to."""
        self.aliases: Recent[str, RoomAliasRow] = Recent(RECENT_MAX)
        """Set lately; without a room ID: deleted."""
        self.upgrades: Recent[str, UpgradeFact] = Recent(RECENT_MAX)
        """The latest of rooms where one began or ended lately."""
        self.published = PublishedRooms()
        self.resolver_threads = surroundings.resolver_threads
        self.columns_lock = asyncio.Lock()
        """Columns of one room at a time are loaded."""
        self.typing = TypingUsers(surroundings.clock, surroundings.stop_typing)
        self.delayed_events = DelayedEvents(surroundings.clock, partial(surroundings.send_if_due, shard))
        self.delayed_events_per_user_max = surroundings.delayed_events_per_user_max
        self.shard_of_room = surroundings.shard_of_room
        self.retention = surroundings.retention
        """None: messages are kept for ever."""
        self._purger: Purger | None = None
        if surroundings.retention is not None and surroundings.purge_room is not None:
            interval_s = surroundings.purge_interval_s
            self._purger = Purger(shard, self.store, self.clock, surroundings.purge_room, interval_s)
        self.notices_localpart = surroundings.notices_localpart
        """Of the account that sends server notices; "" = none."""
        self._progress = surroundings.progress_of(shard)
        self._loading: dict[str, asyncio.Future[None]] = {}

    async def recover(self) -> None:
        """Take over who is typing, what is published, and what is to be sent later."""
        async for page in self.store.pages(TYPING_BY_SHARD, (str(self.shard),)):
            for row in page:
                self.typing.start(row.room_id, row.user_id, row.expires_at_ms)
        async for published in self.store.pages(PUBLISHED_ROOMS_BY_SHARD, (str(self.shard),)):
            for entry in published:
                self.published.put(entry.server_name, entry.room_id, entry.joined_members, entry.entry_json)
        if self._purger is not None:
            self._purger.start()
        await asyncio.gather(*(self._recover_delayed_events(bucket) for bucket in range(DELAYED_EVENT_BUCKETS)))

    async def _recover_delayed_events(self, bucket: int) -> None:
        async for page in self.store.pages(DELAYED_EVENTS_DUE_BY_SHARD, (str(self.shard), bucket)):
            for row in page:
                waiting = Waiting(row.room_id, row.sender, row.delay_ms, row.scheduled_at_ms)
                self.delayed_events.set(row.delay_id, waiting)

    async def close(self) -> None:
        if self._purger is not None:
            await self._purger.close()
        self.rooms.close()
        self.typing.close()
        self.delayed_events.close()

    async def load(self, room_id: str) -> RoomInMemory | None:
        """The room, read from the tables if need be; None if there is none. Holding it keeps it in memory."""
        while (room := self.rooms.get(room_id)) is None and (loading := self._loading.get(room_id)) is not None:
            await asyncio.shield(loading)
        if room is not None:
            return room
        loading = self._loading[room_id] = asyncio.get_running_loop().create_future()
        try:
            room = await load_room(self.store, self.clock, room_id)
            if room is not None:
                self.rooms.add(room)
        finally:
            del self._loading[room_id]
            loading.set_result(None)
        return room

    async def wait_settled(self) -> None:
        """Until the tables hold everything that is committed now."""
        await self._progress.wait_applied(self._progress.committed_position)

    async def wait_applied(self, position: int) -> None:
        """Until the tables hold everything through this position. Raises what the owner raises if it is no more."""
        await self._progress.wait_applied(position)

    async def find_event(self, room_id: str, event_id: str) -> EventByIdRow | None:
        """Where the event stands, if it is one of this room."""
        row = await self.read_written(EVENTS_BY_ID, (event_id,))
        return row if row is not None and row.room_id == room_id else None

    async def read_written(self, table: Table[RowT], key: Key) -> RowT | None:
        """A row that a client may know to be there: it may hear of something before the tables have it."""
        progress = self._progress
        # Asked before the reading: what is applied while it goes on may be missing from it.
        committed_position = progress.committed_position
        is_behind = progress.applied_position < committed_position
        row = await self.store.get(table, key)
        if row is None and is_behind:
            await progress.wait_applied(committed_position)
            row = await self.store.get(table, key)
        return row

    async def read_event(self, room_id: str, event_id: str) -> TimelineRow | None:
        """The event, if it is one of this room."""
        found = await self.find_event(room_id, event_id)
        if found is None:
            return None
        return await self.store.get(TIMELINE_BY_ROOM, (room_id, found.bucket, found.position))

    def knows_content(self, room: RoomInMemory, event_type: str, state_key: str) -> bool:
        """Whether `current_event` needs no row from the table."""
        event_id = room.state.event_id(event_type, state_key)
        return event_id is None or event_type in KEPT_TYPES or self.recent_contents.get(event_id) is not None

    async def read_current(self, room: RoomInMemory, event_type: str, state_key: str) -> CurrentStateRow | None:
        """The row of this key, for `current_event`; None if memory knows better."""
        if self.knows_content(room, event_type, state_key):
            return None
        return await self.store.get(CURRENT_STATE_BY_ROOM, (room.room_id, event_type, state_key))

    def current_event(
        self, room: RoomInMemory, event_type: str, state_key: str, row: CurrentStateRow | None
    ) -> bytes | None:
        """The event of this key in client format, in memory or in the row that was read for the command.

        Raises Outdated if the row is older than the room's state, which takes thousands of changes in between.
        """
        event_id = room.state.event_id(event_type, state_key)
        if event_id is None:
            return None
        client_json = room.client_json(event_type, state_key) or self.recent_contents.get(event_id)
        if client_json is not None:
            return client_json
        if row is None or row.event_id != event_id:
            raise Outdated("The room's state has changed meanwhile; try again")
        return row.client_json

    def known_member(self, room: RoomInMemory, user_id: str, row: CurrentStateRow | None) -> bytes | None:
        """The user's member event in client format, from memory or the row; None if neither has it as it is now."""
        event_id = room.state.event_id(MEMBER, user_id)
        if event_id is None:
            return None
        client_json = self.recent_contents.get(event_id)
        if client_json is None and row is not None and row.event_id == event_id:
            client_json = row.client_json
        return client_json

    def _applied_position(self) -> int:
        return self._progress.applied_position
