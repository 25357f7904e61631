"""`timeline`: the newest events after the client's position, at most as many as the filter's limit.

    since          start                through
      |    gap       | e1  e2  e3  e4     |        limited: the gap holds events that the filter wants
      |              | e1  e2             |        not limited: start = since, as far as the client can tell

`prev_batch` is the place just before e1.

Visibility: a joined user sees every event since they joined, and before that
those of `shared` and `world_readable` times. Wherever it is less simple, the
roomserver, which knows the user's whole history, is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from matrix_protocol.events.unsigned import with_unsigned
from matrix_protocol.relations import BundledThread, bundled_relations
from matrix_protocol.retention import is_expired
from service_kit.rpc.pb.facts_pb2 import SHARED, WORLD_READABLE
from service_kit.rpc.pb.room_queries_pb2 import Aggregations, TimelineRequest
from service_kit.tokens import TimelineToken
from sync_api.entries import MEMBER, TimelineEvent
from sync_api.response.bundles import IGNORED_USERS_MAX, Bundled, has_threads, participates
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope
from sync_api.user_view import Membership

OPEN_TO_MEMBERS = (SHARED, WORLD_READABLE)
FRAGMENT_AGE_MS_MAX = 1000
"""A shared part of an answer may be this old: `age` is that much behind then."""
FRAGMENTS_MAX = 16
FRAGMENT_BYTES_MAX = 64 * 1024


class Window(NamedTuple):
    events: list[TimelineEvent]
    """oldest first"""
    limited: bool
    start: int
    """position just before the first event"""

    @property
    def shown(self) -> set[str]:
        return {event.event_id for event in self.events}


async def timeline_window(
    scope: SyncScope, contents: RoomContents, membership: Membership, after_position: int, through_position: int
) -> Window:
    """The events that a joined user gets. `after_position` 0 = from the beginning of the room."""
    if not scope.filter.timeline.allows_room(membership.room_id):
        return Window([], False, through_position)
    found = _from_memory(scope, contents, membership.joined_at, after_position, through_position)
    if found is not None:
        window = newest_of(scope, found, through_position)
        if not window.events or window.events[0].position >= membership.joined_at:
            return window
        return window._replace(events=_with_viewer_membership(scope, contents, window.events, membership.joined_at))
    found, more = await ask_for_timeline(scope, membership.room_id, after_position, through_position)
    return newest_of(scope, found, through_position, more=more)


def newest_of(scope: SyncScope, found: list[TimelineEvent], through_position: int, *, more: bool = False) -> Window:
    """`found` is newest first; `more`: there may be older ones beyond."""
    limit = scope.timeline_limit
    events = found[:limit]
    events.reverse()
    return Window(events, more or len(found) > limit, events[0].position - 1 if events else through_position)


def _from_memory(
    scope: SyncScope, contents: RoomContents, joined_at: int, after_position: int, through_position: int
) -> list[TimelineEvent] | None:
    """Newest first, one more than the limit if there are more. None = memory doesn't tell."""
    limit = scope.timeline_limit
    oldest_ms = scope.oldest_ms(contents)
    found: list[TimelineEvent] = []
    for event in reversed(contents.timeline):
        position = event.position
        if position > through_position:
            continue
        if position <= after_position:
            return found
        if position < joined_at and event.history_visibility not in OPEN_TO_MEMBERS:
            return None
        if oldest_ms and is_expired(event.state_key, event.origin_server_ts_ms, oldest_ms):
            continue
        if is_wanted(scope, event):
            found.append(event)
            if len(found) > limit:
                return found
    return found if contents.timeline_after <= after_position else None


def _with_viewer_membership(
    scope: SyncScope, contents: RoomContents, events: list[TimelineEvent], joined_at: int
) -> list[TimelineEvent]:
    """Events from memory, which has every later event too: the user's own member events tell what they were before."""
    after_event: dict[int, str] = {}
    membership = "join"
    for event in reversed(contents.timeline):
        if event.position < joined_at:
            after_event[event.position] = membership
        if event.type == MEMBER and event.state_key == scope.user.user_id:
            # "If the user had yet to join the room at the time of the event […], this property is set to `leave`."
            membership = event.prev_membership or "leave"
    return [event._replace(viewer_membership=after_event.get(event.position, "")) for event in events]


def is_wanted(scope: SyncScope, event: TimelineEvent) -> bool:
    wanted = scope.filter.timeline
    if not wanted.allows_all and not wanted.allows(event):
        return False
    ignored = scope.user.ignored_user_ids
    # "Servers must still send state events sent by ignored users to clients."
    return not ignored or event.state_key is not None or event.sender not in ignored


