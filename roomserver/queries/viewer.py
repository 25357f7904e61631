"""What somebody who asks may see of a room: a judgement over their memberships, past and present.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from matrix_protocol.errors import Forbidden
from matrix_protocol.history_visibility import WORLD_READABLE, can_user_see_event, history_visibility_of
from matrix_protocol.retention import is_expired
from roomserver.tables import (
    CURRENT_STATE_BY_ROOM,
    ROOMS_BY_USER,
    STATE_HISTORY_BY_ROOM,
    RoomByUserRow,
    TimelineRow,
)
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility
from service_kit.store.interface import Range, Store

MEMBER: Final = "m.room.member"
HISTORY_MAX: Final = 1000
"""Membership changes of one user in one room that are looked at, the latest ones."""

_NAMES: Final[Mapping[int, str]] = {
    HistoryVisibility.SHARED: "shared",
    HistoryVisibility.WORLD_READABLE: "world_readable",
    HistoryVisibility.INVITED: "invited",
    HistoryVisibility.JOINED: "joined",
}
_SHARED: Final = int(HistoryVisibility.SHARED)
_WORLD_READABLE: Final = int(HistoryVisibility.WORLD_READABLE)


class Memberships(NamedTuple):
    """A user's memberships of one room, oldest first: from each position on, the one beside it."""

    positions: list[int]
    memberships: list[str]

    def before(self, position: int) -> str:
        """In the state before the event at this position."""
        index = bisect_left(self.positions, position)
        return self.memberships[index - 1] if index else "leave"

    def after(self, position: int) -> str:
        """In the state after the event at this position."""
        return self.before(position + 1)

    def joined_after(self, position: int) -> bool:
        """Whether the user has joined at some point after this position."""
        return "join" in self.memberships[bisect_left(self.positions, position + 1) :]

    def last_left_at(self) -> int:
        """Where the user, who is not joined now, was joined last; 0 = never."""
        for index in range(len(self.positions) - 1, 0, -1):
            if self.memberships[index - 1] == "join":
                return self.positions[index]
        return 0


class Viewer:
    """Somebody who looks into a room. Made by `viewer_of`."""

    __slots__ = (
        "_current",
        "_memberships",
        "_room_id",
        "_store",
        "is_joined",
        "is_open_to_all",
        "left_at_position",
        "oldest_ms",
        "user_id",
    )

    def __init__(
        self, store: Store, room_id: str, user_id: str, current: RoomByUserRow | None, oldest_ms: int = 0
    ) -> None:
        """`oldest_ms`: messages from before are expired."""
        self.oldest_ms = oldest_ms
        self._store = store
        self._room_id = room_id
        self._current = current
        self._memberships: Memberships | None = None
        self.user_id = user_id
        self.is_joined = False
        self.is_open_to_all = False
        """The room is world-readable now; looked up only for who is not joined."""
        self.left_at_position = 0
        """Where somebody was joined last who no longer is; 0 = joined, or never was."""

    def looks_until(self) -> int:
        """The position of the last event that this viewer may see; 0 = no such limit.

        "After a user has left a room, they may see any events which they were allowed to see before they left the
        room, but no events received after they left." What everybody may see, they may too.
        """
        return 0 if self.is_open_to_all else self.left_at_position

    def sees_at_once(self, row: TimelineRow) -> bool:
        """Whether this event is certainly shown: true for members in rooms with the usual visibility."""
        visibility = row.history_visibility
        if self.oldest_ms and is_expired(row.state_key, row.origin_server_ts_ms, self.oldest_ms):
            return False
        return visibility == _WORLD_READABLE or (self.is_joined and visibility == _SHARED)

    async def can_see(self, row: TimelineRow) -> bool:
        """Whether this event is shown."""
        if self.oldest_ms and is_expired(row.state_key, row.origin_server_ts_ms, self.oldest_ms):
            return False
        return self.sees_at_once(row) or self._judge(row, await self._known_memberships())

    async def membership_after(self, position: int) -> str:
        """ "The room membership of the user making the request, at the time of the event […], including any changes
        caused by the event." Needs no reading for events since the latest change.
        """
        if self._current is not None and self._current.position <= position:
            return self._current.membership
        return (await self._known_memberships()).after(position)

    def _judge(self, row: TimelineRow, memberships: Memberships) -> bool:
        visibility = _NAMES[row.history_visibility]
        current = "join" if self.is_joined else "leave"
        joined_later = memberships.joined_after(row.position)
        at_event = [memberships.before(row.position)]
        if row.type == MEMBER and row.state_key == self.user_id:
            # "Likewise, for the user's own `m.room.member` events, the user should be allowed to see the event if
            # their `membership` before *or* after the event would allow them to see it."
            at_event.append(memberships.after(row.position))
        return any(
            can_user_see_event(visibility, membership, current, joined_later=joined_later) for membership in at_event
        )

    async def _known_memberships(self) -> Memberships:
        if self._memberships is None:
            self._memberships = await memberships_of(self._store, self._room_id, self.user_id)
        return self._memberships


async def viewer_of(store: Store, room_id: str, user_id: str, oldest_ms: int = 0) -> Viewer:
    """Raises Forbidden for whoever has no business in this room, also if there is no such room."""
    row = await store.get(ROOMS_BY_USER, (user_id, room_id))
    viewer = Viewer(store, room_id, user_id, row, oldest_ms)
    if row is not None and row.membership == "join":
        viewer.is_joined = True
        return viewer
    if row is not None and row.membership in ("leave", "ban") and not row.forgotten:
        viewer.left_at_position = await _left_at(store, row)
    viewer.is_open_to_all = await _is_world_readable(store, room_id)
    if not viewer.left_at_position and not viewer.is_open_to_all:
        raise Forbidden("You aren't a member of the room")
    return viewer


async def memberships_of(store: Store, room_id: str, user_id: str) -> Memberships:
    """The user's latest memberships of the room."""
    rows = await store.scan(
        STATE_HISTORY_BY_ROOM, (room_id,), range=Range(prefix=(MEMBER, user_id)), limit=HISTORY_MAX, reverse=True
    )
    rows.reverse()
    return Memberships([row.position for row in rows], [row.membership for row in rows])


async def _left_at(store: Store, row: RoomByUserRow) -> int:
    if row.prev_membership == "join":
        return row.position
    return (await memberships_of(store, row.room_id, row.user_id)).last_left_at()


async def _is_world_readable(store: Store, room_id: str) -> bool:
    row = await store.get(CURRENT_STATE_BY_ROOM, (room_id, "m.room.history_visibility", ""))
    content = None if row is None else orjson.loads(row.client_json)["content"]
    return history_visibility_of(content) == WORLD_READABLE
