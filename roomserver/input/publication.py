"""PUT directory/list/room: a room stands in a server's directory, or no longer; and its entry follows the room.

An entry is kept as it is shown: each event that changes what it says (a member joins or leaves, the name, …) adds the
fact of the new one. Messages add nothing, nor does anything in a room that is in no directory.

Spec: https://spec.matrix.org/v1.19/client-server-api/#published-room-directory
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from matrix_protocol.errors import Forbidden, NotFound, ResourceLimitExceeded
from matrix_protocol.json_types import JsonObject
from matrix_protocol.power_levels import can_send_state
from matrix_protocol.room_summary import SUMMARY_STATE_TYPES, published_room
from roomserver.state.compact import MEMBER
from roomserver.state.room import KEPT_TYPES, RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply
from service_kit.rpc.pb.room_directory_pb2 import PublishedRoomFact, SetVisibility

CANONICAL_ALIAS: Final = "m.room.canonical_alias"
TEXT_CHARACTERS_MAX: Final = 1000
ROOMS_MAX: Final = 50_000
"""In the part of one server's directory that lies in one shard: some 100 MB."""
_SHOWN_TYPES: Final = frozenset({*SUMMARY_STATE_TYPES, MEMBER})
assert KEPT_TYPES.issuperset(SUMMARY_STATE_TYPES), "an entry is made from memory alone"


async def prepare(shard: OwnedShard, room_id: str, body: SetVisibility) -> RoomInMemory | None:
    return await shard.load(room_id)


def execute(shard: OwnedShard, room_id: str, body: SetVisibility, room: RoomInMemory | None, batch: Batch) -> RoomReply:
    """Raises NotFound, Forbidden.

    "Servers MAY implement additional access control checks": who may say which aliases the room has may say this, too.
    """
    if room is None:
        raise NotFound("There is no such room on this server")
    is_member = room.state.membership(body.user_id) == "join"
    if not body.permitted and not (is_member and can_send_state(room.power_levels(), body.user_id, CANONICAL_ALIAS)):
        raise Forbidden("Only who may set the room's aliases may change whether it is in the directory")
    if body.published:
        check_may_publish(shard, body.server_name)
        publish(shard, room, body.server_name, batch)
    elif shard.published.is_published(body.server_name, room_id):
        unpublish(shard, room_id, body.server_name, batch)
    return RoomReply(room_id=room_id)


def check_may_publish(shard: OwnedShard, server_name: str) -> None:
    """Raises ResourceLimitExceeded."""
    directory = shard.published.directory(server_name)
    if directory is not None and len(directory) >= ROOMS_MAX:
        raise ResourceLimitExceeded("The directory is full: take rooms out of it first")


def publish(shard: OwnedShard, room: RoomInMemory, server_name: str, batch: Batch) -> None:
    """The room's entry as it is now; nothing if it is in this directory already."""
    if not shard.published.is_published(server_name, room.room_id):
        _put(shard, room, server_name, batch)


def unpublish(shard: OwnedShard, room_id: str, server_name: str, batch: Batch) -> None:
    """Of a room that is in this directory."""
    shard.published.remove(server_name, room_id)
    batch.add(Fact(published_room=PublishedRoomFact(room_id=room_id, server_name=server_name)))


def follow(shard: OwnedShard, room: RoomInMemory, changed_type: str, batch: Batch) -> None:
    """A state event of this type has taken its place: the entries of the room say what is so now."""
    if changed_type in _SHOWN_TYPES:
        for server_name in list(shard.published.server_names_of(room.room_id)):
            _put(shard, room, server_name, batch)


def _put(shard: OwnedShard, room: RoomInMemory, server_name: str, batch: Batch) -> None:
    joined_members = room.state.count("join")
    entry_json = orjson.dumps(_shortened(published_room(room.room_id, content_of(room), joined_members)))
    directory = shard.published.directory(server_name)
    if directory is not None and directory.shows(room.room_id, entry_json):
        return
    shard.published.put(server_name, room.room_id, joined_members, entry_json)
    fact = PublishedRoomFact(
        room_id=room.room_id,
        server_name=server_name,
        published=True,
        joined_members=joined_members,
        entry_json=entry_json,
    )
    batch.add(Fact(published_room=fact))


def _shortened(entry: JsonObject) -> JsonObject:
    """NOTSPEC: a topic may have 60 KB, and 500 of them on one page are an attack. A long text is cut; what would be
    wrong when cut (a URL, an alias) is left out.
    """
    return {
        name: value[:TEXT_CHARACTERS_MAX] if name in ("name", "topic") else value
        for name, value in entry.items()
        if not isinstance(value, str) or name in ("name", "topic") or len(value) <= TEXT_CHARACTERS_MAX
    }


def content_of(room: RoomInMemory) -> Any:
    """For `matrix_protocol.room_summary`."""

    def content(event_type: str) -> Mapping[str, Any] | None:
        event = room.state_event(event_type, "")
        return None if event is None else event.content

    return content
