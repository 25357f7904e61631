"""`GET /rooms/{roomId}/context/{eventId}`: an event with what stands around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from api_gateway.aggregations import leave_out_ignored
from api_gateway.checks import check_event_id, check_room_id
from api_gateway.event_lists import event_for, events_for, state_events
from api_gateway.event_pages import LIMIT_MAX, Page, read_page
from api_gateway.room_event_filter import RoomEventFilter, parse_room_event_filter, state_filter
from matrix_protocol.errors import InvalidParam
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import (
    EventRequest,
    StateEntry,
    StateKey,
    StateRequest,
    TimelineEntry,
    TimelineRequest,
)
from service_kit.rpc.queries import GET_EVENT, GET_STATE, GET_TIMELINE, Asker
from service_kit.tokens import TimelineToken

LIMIT = 10
MEMBER = "m.room.member"


class ContextQuery(msgspec.Struct):
    limit: int | None = None
    filter: str | None = None


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/context/{eventId}", operation="getEventContext", guests=True)
async def get_event_context(
    room_id: str,
    event_id: str,
    query: ContextQuery,
    caller: Caller,
    asker: Asker,
    commands: CommandClient,
    clock: Clock,
) -> bytes:
    event_filter = parse_room_event_filter(query.filter)
    limit = _limit(query, event_filter)
    event_request = EventRequest(
        room_id=check_room_id(room_id),
        event_id=check_event_id(event_id),
        as_user_id=caller.user_id,
        with_aggregations=True,
    )
    event = await asker.single(GET_EVENT, event_request)
    before = await _page(asker, _around(event, caller, query, limit // 2, backwards=True))
    after = await _page(asker, _around(event, caller, query, limit - limit // 2, backwards=False))
    shown = [*before.entries, event, *after.entries]
    await leave_out_ignored(shown, caller, asker, commands)
    last = after.entries[-1] if after.entries else event
    state = [entry async for entry in _state(asker, caller, event_filter, shown, last)]
    now_ms = clock.now_ms()
    return b'{"start":"%b","end":"%b","event":%b,"events_before":%b,"events_after":%b,"state":%b}' % (
        str(TimelineToken(before.next_position)).encode(),
        str(TimelineToken(after.next_position)).encode(),
        event_for(event, caller, now_ms),
        events_for(before.entries, caller, now_ms),
        events_for(after.entries, caller, now_ms),
        state_events(state),
    )


def _limit(query: ContextQuery, event_filter: RoomEventFilter) -> int:
    limit = event_filter.limit if query.limit is None else query.limit
    if limit is None:
        return LIMIT
    if limit < 0:
        raise InvalidParam("limit must not be negative")
    return min(limit, LIMIT_MAX)


def _around(
    event: TimelineEntry, caller: Caller, query: ContextQuery, limit: int, *, backwards: bool
) -> TimelineRequest:
    return TimelineRequest(
        room_id=event.room_id,
        as_user_id=caller.user_id,
        backwards=backwards,
        from_position=event.position - 1 if backwards else event.position,
        limit=limit,
        filter_json=b"" if query.filter is None else query.filter.encode(),
        with_aggregations=True,
    )


async def _page(asker: Asker, request: TimelineRequest) -> Page:
    # Nothing stands before the first event; the owner would read 0 as "no bound".
    if request.limit == 0 or (request.backwards and request.from_position == 0):
        return Page([], next_position=request.from_position)
    return await read_page(asker.stream(GET_TIMELINE, request))


async def _state(
    asker: Asker, caller: Caller, event_filter: RoomEventFilter, shown: Sequence[TimelineEntry], last: TimelineEntry
) -> AsyncIterator[StateEntry]:
    """ "The state of the room at the last event returned", with lazy members those of the senders that are shown."""
    request = StateRequest(room_id=last.room_id, as_user_id=caller.user_id, at_position=last.position)
    requests, passes = [request], state_filter(event_filter, last.room_id)
    if event_filter.lazy_load_members:
        request.not_types.append(MEMBER)
        members = StateRequest(room_id=last.room_id, as_user_id=caller.user_id, at_position=last.position)
        senders = dict.fromkeys(entry.sender for entry in shown)
        members.keys.extend(StateKey(type=MEMBER, state_key=sender) for sender in senders)
        requests.append(members)
    for wanted in requests:
        async for chunk in asker.stream(GET_STATE, wanted):
            for entry in chunk.entries:
                if passes(entry):
                    yield entry
