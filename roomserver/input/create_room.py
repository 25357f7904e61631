"""POST createRoom: a new room, with all the events that it begins with, or none of them.

"It MUST apply the events implied by the request in the following order":

    1 m.room.create
    2 the creator's join
    3 m.room.power_levels
    4 m.room.canonical_alias, if there is a room_alias_name: the gateway has claimed the alias
    5 the preset's m.room.join_rules, m.room.history_visibility, m.room.guest_access
    6 initial_state
    7 m.room.name, m.room.topic
    8 invites

Each is checked by the auth rules against the state that the former ones made.

Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
"""

from __future__ import annotations

from typing import Final, NamedTuple

from matrix_protocol.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    InvalidRoomState,
    RoomInUse,
    UnsupportedRoomVersion,
)
from matrix_protocol.event_auth import check_auth_rules
from matrix_protocol.events.builder import build_create_event
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import is_valid_room_id, server_name_of
from matrix_protocol.room_creation import create_event_content
from matrix_protocol.room_versions import ROOM_VERSIONS, RoomVersionRules
from roomserver.input.append_event import advance
from roomserver.input.canonical_alias import CANONICAL_ALIAS, check_aliases
from roomserver.input.event_fact import event_fact
from roomserver.input.initial_events import CreateRoomRequest, initial_events, parse_request
from roomserver.input.new_event import EventDraft, new_event, signing_key_of
from roomserver.input.publication import check_may_publish, publish
from roomserver.state.auth_state import RoomAuthState
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.hosted_servers import HostedServers
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import CreateRoom, RoomReply

CREATE: Final = "m.room.create"


class PreparedRoom(NamedTuple):
    request: CreateRoomRequest
    rules: RoomVersionRules
    exists: bool


async def prepare(shard: OwnedShard, room_id: str, body: CreateRoom) -> PreparedRoom:
    request = parse_request(body.request_json)
    rules = ROOM_VERSIONS.get(body.room_version)
    if rules is None:
        raise UnsupportedRoomVersion(f"This server does not host rooms of version {body.room_version[:32]}")
    if not is_valid_room_id(room_id):
        raise InvalidParam("This is not a room ID")
    return PreparedRoom(request, rules, await shard.load(room_id) is not None)


def execute(shard: OwnedShard, room_id: str, body: CreateRoom, prepared: PreparedRoom, batch: Batch) -> RoomReply:
    """Raises InvalidRoomState if one of the events would not be allowed, and what building an event raises."""
    if prepared.exists or shard.rooms.get(room_id) is not None:
        raise RoomInUse("There is a room of this ID already")
    hosted_servers = shard.hosted_servers
    is_published = prepared.request.visibility == "public"
    if is_published:
        check_may_publish(shard, server_name_of(body.creator))
    room = RoomInMemory(room_id, prepared.rules)
    create_event = make_create_event(room, body.creator, body.origin_server_ts_ms, prepared.request, hosted_servers)
    facts = [take_place(shard, room, create_event)]
    for draft in initial_events(room.rules, body, prepared.request):
        if draft.type == MEMBER:
            _check_member(draft, hosted_servers)
        elif draft.type == CANONICAL_ALIAS:
            check_aliases(room_id, draft.content, None, {body.alias: room_id})
        try:
            event = new_event(room, draft, hosted_servers, batch.now_ms)
        except Forbidden as error:
            # "The initial state implied by the parameters to the request is invalid" (M_INVALID_ROOM_STATE)
            raise InvalidRoomState(f"The event {draft.type} of the new room is not allowed: {error.message}") from None
        facts.append(take_place(shard, room, event))
    for fact in facts:
        room.last_position = batch.add(fact)
    shard.rooms.add(room)
    if is_published:
        # "A `public` visibility indicates that the room will be shown in the published room list."
        publish(shard, room, server_name_of(body.creator), batch)
    return RoomReply(event_id=create_event.event_id, room_id=room_id)


def make_create_event(
    room: RoomInMemory,
    creator: str,
    origin_server_ts_ms: int,
    request: CreateRoomRequest,
    hosted_servers: HostedServers,
) -> Event:
    """The create event, which is yet to take its place. Raises BadJson, InvalidRoomState."""
    rules = room.rules
    names_itself = rules.event_format.room_id_is_create_event_id
    event = build_create_event(
        room_id=None if names_itself else room.room_id,
        sender=creator,
        content=create_event_content(rules, creator, request.creation_content, request.preset_in_force, request.invite),
        origin_server_ts_ms=origin_server_ts_ms,
        rules=rules,
        signing_key=signing_key_of(hosted_servers, creator),
    )
    if event.room_id != room.room_id:
        raise BadJson("The room ID is not the hash of the room's create event")
    rejection = check_auth_rules(event, RoomAuthState(room), rules)
    if rejection is not None:
        raise InvalidRoomState(f"The room cannot be created: {rejection.reason}")
    return event


def take_place(shard: OwnedShard, room: RoomInMemory, event: Event) -> Fact:
    """An event of a room that is being made, as its owner's memory and the batch are to have it."""
    replaced = None
    if event.state_key is not None:
        replaced = shard.current_event(room, event.type, event.state_key, None)
    inviter = shard.known_member(room, event.sender, None) if event.type == MEMBER else None
    fact = event_fact(room, event, replaced=replaced, inviter=inviter)
    advance(shard, room, event, fact)
    return fact


def _check_member(draft: EventDraft, hosted_servers: HostedServers) -> None:
    target = draft.state_key or ""
    if draft.content.get("membership") == "invite" and not hosted_servers.is_ours(server_name_of(target)):
        raise Forbidden(f"{target[:255]} cannot be invited: this server does not federate yet")
