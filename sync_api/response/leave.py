"""`rooms.leave`: a room that the user left, was kicked or banned from, or whose invite they rejected.

Nothing of such a room is kept here: the roomserver is asked, once, for what the
user may see of it "up to the point when the user left".
"""

from __future__ import annotations

from matrix_protocol.errors import Forbidden, NotFound
from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest, TimelineRequest
from sync_api.entries import MEMBER, StateEvent, TimelineEvent
from sync_api.response.account_data import all_account_data_of
from sync_api.response.bundles import NOTHING, read_bundles
from sync_api.response.state import state_json
from sync_api.response.timeline import Window, ask_for_timeline, is_wanted, newest_of, timeline_json
from sync_api.rooms import read_state
from sync_api.scope import SyncScope
from sync_api.user_view import Membership


async def left_room(scope: SyncScope, membership: Membership) -> bytes:
    after = scope.since.rooms[membership.shard_number] if scope.since is not None else 0
    window = await _window(scope, membership, after)
    came_and_went = (
        after > 0 and membership.prev_membership == "join" and not await _was_joined(scope, membership, after)
    )
    if came_and_went:
        # What happened before they came is not in any answer: /messages tells.
        window = window._replace(limited=True)
    known_after = 0 if scope.full_state or came_and_went else after
    state = await _state(scope, membership, window, known_after)
    if membership.position > known_after and (scope.state_after or membership.event_id not in window.shown):
        state += await _own_state(scope, membership, window, state)
    return b'{"timeline":%b,%b,"account_data":{"events":[%b]}}' % (
        timeline_json(scope, None, membership, window, read_bundles(window.events) if window.limited else NOTHING),
        state_json(scope, membership.room_id, state),
        b",".join(all_account_data_of(scope, membership.room_id)),
    )


async def _window(scope: SyncScope, membership: Membership, after_position: int) -> Window:
    left_at = membership.position
    if not scope.filter.timeline.allows_room(membership.room_id):
        return Window([], False, left_at)
    try:
        found, more = await ask_for_timeline(scope, membership.room_id, after_position, left_at)
    except (Forbidden, NotFound):
        # Never joined: an invite rejected or withdrawn. Or forgotten already, and then nothing is told of what was.
        found, more = [], membership.prev_membership == "join"
    if left_at > after_position and not (found and found[0].position == left_at):
        # Whatever the history visibility: how their own membership ended is theirs to know.
        found = [event for event in await _own_event(scope, membership) if is_wanted(scope, event)] + found
    return newest_of(scope, found, left_at, more=more)


async def _was_joined(scope: SyncScope, membership: Membership, at_position: int) -> bool:
    own = StateKey(type=MEMBER, state_key=scope.user.user_id)
    request = StateRequest(room_id=membership.room_id, keys=[own], at_position=at_position)
    return any([event.membership == "join" async for event in read_state(scope.queries, request)])


async def _own_event(scope: SyncScope, membership: Membership) -> list[TimelineEvent]:
    request = TimelineRequest(
        room_id=membership.room_id,
        backwards=True,
        from_position=membership.position,
        to_position=membership.position - 1,
        limit=1,
    )
    entries = [entry async for chunk in scope.queries.get_timeline(request) for entry in chunk.entries]
    own = [event for event in map(TimelineEvent.from_entry, entries) if event.event_id == membership.event_id]
    return [event._replace(viewer_membership=event.membership) for event in own]


async def _state(scope: SyncScope, membership: Membership, window: Window, after_position: int) -> list[StateEvent]:
    """The state at the start (or the end) of the timeline, or what changed of it in the gap."""
    at = membership.position if scope.state_after else window.start
    if after_position and at <= after_position:
        return []
    if membership.prev_membership in ("invite", "knock") or at <= 0:
        return []  # they never saw the room from inside
    request = StateRequest(
        room_id=membership.room_id,
        as_user_id=scope.user.user_id,
        at_position=at,
        after_position=after_position,
    )
    if scope.filter.lazy_load_members:
        request.not_types.append(MEMBER)
    try:
        state = [event async for event in read_state(scope.queries, request) if event.position > after_position]
        return state + await _senders(scope, membership, window, at)
    except (Forbidden, NotFound):
        return []


async def _own_state(
    scope: SyncScope, membership: Membership, window: Window, state: list[StateEvent]
) -> list[StateEvent]:
    """How their membership ended, if the state lacks it: with lazy-loaded members, or where they were never inside.

    A client that asks for the state after the timeline takes none from the timeline itself; and the filter may keep it
    out of the timeline.
    """
    if any(event.event_id == membership.event_id for event in state):
        return []
    in_window = [event for event in window.events if event.event_id == membership.event_id]
    return [StateEvent.from_timeline(event) for event in in_window or await _own_event(scope, membership)]


async def _senders(scope: SyncScope, membership: Membership, window: Window, at_position: int) -> list[StateEvent]:
    if not scope.filter.lazy_load_members:
        return []
    keys = [StateKey(type=MEMBER, state_key=sender) for sender in {event.sender for event in window.events}]
    if not keys:
        return []
    request = StateRequest(
        room_id=membership.room_id, as_user_id=scope.user.user_id, keys=keys, at_position=at_position
    )
    return [event async for event in read_state(scope.queries, request)]
