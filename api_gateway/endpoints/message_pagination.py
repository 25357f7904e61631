"""`GET /rooms/{roomId}/messages`: a page of the timeline, backwards or forwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import orjson

from api_gateway.aggregations import leave_out_ignored
from api_gateway.checks import check_room_id
from api_gateway.event_lists import events_for, state_events
from api_gateway.event_pages import Page, limit_of, read_page
from api_gateway.ignored_users import IgnoredUsers
from api_gateway.room_event_filter import RoomEventFilter, parse_room_event_filter
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import StateEntry, StateKey, StateRequest, TimelineEntry, TimelineRequest
from service_kit.rpc.queries import GET_STATE, GET_TIMELINE, Asker
from service_kit.shards import ShardMap
from service_kit.tokens import TimelineToken, timeline_position

LIMIT = 10
"""Where the client gives none."""


class MessagesQuery(msgspec.Struct, rename={"direction": "dir", "start": "from"}):
    direction: Literal["b", "f"]
    start: str | None = None
    to: str | None = None
    limit: int | None = None
    filter: str | None = None


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/messages", operation="getRoomEvents", guests=True)
async def get_room_events(
    room_id: str,
    query: MessagesQuery,
    caller: Caller,
    asker: Asker,
    commands: CommandClient,
    ignored_users: IgnoredUsers,
    shards: ShardMap,
    clock: Clock,
) -> bytes:
    event_filter = parse_room_event_filter(query.filter)
    request = _timeline_request(check_room_id(room_id), query, event_filter, caller, shards)
    page = await read_page(asker.stream(GET_TIMELINE, request)) if request is not None else Page([])
    page.entries = await ignored_users.without_their_events(page.entries, caller)
    await leave_out_ignored(page.entries, caller, asker, commands)
    start = query.start or str(TimelineToken(page.head_position if query.direction == "b" else 0))
    parts = [b'{"start":%b,"chunk":%b' % (orjson.dumps(start), events_for(page.entries, caller, clock.now_ms()))]
    if page.more:
        parts.append(b',"end":"t%d"' % page.next_position)
    if event_filter.lazy_load_members and page.entries:
        members = await _members_of(asker, room_id, page.entries, caller)
        parts.append(b',"state":' + state_events(members))
    return b"".join([*parts, b"}"])


def _timeline_request(
    room_id: str, query: MessagesQuery, event_filter: RoomEventFilter, caller: Caller, shards: ShardMap
) -> TimelineRequest | None:
    """What to ask the room's owner; None: there cannot be anything between the tokens."""
    backwards = query.direction == "b"
    start = None if query.start is None else timeline_position(query.start, shards, room_id)
    end = None if query.to is None else timeline_position(query.to, shards, room_id)
    # Nothing stands before the first event; the owner would read 0 as "no bound".
    if (backwards and start == 0) or (not backwards and end == 0):
        return None
    return TimelineRequest(
        room_id=room_id,
        as_user_id=caller.user_id,
        backwards=backwards,
        from_position=start or 0,
        to_position=end or 0,
        limit=limit_of(event_filter.limit if query.limit is None else query.limit, LIMIT),
        filter_json=b"" if query.filter is None else query.filter.encode(),
        with_aggregations=True,
    )


async def _members_of(asker: Asker, room_id: str, entries: Sequence[TimelineEntry], caller: Caller) -> list[StateEntry]:
    """The membership events of the page's senders, as they were where the page begins."""
    senders = dict.fromkeys(entry.sender for entry in entries)
    request = StateRequest(
        room_id=room_id,
        as_user_id=caller.user_id,
        keys=[StateKey(type="m.room.member", state_key=sender) for sender in senders],
        at_position=max(entries[0].position, entries[-1].position),
    )
    return [entry async for chunk in asker.stream(GET_STATE, request) for entry in chunk.entries]
