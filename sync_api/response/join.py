"""`rooms.join`: one room that the user is joined to.

1 new to the client?    initial sync, or joined after `since`: full state, the newest events
2 timeline              `timeline.py`, `bundles.py`
3 summary               if members changed
4 state                 `state.py`
5 ephemeral             `ephemeral.py`
6 account data          `account_data.py`
7 unread notifications  `unread.py`
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest
from sync_api.entries import MEMBER, StateEvent
from sync_api.response.account_data import all_account_data_of
from sync_api.response.bundles import NOTHING, bundles_of
from sync_api.response.ephemeral import ephemeral_events
from sync_api.response.hidden_state import without_outdated_state
from sync_api.response.state import changed_state, span_of, state_json
from sync_api.response.timeline import timeline_json, timeline_window
from sync_api.response.unread import has_read_since, unread_json
from sync_api.room_contents import RoomContents
from sync_api.room_view import RoomView
from sync_api.rooms import read_state, refresh_heroes
from sync_api.scope import SyncScope
from sync_api.user_view import Membership


class JoinedRoom(NamedTuple):
    membership: Membership
    view: RoomView
    account_data: list[bytes]
    """what changed of it"""


async def joined_room(scope: SyncScope, room: JoinedRoom) -> bytes | None:
    """The room's object; None = nothing happened that the client should know."""
    membership, room_id = room.membership, room.membership.room_id
    after = scope.since.rooms[membership.shard_number] if scope.since is not None else 0
    through = scope.through.rooms[membership.shard_number]
    contents = await scope.rooms.contents(room.view)
    is_new = scope.since is None or await _newly_joined(scope, membership, after)
    timeline_after = await _timeline_after(scope, contents, membership, after, is_new)
    window = await timeline_window(scope, contents, membership, timeline_after, through)
    was_joined = not is_new or (timeline_after > 0 and await _was_joined(scope, room_id, after))
    if timeline_after and not was_joined:
        # What happened between their leave and `after` is not in any answer: /messages tells.
        window = window._replace(limited=True)
    window = await without_outdated_state(scope, contents, membership, window, through)
    # An empty ledger has position 0, which stands for "nothing is known" here: the same.
    known_after = 0 if is_new or scope.full_state else after
    span = span_of(scope, room_id, window, after_position=known_after, through_position=through)
    span = span._replace(members_after=after if was_joined else 0)
    summary, heroes = await _summary(scope, room_id, contents, known_after)
    state: list[StateEvent] = []
    if window.events or window.limited or not known_after or not scope.filter.timeline.allows_all:
        state = await changed_state(scope, contents, window, span, heroes)
    ephemeral = ephemeral_events(scope, room_id, contents, 0 if is_new else after, through)
    account_data = all_account_data_of(scope, room_id) if is_new or scope.full_state else room.account_data
    has_news = window.events or window.limited or state or ephemeral or account_data or summary
    if known_after and not has_news and not has_read_since(contents, scope.user.user_id, after, through):
        return None
    # Whoever gets everything gets the children, too.
    leaves_out = window.limited or not known_after
    bundled = await bundles_of(scope, contents, membership, window.events) if leaves_out else NOTHING
    return b'{%b%b,"timeline":%b,%b,"ephemeral":{"events":[%b]},"account_data":{"events":[%b]}}' % (
        summary,
        await unread_json(scope, contents, membership),
        timeline_json(scope, contents, membership, window, bundled),
        state_json(scope, room_id, state),
        b",".join(ephemeral),
        b",".join(account_data),
    )


async def _newly_joined(scope: SyncScope, membership: Membership, after_position: int) -> bool:
    """Whether the user was not joined at the position."""
    if membership.joined_at <= after_position:
        return False
    if membership.joined_at_is_exact or after_position == 0:
        return True
    return not await _was_joined(scope, membership.room_id, after_position)


async def _timeline_after(
    scope: SyncScope, contents: RoomContents, membership: Membership, after_position: int, is_new: bool
) -> int:
    """Somebody who comes back to a room has seen what was before they left; others get a piece of its past."""
    if not is_new or after_position == 0 or await _was_here_before(scope, contents, membership, after_position):
        return after_position
    return 0


async def _was_here_before(
    scope: SyncScope, contents: RoomContents, membership: Membership, after_position: int
) -> bool:
    """Whether there was more than an invite or a knock before: their memberships, from the last one backwards."""
    event_id = membership.event_id
    for event in reversed(contents.timeline):
        if event.event_id == event_id:
            if event.position < membership.joined_at and event.membership not in ("invite", "knock"):
                return True
            event_id = event.replaces_event_id
    if not event_id:
        return False
    before = await _own_member(scope, membership.room_id, after_position)
    if before is None:
        return False
    return before.membership not in ("invite", "knock") or b'"replaces_state"' in before.client_json


async def _was_joined(scope: SyncScope, room_id: str, at_position: int) -> bool:
    before = await _own_member(scope, room_id, at_position)
    return before is not None and before.membership == "join"


async def _own_member(scope: SyncScope, room_id: str, at_position: int) -> StateEvent | None:
    own = StateKey(type=MEMBER, state_key=scope.user.user_id)
    request = StateRequest(room_id=room_id, keys=[own], at_position=at_position)
    found = [event async for event in read_state(scope.queries, request)]
    return found[0] if found else None


async def _summary(
    scope: SyncScope, room_id: str, contents: RoomContents, after_position: int
) -> tuple[bytes, list[str]]:
    """`"summary":{…},` or nothing, and the heroes in it. All of it is left out "if it has not changed"."""
    if after_position and contents.last_member_position <= after_position:
        return b"", []
    summary: dict[str, object] = {
        "m.joined_member_count": contents.joined_count,
        "m.invited_member_count": contents.invited_count,
    }
    heroes: list[str] = []
    # "Required if the room's `m.room.name` or `m.room.canonical_alias` state events are unset or empty."
    if not contents.has_name():
        if contents.heroes_stale:
            await refresh_heroes(scope.queries, room_id, contents)
        heroes = contents.heroes(scope.user.user_id)
        summary["m.heroes"] = heroes
    return b'"summary":%b,' % orjson.dumps(summary), heroes
