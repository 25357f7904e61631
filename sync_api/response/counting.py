"""Brings a reader's counter up to the end of the room's timeline.

1 which events     from memory; those before it are asked for
2 look at          what the reader's rules say; which thread, for what counts
3 take             oldest first: what is notified about, what the reader sent, what was redacted
4 receipts

Nothing waits in steps 3 and 4, so that two requests of one reader count no event twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from matrix_protocol.push_rules import NOTHING, Outcome, Reader, default_rule_set
from service_kit.rpc.pb.room_queries_pb2 import TimelineRequest
from sync_api.entries import MEMBER, StateEvent, TimelineEvent
from sync_api.push_events import MAIN, PREPARED_MAX, PreparedEvent
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope
from sync_api.unread.counter import EVERYWHERE, Notification, UnreadCounter
from sync_api.unread.reading import OF_ALL, know_receipts, receipts_of
from sync_api.unread.threads import Threads
from sync_api.user_view import Membership

EVENTS_MAX = 500
"""A new counter looks at so many events, and a gap is made up for with so many: 4 ms at the most."""
THREAD_EVENTS_MAX = 200
"""The same, where the reader has read the main timeline, and only threads can hold something unread."""


class _Events(NamedTuple):
    oldest_first: list[TimelineEvent]
    is_complete: bool


async def unread_counter(
    scope: SyncScope, contents: RoomContents, membership: Membership, own_member: StateEvent | None
) -> UnreadCounter:
    """`own_member`: the reader's member event, for their name in the room."""
    counter = scope.unread.counters.get(membership.room_id)
    if counter is None:
        return await _begin(scope, contents, membership, own_member)
    last_position = _last_position(contents)
    if counter.through < last_position:
        events = _newer(contents, counter.through)
        if contents.timeline_after > counter.through:
            span = (counter.through, contents.timeline_after)
            events = await ask_for_events(scope, membership.room_id, *span, EVENTS_MAX) + events
        _take(counter, await _look_at(scope, counter, contents, events), last_position, scope.user.user_id)
    _read(counter, contents, scope.user.user_id)
    return counter


async def _begin(
    scope: SyncScope, contents: RoomContents, membership: Membership, own_member: StateEvent | None
) -> UnreadCounter:
    room_id, user_id = membership.room_id, scope.user.user_id
    receipts = await know_receipts(scope.queries, room_id, contents, user_id)
    name = _display_name(own_member.client_json) if own_member is not None else None
    counter = UnreadCounter(Reader(user_id, name))
    if membership.joined_at_is_exact:
        counter.join(membership.joined_at - 1)
    for receipt in receipts:
        counter.read_through(receipt.thread_id, receipt.event_position)
    last_position = _last_position(contents)
    events = await _unread_events(scope, contents, room_id, counter)
    seen = await _look_at(scope, counter, contents, events.oldest_first)
    # Meanwhile another request may have made it.
    counter = scope.unread.counters.get(room_id, counter)
    _take(counter, seen, last_position, user_id)
    _read(counter, contents, user_id)
    if events.is_complete:
        scope.counters.add(scope.unread, room_id, counter)
    return counter


def _last_position(contents: RoomContents) -> int:
    return contents.timeline[-1].position if contents.timeline else 0


# --- which events ---


async def _unread_events(scope: SyncScope, contents: RoomContents, room_id: str, counter: UnreadCounter) -> _Events:
    """Those after the reader's receipts, back to when they joined."""
    after = counter.read.get(EVERYWHERE, 0)
    found: list[TimelineEvent] = []
    for event in reversed(contents.timeline):
        if event.position <= after:
            break
        found.append(event)
        if joins(event, scope.user.user_id):
            after = event.position
    found.reverse()
    if contents.timeline_after <= after:
        return _Events(found, True)
    has_read_main = contents.timeline_after <= counter.read.get(MAIN, 0)
    if has_read_main and scope.since is None:
        # A first answer is about many rooms, most of which have been read: threads are looked at with the next one.
        return _Events(found, False)
    wanted = (THREAD_EVENTS_MAX if has_read_main else EVENTS_MAX) - len(found)
    if wanted <= 0:
        return _Events(found, True)
    limit = min(wanted, scope.unread_events_left)
    if limit <= 0:
        return _Events(found, False)
    older = await ask_for_events(scope, room_id, after, contents.timeline_after, limit)
    scope.unread_events_left -= len(older)
    return _Events(older + found, limit == wanted or len(older) < limit)


def _newer(contents: RoomContents, after_position: int) -> list[TimelineEvent]:
    found: list[TimelineEvent] = []
    for event in reversed(contents.timeline):
        if event.position <= after_position:
            break
        found.append(event)
    found.reverse()
    return found


