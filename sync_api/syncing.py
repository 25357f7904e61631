"""How a /sync is answered.

    1 enter     the user's view, read and followed if this worker did not have it
    2 attach    every room they are joined to is followed
    3 bound     `through`: the position of each shard that the answer goes up to
    4 plan      which rooms it is about (`plan.py`), at the same moment
    5 build     each room between `since` and `through` (`response/`)
    6 wait      nothing to tell yet: until a fact concerns the user, or time is up; then again from 2,
                with the rooms that changed

Why no event is skipped and none is sent twice
----------------------------------------------
`since` and `through` are vectors with one ledger position for each room shard
and one for the user's shard, and an answer carries, for each room, what lies in
since < position ≤ through. The next request comes with `through` as its `since`.

`through` of a room shard is the follower's position there: "everything of
interest through it has been handed over", so the views hold it, or what views
are read from does (a room is followed before its tables are read, and tables
hold all that was handed over). That position has a meaning for every room shard
because the user is registered at each of them (`follow_user_in_rooms`) as long
as the view lives: registration answers with the shard's head, and heartbeats
move it on, also where none of the user's rooms are. So a token never stands
still in a quiet shard, and never claims more than was looked at.

`through` never goes below `since`: a token from a worker that is ahead of this
one has been served already up to there.

What is in memory may be newer than `through` (facts go on coming in while a
room is built; tables may be ahead of the facts): every part of the answer
leaves out what is after `through`, and asks for the older value where only the
newer one is at hand. A membership that was read ahead of its fact holds its
shard back (`_through`): its room is planned when the fact has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from matrix_protocol.errors import Unavailable, UnknownToken
from matrix_protocol.retention import RetentionPolicy
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.rpc.queries import AskedRoomQueries, Asker
from service_kit.tokens import SyncToken
from sync_api.admission import FREE_TURN, Admission, Turn
from sync_api.filters import SyncFilter
from sync_api.lazy_members import LazyMembers, SentMembers
from sync_api.plan import Plan, plan_answer
from sync_api.positions import Positions
from sync_api.presence.parts import Presence
from sync_api.response.body import Body
from sync_api.response.invite import invited_room, knocked_room
from sync_api.response.join import JoinedRoom, joined_room
from sync_api.response.leave import left_room
from sync_api.response.presence import presence_events
from sync_api.response.to_device import to_device_events
from sync_api.rooms import RoomViews
from sync_api.scope import SyncScope
from sync_api.sync_waiters import SyncWaiters
from sync_api.to_device import InboxSource
from sync_api.unread.counters import UnreadCounters
from sync_api.user_view import UserView
from sync_api.users import UserViews

ROOMS_READ_TOGETHER_MAX = 32
"""of one answer; so few that they are still in memory when their turn comes"""
ATTACH_ATTEMPTS_MAX = 20

Answer = Callable[[SyncScope, Sequence[JoinedRoom]], Awaitable[bytes]]
"""Makes JSON of the rooms that a user is joined to."""


@dataclass(frozen=True, slots=True)
class SyncCall:
    """A request of /sync, checked."""

    user_id: str
    device_id: str
    filter: SyncFilter
    since: SyncToken | None
    since_text: str
    timeout_ms: int
    full_state: bool
    state_after: bytes
    """the name under which the state after the timeline is given, instead of the state before it; empty = it is not"""
    token_sha256: bytes = b""
    """of the access token; its end is that of the long poll"""
    set_presence: str = "online"

    @classmethod
    def first(cls, caller: Caller, sync_filter: SyncFilter) -> SyncCall:
        """Of somebody who knows nothing yet."""
        return cls(caller.user_id, caller.device_id, sync_filter, None, "", 0, False, b"", caller.token_sha256)

    @classmethod
    def later(cls, caller: Caller, sync_filter: SyncFilter, since: SyncToken, timeout_ms: int) -> SyncCall:
        first = cls.first(caller, sync_filter)
        return replace(first, since=since, since_text=str(since), timeout_ms=timeout_ms)


class Syncs:
    def __init__(
        self,
        rooms: RoomViews,
        users: UserViews,
        waiters: SyncWaiters,
        asker: Asker,
        positions: Positions,
        inboxes: InboxSource,
        clock: Clock,
        *,
        timeline_limit_max: int,
        retention: RetentionPolicy | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._presence = presence
        self._rooms = rooms
        self._users = users
        self._waiters = waiters
        self._asker = asker
        self._queries = AskedRoomQueries(asker)
        self._positions = positions
        self._inboxes = inboxes
        self._clock = clock
        self._timeline_limit_max = timeline_limit_max
        self._retention = retention
        self._lazy_members = LazyMembers()
        self._admission = Admission(clock)
        self.counters = UnreadCounters()

    async def sync(self, call: SyncCall) -> bytes:
        """The answer's JSON. Raises MatrixError."""
        is_full = call.since is None or call.full_state
        is_expensive = is_full or self._users.get(call.user_id) is None
        turn = await self._admission.turn() if is_expensive else FREE_TURN
        try:
            user = await self._users.enter(call.user_id)
            if self._presence is not None:
                self._presence.reports.begin(call.user_id, call.device_id, call.set_presence)
            try:
                sent = self._sent_members(call)
                if call.since is None or is_full:
                    scope = self._scope(user, call, call.since, sent)
                    body = await self._build(scope)
                else:
                    scope, body = await self._poll(user, call, call.since, sent, turn)
                sent.end(str(scope.through))
                return body.json(scope.through)
            finally:
                self._users.leave(user)
                if self._presence is not None:
                    self._presence.reports.end(call.user_id, call.device_id)
        finally:
            turn.end()

    async def look(
        self, call: SyncCall, answer: Callable[[SyncScope, Sequence[JoinedRoom]], Awaitable[bytes]]
    ) -> bytes:
        """Something else that is made of the rooms that the user is joined to. Raises MatrixError."""
        turn = await self._admission.turn()
        try:
            user = await self._users.enter(call.user_id)
            try:
                scope = self._scope(user, call, None, SentMembers())
                return await answer(scope, (await self._plan(scope)).joins)
            finally:
                self._users.leave(user)
        finally:
            turn.end()

    async def _poll(
        self, user: UserView, call: SyncCall, since: SyncToken, sent: SentMembers, turn: Turn
    ) -> tuple[SyncScope, Body]:
        waiter = self._waiters.add(user, call.timeout_ms, call.token_sha256, call.device_id)
        try:
            while True:
                waiter.has_news = False
                scope = self._scope(user, call, since, sent)
                body = await self._build(scope)
                if waiter.is_revoked:
                    raise UnknownToken("The access token has been revoked", soft_logout=False)
                if waiter.is_over or not body.is_empty():
                    return scope, body
                # Nothing up to here was for this client: go on from here.
                since = scope.through
                turn.end()  # what remains is to wait
                await waiter.wait()
        finally:
            self._waiters.remove(waiter)

    # --- steps ---

    def _sent_members(self, call: SyncCall) -> SentMembers:
        if not call.filter.lazy_load_members:
            return SentMembers()
        sent = self._lazy_members.connection(call.user_id, call.device_id, call.filter)
        sent.begin(call.since_text)
        return sent

    def _scope(self, user: UserView, call: SyncCall, since: SyncToken | None, sent: SentMembers) -> SyncScope:
        return SyncScope(
            user=user,
            device_id=call.device_id,
            filter=call.filter,
            since=since,
            through=SyncToken((), 0),
            full_state=call.full_state,
            state_after=call.state_after,
            sent_members=sent,
            now_ms=self._clock.now_ms(),
            timeline_limit_max=self._timeline_limit_max,
            retention=self._retention,
            rooms=self._rooms,
            queries=self._queries,
            asker=self._asker,
            counters=self.counters,
            unread=self.counters.of(user),
        )

    async def _build(self, scope: SyncScope) -> Body:
        plan = await self._plan(scope)
        body = Body()
        body.events["account_data"] = plan.global_account_data
        joins = plan.joins
        for first in range(0, len(joins), ROOMS_READ_TOGETHER_MAX):
            batch = joins[first : first + ROOMS_READ_TOGETHER_MAX]
            unread = [room.view for room in batch if room.view.contents is None]
            if len(unread) > 1:
                await asyncio.gather(*map(self._rooms.contents, unread))
            for room in batch:
                if (made := await joined_room(scope, room)) is not None:
                    body.join[room.membership.room_id] = made
        for membership in plan.invites:
            body.invite[membership.room_id] = invited_room(membership)
        for membership in plan.knocks:
            body.knock[membership.room_id] = knocked_room(membership)
        for membership in plan.leaves:
            body.leave[membership.room_id] = await left_room(scope, membership)
        body.events["to_device"] = await to_device_events(scope, self._inboxes)
        if self._presence is not None:
            _, table, spread = self._presence
            body.events["presence"] = await presence_events(scope, joins, table, spread)
        return body

    async def _plan(self, scope: SyncScope) -> Plan:
        user, since = scope.user, scope.since
        for _ in range(ATTACH_ATTEMPTS_MAX):
            await self._users.refresh(user)
            # No await from here until the plan is made: bound and plan are of one moment.
            positions = self._positions.of_rooms()
            scope.through = self._through(user, since, positions)
            some = None if since is None or scope.full_state else user.rooms_changed_after(since.rooms)
            plan = plan_answer(scope, some)
            if not plan.missing_rooms:
                user.may_set_checkpoint(positions)
                return plan
            await self._users.attach_rooms(user)
        raise Unavailable("The user's rooms change too fast to be followed; try again")

    def _through(self, user: UserView, since: SyncToken | None, positions: tuple[int, ...]) -> SyncToken:
        account = self._positions.of_user(user.user_id)
        if since is None:
            return SyncToken(positions, account)
        rooms = list(map(max, positions, since.rooms))
        if user.ahead:
            user.catch_up(positions)
            for number in user.ahead:
                rooms[number] = since.rooms[number]
        return SyncToken(tuple(rooms), max(account, since.user))
