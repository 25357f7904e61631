"""`GET /rooms/{roomId}/initialSync`: a room as it is now, also for somebody who only looks into it."""

from __future__ import annotations

import orjson

from api_gateway.checks import check_room_id
from api_gateway.event_lists import events_for, state_events
from matrix_protocol.identifiers import server_name_of
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.pb.room_directory_pb2 import VisibilityRequest
from service_kit.rpc.pb.room_queries_pb2 import (
    StateEntry,
    StateRequest,
    TimelineEntry,
    TimelineRequest,
)
from service_kit.rpc.pb.user_queries_pb2 import AccountDataRequest
from service_kit.rpc.queries import GET_ACCOUNT_DATA, GET_STATE, GET_TIMELINE, GET_VISIBILITY, Asker
from service_kit.tokens import TimelineToken

MESSAGES = 20
"""The specification leaves the number to the server."""


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/initialSync", operation="roomInitialSync", guests=True)
async def room_initial_sync(room_id: str, caller: Caller, asker: Asker, clock: Clock) -> bytes:
    """Raises Forbidden for whoever is not in the room, never was, and may not look into it."""
    check_room_id(room_id)
    request = StateRequest(room_id=room_id, as_user_id=caller.user_id)
    state = [entry async for chunk in asker.stream(GET_STATE, request) for entry in chunk.entries]
    entries, start, end = await _messages(asker, room_id, caller)
    question = VisibilityRequest(room_id=room_id, server_name=server_name_of(caller.user_id))
    visibility = await asker.single(GET_VISIBILITY, question)
    members = {
        b"room_id": orjson.dumps(room_id),
        b"messages": b'{"start":"%b","end":"%b","chunk":%b}'
        % (
            str(TimelineToken(start)).encode(),
            str(TimelineToken(end)).encode(),
            events_for(entries, caller, clock.now_ms()),
        ),
        b"state": state_events(state),
        b"visibility": b'"public"' if visibility.published else b'"private"',
        b"account_data": await _account_data(asker, room_id, caller),
    }
    if membership := _membership(state, caller.user_id):
        members[b"membership"] = orjson.dumps(membership)
    return b"{%b}" % b",".join(b'"%b":%b' % member for member in members.items())


async def _messages(asker: Asker, room_id: str, caller: Caller) -> tuple[list[TimelineEntry], int, int]:
    """The newest that the caller may see, oldest first, and the places before and after them."""
    request = TimelineRequest(room_id=room_id, as_user_id=caller.user_id, backwards=True, limit=MESSAGES)
    found: list[TimelineEntry] = []
    end = 0
    async for chunk in asker.stream(GET_TIMELINE, request):
        found += chunk.entries
        end = end or chunk.position
    found.reverse()
    return found, found[0].position - 1 if found else end, end


def _membership(state: list[StateEntry], user_id: str) -> str:
    """ "" for somebody who was never in the room; knocking is none of those that the specification has here."""
    own = next((entry for entry in state if entry.type == "m.room.member" and entry.state_key == user_id), None)
    return "" if own is None or own.membership == "knock" else own.membership


async def _account_data(asker: Asker, room_id: str, caller: Caller) -> bytes:
    request = AccountDataRequest(user_id=caller.user_id)
    entries = [entry async for chunk in asker.stream(GET_ACCOUNT_DATA, request) for entry in chunk.entries]
    events = [
        b'{"content":%b,"type":%b}' % (entry.content_json, orjson.dumps(entry.type))
        for entry in entries
        if entry.room_id == room_id
    ]
    return b"[%b]" % b",".join(events)
