"""`state` (or `state_after`): what changed in the room's state that the timeline doesn't show.

`state` is what the client must know at the START of the timeline: everything in
an initial sync, what changed in the gap in a later one. `state_after` is the
same for the END of the timeline. One rule makes both: for each entry of the
current state, the value that it had at that point, if it got it after the
client's position.

    entry's position   ≤ point             its value at the point: it is sent
                       shown in timeline   an earlier value counts: looked up in the timeline, or asked for
                       filtered out        the client would never see it: it is sent
                       after the answer    an earlier value counts

NOTSPEC: state events that the timeline's filter leaves out are sent in `state`,
although they are after its start; the client would miss them for good otherwise.

With lazy-loaded members, m.room.member is sent for the senders of the timeline,
for heroes and for the user themselves, once a connection; and whatever changed
in a gap.

Spec: https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest
from sync_api.entries import MEMBER, EntryKey, StateEvent
from sync_api.response.timeline import Window
from sync_api.room_contents import RoomContents
from sync_api.rooms import read_state
from sync_api.scope import SyncScope

MEMBER_KEYS_MAX = 500
"""Senders, heroes and the user: more than a timeline can have."""


class StateSpan(NamedTuple):
    """Which changes of the state an answer carries."""

    room_id: str
    after_position: int
    """the client has everything through it; 0 = nothing"""
    at_position: int
    """the point whose state is described"""
    through_position: int
    """the end of the timeline"""
    shown: set[str]
    """IDs of the events in the timeline, if clients take state from these"""
    members_after: int = 0
    """of members that it lazy-loaded, the client has kept what it was sent through this position; 0 = nothing"""


def span_of(scope: SyncScope, room_id: str, window: Window, *, after_position: int, through_position: int) -> StateSpan:
    if scope.state_after:
        return StateSpan(room_id, after_position, through_position, through_position, set())
    return StateSpan(room_id, after_position, window.start, through_position, window.shown)


async def changed_state(
    scope: SyncScope, contents: RoomContents, window: Window, span: StateSpan, heroes: Sequence[str]
) -> list[StateEvent]:
    """All entries to send, members included; the filter is not applied yet."""
    is_full = span.after_position == 0
    is_plain = not (is_full or window.limited or scope.state_after) and scope.filter.timeline.allows_all
    chosen: list[StateEvent] = []
    if not is_plain:
        entries = list(contents.state.values())
        if not (scope.filter.lazy_load_members and is_full):
            entries += await _members_changed(scope, contents, span)
        chosen = await select(scope, contents, span, entries)
        if scope.filter.lazy_load_members and is_full and span.members_after:
            # "This ensures that joins/leaves and profile changes which occur during the gap are not lost": of members
            # that the client knows from before.
            gap = span._replace(after_position=span.members_after)
            chosen += await select(scope, contents, gap, await _members_changed(scope, contents, gap))
    if scope.filter.lazy_load_members:
        chosen += await _members_needed(scope, contents, window, span, heroes, {event.key for event in chosen})
    return chosen


async def select(
    scope: SyncScope, contents: RoomContents, span: StateSpan, entries: Iterable[StateEvent]
) -> list[StateEvent]:
    """Of current entries, those that the span carries, each with its value at the span's point."""
    after, at, through, shown = span.after_position, span.at_position, span.through_position, span.shown
    chosen: list[StateEvent] = []
    moved_on: set[EntryKey] = set()
    for entry in entries:
        if entry.position <= at:
            if entry.position > after:
                chosen.append(entry)
        elif entry.position <= through and entry.event_id not in shown:
            chosen.append(entry)
        elif at > after:
            moved_on.add(entry.key)
    return chosen + await _values_at(scope, contents, span, moved_on) if moved_on else chosen


