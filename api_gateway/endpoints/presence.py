"""`PUT` and `GET /presence/{userId}/status`.

The owner of the user's shard keeps it (`userserver.presence`); whoever shares a room with the user may ask.

Spec: https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from api_gateway.checks import EMPTY
from matrix_protocol.errors import Forbidden, NotFound, TooLarge
from matrix_protocol.identifiers import exceeds_bytes, parse_user_id
from service_kit.clock import Clock
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.limits import PRESENCE_STATUS_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.pb.user_commands_pb2 import GetPresence, SetPresence, UserCommand
from service_kit.rpc.queries import RoomQueries

_STATUS = "/_matrix/client/v3/presence/{userId}/status"


class PresenceBody(Struct):
    presence: Literal["online", "offline", "unavailable"]
    status_msg: str | None = None


@endpoint("PUT", _STATUS, operation="setPresence")
async def set_presence(
    user_id: str, body: PresenceBody, caller: Caller, users: CommandClient, settings: Settings
) -> bytes:
    """Without `status_msg`, a former one goes: it is "the status message to attach to this state"."""
    if user_id != caller.user_id:
        raise Forbidden("You cannot set the presence of others")
    status_msg = body.status_msg or ""
    if exceeds_bytes(status_msg, PRESENCE_STATUS_BYTES_MAX):
        raise TooLarge(f"A status message may have {PRESENCE_STATUS_BYTES_MAX} bytes")
    if not _has_presence(user_id, settings):
        raise Forbidden("This server does not tell anybody's presence")
    command = SetPresence(user_id=user_id, device_id=caller.device_id, presence=body.presence, status_msg=status_msg)
    await users.user(user_id, UserCommand(set_presence=command))
    return EMPTY


@endpoint("GET", _STATUS, operation="getPresence")
async def get_presence(
    user_id: str, caller: Caller, users: CommandClient, queries: RoomQueries, settings: Settings, clock: Clock
) -> dict[str, Any]:
    if not _has_presence(user_id, settings):
        raise NotFound("There is no presence of this user")
    if user_id != caller.user_id and not await _share_a_room(queries, caller.user_id, user_id):
        raise Forbidden("You are not allowed to see the presence of who shares no room with you")
    presence = (await users.user(user_id, UserCommand(get_presence=GetPresence(user_id=user_id)))).presence
    answer: dict[str, Any] = {
        "presence": presence.presence,
        "currently_active": presence.presence == "online",
    }
    if presence.last_active_at_ms:
        answer["last_active_ago"] = max(0, clock.now_ms() - presence.last_active_at_ms)
    if presence.status_msg:
        answer["status_msg"] = presence.status_msg
    return answer


def _has_presence(user_id: str, settings: Settings) -> bool:
    """NOTSPEC: users of other servers have none here: this server does not federate yet."""
    return parse_user_id(user_id).server_name in settings.presence_servers


async def _share_a_room(queries: RoomQueries, user_id: str, other_id: str) -> bool:
    theirs = await _joined_rooms(queries, other_id)
    return bool(theirs) and not theirs.isdisjoint(await _joined_rooms(queries, user_id))


async def _joined_rooms(queries: RoomQueries, user_id: str) -> set[str]:
    return {
        room.room_id
        async for chunk in queries.get_rooms_of_user(RoomsOfUserRequest(user_id=user_id))
        for room in chunk.rooms
        if room.membership == "join"
    }
