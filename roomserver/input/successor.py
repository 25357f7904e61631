"""The new room of an upgrade: all the events that it begins with, or none of them.

    1 m.room.create, which names the old room as its predecessor
    2 the join of whoever upgrades
    3 what is carried over, in the order given, the power levels last (`queries.upgrade_state`)

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from __future__ import annotations

import orjson

from matrix_protocol.errors import BadJson, Forbidden, InvalidRoomState, RoomInUse, TooLarge, UnsupportedRoomVersion
from matrix_protocol.power_levels import POWER_LEVELS
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.input.create_room import PreparedRoom, make_create_event, take_place
from roomserver.input.initial_events import CreateRoomRequest
from roomserver.input.new_event import EventDraft, new_event
from roomserver.input.publication import publish
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.room_commands_pb2 import RoomReply
from service_kit.rpc.pb.room_directory_pb2 import CreateSuccessor


async def prepare(shard: OwnedShard, room_id: str, body: CreateSuccessor) -> PreparedRoom:
    rules = ROOM_VERSIONS.get(body.room_version)
    if rules is None:
        raise UnsupportedRoomVersion(f"This server does not host rooms of version {body.room_version[:32]}")
    request = CreateRoomRequest(creation_content=orjson.loads(body.create_content_json), preset="private_chat")
    return PreparedRoom(request, rules, await shard.load(room_id) is not None)


def execute(shard: OwnedShard, room_id: str, body: CreateSuccessor, prepared: PreparedRoom, batch: Batch) -> RoomReply:
    """Raises RoomInUse if it was made already, and InvalidRoomState if the new version has no such room.

    An event that the new version refuses is left behind, except for the join and the power levels.
    """
    if prepared.exists or shard.rooms.get(room_id) is not None:
        raise RoomInUse("There is a room of this ID already")
    room = RoomInMemory(room_id, prepared.rules)
    origin = (body.creator, body.origin_server_ts_ms)
    create_event = make_create_event(room, *origin, prepared.request, shard.hosted_servers)
    facts = [take_place(shard, room, create_event)]
    member = {**orjson.loads(body.member_content_json or b"{}"), "membership": "join"}
    drafts = [EventDraft(MEMBER, body.creator, body.creator, member)]
    drafts += [
        EventDraft(event.type, event.state_key, body.creator, orjson.loads(event.content_json)) for event in body.events
    ]
    for draft in drafts:
        try:
            event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
        except (BadJson, Forbidden, TooLarge) as error:
            if draft.type == POWER_LEVELS or draft.state_key == body.creator:
                raise InvalidRoomState(f"The new room's {draft.type} is not allowed: {error.message}") from None
            continue
        facts.append(take_place(shard, room, event))
    for fact in facts:
        room.last_position = batch.add(fact)
    shard.rooms.add(room)
    for server_name in body.published_in:
        publish(shard, room, server_name, batch)
    return RoomReply(event_id=create_event.event_id, room_id=room_id)