async def _values_at(
    scope: SyncScope, contents: RoomContents, span: StateSpan, keys: set[EntryKey]
) -> list[StateEvent]:
    """What these entries were at the span's point, if they became that after the client's position."""
    found: dict[EntryKey, StateEvent] = {}
    had_none: set[EntryKey] = set()
    for event in reversed(contents.timeline):
        if event.state_key is None or (key := (event.type, event.state_key)) not in keys or key in found:
            continue
        if event.position <= span.at_position:
            found[key] = StateEvent.from_timeline(event)
            had_none.discard(key)
        elif event.replaces_event_id:
            had_none.discard(key)
        else:
            had_none.add(key)
    values = [event for event in found.values() if event.position > span.after_position]
    unknown = keys - found.keys() - had_none
    if unknown and contents.timeline_after > span.after_position:
        values += await _ask(scope, span, unknown)
    return values


async def _ask(scope: SyncScope, span: StateSpan, keys: Iterable[EntryKey]) -> list[StateEvent]:
    if span.at_position <= 0:
        return []
    request = StateRequest(
        room_id=span.room_id,
        keys=[StateKey(type=event_type, state_key=state_key) for event_type, state_key in keys],
        at_position=span.at_position,
        after_position=span.after_position,
    )
    return [event async for event in read_state(scope.queries, request) if event.position > span.after_position]


async def _members_changed(scope: SyncScope, contents: RoomContents, span: StateSpan) -> list[StateEvent]:
    """Members as they are now, those at least that changed after the client's position."""
    if contents.last_member_position <= span.after_position and span.after_position:
        return []
    if contents.members_complete:
        return list(contents.members.values())
    request = StateRequest(room_id=span.room_id, keys=[StateKey(type=MEMBER)], after_position=span.after_position)
    return [event async for event in read_state(scope.queries, request)]


async def _members_needed(
    scope: SyncScope,
    contents: RoomContents,
    window: Window,
    span: StateSpan,
    heroes: Sequence[str],
    chosen: set[EntryKey],
) -> list[StateEvent]:
    """ "Only include membership events for the `sender` of events being included in the response.\""""
    user_ids = {event.sender for event in window.events}
    user_ids.update(heroes)
    if span.after_position == 0:
        # "servers MUST include the syncing user's own membership event when they join a room, or when the full
        # state of rooms is requested"
        user_ids.add(scope.user.user_id)
    entries = await current_members(scope, contents, span.room_id, user_ids)
    needed = await select(scope, contents, span._replace(after_position=0), entries)
    sent = scope.sent_members
    repeat = scope.filter.state.include_redundant_members
    room_id = span.room_id
    members = [
        event
        for event in needed
        if event.key not in chosen and (repeat or not sent.has(room_id, event.state_key, event.event_id))
    ]
    for event in members:
        sent.add(room_id, event.state_key, event.event_id)
    for shown in window.events:
        if shown.type == MEMBER and shown.state_key is not None:
            sent.add(room_id, shown.state_key, shown.event_id)
    return members


async def current_members(
    scope: SyncScope, contents: RoomContents, room_id: str, user_ids: Iterable[str]
) -> list[StateEvent]:
    known: list[StateEvent] = []
    missing: list[str] = []
    for user_id in user_ids:
        event = contents.members.get(user_id)
        if event is not None:
            known.append(event)
        elif not contents.members_complete:
            missing.append(user_id)
    if missing:
        keys = [StateKey(type=MEMBER, state_key=user_id) for user_id in missing[:MEMBER_KEYS_MAX]]
        async for event in read_state(scope.queries, StateRequest(room_id=room_id, keys=keys)):
            contents.cache_member(event)
            known.append(event)
    return known


def state_json(scope: SyncScope, room_id: str, events: Iterable[StateEvent]) -> bytes:
    """`"state":{…}` or `"state_after":{…}`."""
    wanted = scope.filter.state
    ordered = sorted(events, key=_position) if wanted.allows_room(room_id) else []
    parts = [event.client_json for event in ordered if wanted.allows_state(event.type, event.client_json)]
    if (fields := scope.filter.event_fields) is not None:
        parts = list(map(fields.of_event, parts))
    return b'"%b":{"events":[%b]}' % (scope.state_after or b"state", b",".join(parts))


def _position(event: StateEvent) -> int:
    return event.position