async def ask_for_events(
    scope: SyncScope, room_id: str, after_position: int, through_position: int, limit: int
) -> list[TimelineEvent]:
    """The newest of the events between the positions, oldest first; none from before the reader joined."""
    request = TimelineRequest(
        room_id=room_id, backwards=True, from_position=through_position, to_position=after_position, limit=limit
    )
    found: list[TimelineEvent] = []
    async for chunk in scope.queries.get_timeline(request):
        found += map(TimelineEvent.from_entry, chunk.entries)
    joined = next((number for number, event in enumerate(found) if joins(event, scope.user.user_id)), len(found))
    return found[: joined + 1][::-1]


def joins(event: TimelineEvent, user_id: str) -> bool:
    return (
        event.type == MEMBER
        and event.state_key == user_id
        and event.membership == "join"
        and event.prev_membership != "join"
    )


# --- what they mean ---


class _Seen(NamedTuple):
    event: TimelineEvent
    found: PreparedEvent
    is_own: bool
    notify: bool
    highlight: bool


async def _look_at(
    scope: SyncScope, counter: UnreadCounter, contents: RoomContents, events: Sequence[TimelineEvent]
) -> list[_Seen]:
    """The events that may mean anything to the counter."""
    user_id, ignored, rules = scope.user.user_id, scope.user.ignored_user_ids, scope.unread.rules
    reader = counter.reader
    read_main = max(counter.read.get(MAIN, 0), _last_own(events, user_id))
    # By the predefined rules, members who come and go are nothing to notify about.
    skips_members = rules is default_rule_set()
    threads: Threads | None = None
    seen: list[_Seen] = []
    for event in events:
        is_own_member = event.state_key == user_id and event.type == MEMBER
        if event.sender in ignored or (skips_members and event.type == MEMBER and not is_own_member):
            continue
        if event.position < read_main and not is_own_member and b'"rel_type"' not in event.client_json:
            continue
        found = _prepared(contents, event)
        is_own = event.sender == user_id
        if is_own_member:
            reader = Reader(user_id, _display_name(event.client_json))
        outcome = NOTHING if is_own or found.is_redacted else rules.evaluate(found.push_event, reader)
        if not found.thread_id and (outcome.notify or is_own):
            threads = threads or Threads(scope.queries, contents)
            await threads.find(found)
        seen.append(_Seen(event, found, is_own, outcome.notify, outcome.highlight))
    return seen


def find_notifications(
    scope: SyncScope, contents: RoomContents, reader: Reader, events: Iterable[TimelineEvent]
) -> Iterator[tuple[TimelineEvent, Outcome]]:
    """What the reader's rules notify about among these events, and how."""
    for event in events:
        if event.sender in scope.user.ignored_user_ids or event.sender == reader.user_id:
            continue
        found = _prepared(contents, event)
        if found.is_redacted:
            continue
        outcome = scope.unread.rules.evaluate(found.push_event, reader)
        if outcome.notify:
            yield event, outcome


def _last_own(events: Sequence[TimelineEvent], user_id: str) -> int:
    """Position of the last event that the reader sent into the main timeline."""
    for event in reversed(events):
        if event.sender == user_id and event.state_key is None and b'"rel_type"' not in event.client_json:
            return event.position
    return 0


def _prepared(contents: RoomContents, event: TimelineEvent) -> PreparedEvent:
    timeline = contents.timeline
    if timeline and event.position >= timeline[-min(PREPARED_MAX, len(timeline))].position:
        return contents.push_events.add(event.event_id, event.client_json, contents.joined_count, contents.state)
    return contents.push_events.prepare(event.client_json, contents.joined_count, contents.state)


def _take(counter: UnreadCounter, seen: Iterable[_Seen], through_position: int, user_id: str) -> None:
    for event, found, is_own, notify, highlight in seen:
        position = event.position
        if position <= counter.through:
            continue
        if event.state_key is not None:
            if event.type == MEMBER and event.state_key == user_id:
                counter.reader = Reader(user_id, _display_name(event.client_json))
                if joins(event, user_id):
                    counter.join(position)
        elif is_own and not found.is_redacted:
            # "either by using the API or by sending an event". NOTSPEC: no state event: a new display name sends one
            # into every room. What is redacted tells its thread no more.
            counter.read_through(found.thread_id, position)
        if found.redacts:
            counter.redact(found.redacts)
        if notify:
            counter.notify(found.thread_id, Notification(position, event.event_id, highlight))
    counter.through = max(counter.through, through_position)


def _read(counter: UnreadCounter, contents: RoomContents, user_id: str) -> None:
    last_receipt = contents.last_receipt_position
    if counter.receipts_seen != last_receipt or counter.has_threads():
        counter.receipts_seen = last_receipt
        for receipt in receipts_of(contents, user_id, (*OF_ALL, *counter.unread_threads())):
            counter.read_through(receipt.thread_id, receipt.event_position)


def _display_name(client_json: bytes) -> str | None:
    content = orjson.loads(client_json).get("content")
    name = content.get("displayname") if isinstance(content, dict) else None
    return name if isinstance(name, str) else None
