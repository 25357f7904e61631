"""Reading a room: one event, its state, its members."""

from __future__ import annotations

from typing import Literal

import msgspec
import orjson

from api_gateway.aggregations import leave_out_ignored
from api_gateway.checks import check_event_id, check_room_id
from api_gateway.event_lists import event_for, state_events
from matrix_protocol.errors import Forbidden, NotFound
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, StateEntry, StateKey, StateRequest
from service_kit.rpc.queries import GET_EVENT, Asker, RoomQueries
from service_kit.shards import ShardMap
from service_kit.tokens import timeline_position

Membership = Literal["join", "invite", "knock", "leave", "ban"]
_ALL_MEMBERS = StateKey(type="m.room.member")


class StateQuery(msgspec.Struct):
    format: Literal["content", "event"] = "content"


class MembersQuery(msgspec.Struct):
    at: str | None = None
    membership: Membership | None = None
    not_membership: Membership | None = None


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/event/{eventId}", operation="getOneRoomEvent", guests=True)
async def get_one_room_event(
    room_id: str, event_id: str, caller: Caller, asker: Asker, commands: CommandClient, clock: Clock
) -> bytes:
    request = EventRequest(
        room_id=check_room_id(room_id),
        event_id=check_event_id(event_id),
        as_user_id=caller.user_id,
        with_aggregations=True,
    )
    event = await asker.single(GET_EVENT, request)
    await leave_out_ignored([event], caller, asker, commands)
    return event_for(event, caller, clock.now_ms())


@endpoint(
    "GET",
    "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}",
    operation="getRoomStateWithKey",
    # "When an empty string, the trailing slash on this endpoint is optional."
    aliases=("/_matrix/client/v3/rooms/{roomId}/state/{eventType}",),
    guests=True,
)
async def get_room_state_with_key(
    room_id: str, event_type: str, query: StateQuery, caller: Caller, queries: RoomQueries, state_key: str = ""
) -> bytes:
    request = _state_request(room_id, caller, StateKey(type=event_type, state_key=state_key))
    entries = await _state(queries, request)
    if not entries:
        raise NotFound("The room has no state with this type and key")
    client_json = entries[0].client_json
    return client_json if query.format == "event" else orjson.dumps(orjson.loads(client_json)["content"])


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/state", operation="getRoomState", guests=True)
async def get_room_state(room_id: str, caller: Caller, queries: RoomQueries) -> bytes:
    return state_events(await _state(queries, _state_request(room_id, caller)))


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/members", operation="getMembersByRoom", guests=True)
async def get_members_by_room(
    room_id: str, query: MembersQuery, caller: Caller, queries: RoomQueries, shards: ShardMap
) -> bytes:
    request = _state_request(room_id, caller, _ALL_MEMBERS)
    if query.at is not None:
        # Position 0 would mean "now"; nothing stands at or before the first one but the create event.
        request.at_position = timeline_position(query.at, shards, room_id) or 1
    members = [entry for entry in await _state(queries, request) if _wanted(entry.membership, query)]
    return b'{"chunk":%b}' % state_events(members)


def _wanted(membership: str, query: MembersQuery) -> bool:
    """ "When specified alongside `not_membership`, the two parameters create an 'or' condition: either the membership
    *is* the same as `membership` **or** *is not* the same as `not_membership`."
    """
    if query.membership is None and query.not_membership is None:
        return True
    if query.membership is not None and membership == query.membership:
        return True
    return query.not_membership is not None and membership != query.not_membership


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/joined_members", operation="getJoinedMembersByRoom")
async def get_joined_members_by_room(room_id: str, caller: Caller, queries: RoomQueries) -> bytes:
    entries = await _state(queries, _state_request(room_id, caller, _ALL_MEMBERS))
    joined = {entry.state_key: _profile(entry) for entry in entries if entry.membership == "join"}
    # "The current user must be in the room for it to work"; the state is also given to who was there once.
    if caller.user_id not in joined:
        raise Forbidden("You are not in this room")
    return orjson.dumps({"joined": joined})


def _profile(entry: StateEntry) -> dict[str, str]:
    content = orjson.loads(entry.client_json)["content"]
    found = {"display_name": content.get("displayname"), "avatar_url": content.get("avatar_url")}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _state_request(room_id: str, caller: Caller, *keys: StateKey) -> StateRequest:
    return StateRequest(room_id=check_room_id(room_id), as_user_id=caller.user_id, keys=keys)


async def _state(queries: RoomQueries, request: StateRequest) -> list[StateEntry]:
    return [entry async for chunk in queries.get_state(request) for entry in chunk.entries]