async def ask_for_timeline(
    scope: SyncScope, room_id: str, after_position: int, through_position: int
) -> tuple[list[TimelineEvent], bool]:
    """What the user may see between the positions, newest first; and whether there may be more of it."""
    if through_position <= 0:
        return [], False
    limit = scope.timeline_limit
    request = TimelineRequest(
        room_id=room_id,
        as_user_id=scope.user.user_id,
        backwards=True,
        from_position=through_position,
        to_position=after_position,
        limit=limit + 1,
        filter_json=scope.filter.timeline.json,
        with_aggregations=True,
        ignored_user_ids=list(scope.user.ignored_user_ids)[:IGNORED_USERS_MAX],
    )
    found: list[TimelineEvent] = []
    more = False
    async for chunk in scope.queries.get_timeline(request):
        found += map(TimelineEvent.from_entry, chunk.entries)
        more = chunk.more
    # The one too many tells for sure; `more` alone, that the roomserver has looked at enough of them.
    return [event for event in found if is_wanted(scope, event)], more or len(found) > limit


def timeline_json(
    scope: SyncScope, contents: RoomContents | None, membership: Membership, window: Window, bundled: Bundled
) -> bytes:
    """The object, made once for all users whose part it is the same."""
    events, joined_at = window.events, membership.joined_at
    own = [event for event in events if event.client_txn_id and _is_own(scope, event)]
    if own or contents is None or not events or events[0].position < joined_at or has_threads(bundled):
        return _timeline_json(scope, window, joined_at, bundled)
    key = (events[0].position, events[-1].position, len(events), window.limited, bool(bundled), scope.filter.timeline)
    known = contents.fragments.get(key)
    if known is not None and scope.now_ms - known[0] <= FRAGMENT_AGE_MS_MAX and not scope.user.ignored_user_ids:
        return known[1]
    made = _timeline_json(scope, window, joined_at, bundled)
    if not scope.user.ignored_user_ids and len(made) <= FRAGMENT_BYTES_MAX:
        if len(contents.fragments) >= FRAGMENTS_MAX:
            contents.fragments.clear()
        contents.fragments[key] = (scope.now_ms, made)
    return made


def _timeline_json(scope: SyncScope, window: Window, joined_at: int, bundled: Bundled) -> bytes:
    parts = [_event_json(scope, event, joined_at, bundled.get(event.position)) for event in window.events]
    if (fields := scope.filter.event_fields) is not None:
        parts = list(map(fields.of_event, parts))
    limited = b"true" if window.limited else b"false"
    return b'{"events":[%b],"limited":%b,"prev_batch":"%b"}' % (
        b",".join(parts),
        limited,
        str(TimelineToken(window.start)).encode(),
    )


def _event_json(scope: SyncScope, event: TimelineEvent, joined_at: int, aggregations: Aggregations | None) -> bytes:
    unsigned = b'"age":%d' % max(0, scope.now_ms - event.origin_server_ts_ms)
    # Spec: `unsigned.membership` is the user's membership "at the point of the event, including any changes
    # caused by the event".
    if joined_at and event.position >= joined_at:
        unsigned += b',"membership":"join"'
    elif event.viewer_membership:
        unsigned += b',"membership":"%b"' % event.viewer_membership.encode()
    if event.client_txn_id and _is_own(scope, event):
        unsigned += b',"transaction_id":' + orjson.dumps(event.client_txn_id)
    if aggregations is not None and (relations := _relations(scope, event, joined_at, aggregations)):
        unsigned += b"," + relations
    return with_unsigned(event.client_json, unsigned)


def _relations(scope: SyncScope, event: TimelineEvent, joined_at: int, aggregations: Aggregations) -> bytes:
    edit = thread = None
    if aggregations.HasField("edit"):
        edit = _event_json(scope, TimelineEvent.from_entry(aggregations.edit), joined_at, None)
    if aggregations.HasField("latest_reply"):
        latest = TimelineEvent.from_entry(aggregations.latest_reply)
        latest_json = _event_json(scope, latest, joined_at, latest.aggregations)
        thread = BundledThread(latest_json, aggregations.replies, participates(scope, event, aggregations))
    return bundled_relations(edit, thread, aggregations.reference_event_ids)


def _is_own(scope: SyncScope, event: TimelineEvent) -> bool:
    """ "The client-supplied transaction ID, if the client being given the event is the same one which sent it.\""""
    return event.device_id == scope.device_id and event.sender == scope.user.user_id
