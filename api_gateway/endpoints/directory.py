"""`/directory/room/{roomAlias}` and `GET /rooms/{roomId}/aliases`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.checks import EMPTY, check_room_id
from api_gateway.room_aliases import (
    CANONICAL_ALIAS,
    check_may_delete,
    check_own_alias,
    delete_alias,
    leave_out_of_room,
    read_alias,
    set_alias,
    standing_of,
)
from matrix_protocol.errors import Forbidden, RoomInUse, error_from
from matrix_protocol.identifiers import server_name_of
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import CREATE_ROOM
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_directory_pb2 import AliasesOfRoomRequest, SetAlias
from service_kit.rpc.queries import GET_ALIASES_OF_ROOM, Asker

_ALIAS_PATH = "/_matrix/client/v3/directory/room/{roomAlias}"


class AliasBody(msgspec.Struct):
    room_id: str


@endpoint("GET", _ALIAS_PATH, operation="getRoomIdByAlias", auth=Auth.NONE)
async def get_room_id_by_alias(room_alias: str, asker: Asker) -> bytes:
    found = await read_alias(asker, room_alias)
    return orjson.dumps({"room_id": found.room_id, "servers": [server_name_of(room_alias)]})


@endpoint("PUT", _ALIAS_PATH, operation="setRoomAlias", rate_limit=CREATE_ROOM)
async def set_room_alias(
    room_alias: str, body: AliasBody, caller: Caller, request: Request, commands: CommandClient, asker: Asker
) -> bytes:
    """NOTSPEC: the specification lets everybody give aliases to every room; we ask that they are in it."""
    check_own_alias(room_alias, caller)
    standing = await standing_of(asker, body.room_id, caller.user_id, CANONICAL_ALIAS)
    if standing.membership != "join" and not caller.admin:
        raise Forbidden("You aren't in this room")
    wish = SetAlias(room_id=body.room_id, user_id=caller.user_id)
    try:
        await set_alias(commands, asker, room_alias, wish, timeout_s=request.timeout_s)
    except RoomInUse as error:
        # "409: A room alias with that name already exists.", with M_UNKNOWN
        raise error_from("M_UNKNOWN", error.message, 409) from None
    return EMPTY


@endpoint("DELETE", _ALIAS_PATH, operation="deleteRoomAlias")
async def delete_room_alias(
    room_alias: str, caller: Caller, request: Request, commands: CommandClient, asker: Asker
) -> bytes:
    found = await read_alias(asker, check_own_alias(room_alias, caller))
    await check_may_delete(asker, room_alias, found, caller)
    await delete_alias(commands, room_alias, found.room_id, timeout_s=request.timeout_s)
    await leave_out_of_room(commands, asker, room_alias, found.room_id, caller, timeout_s=request.timeout_s)
    return EMPTY


@endpoint("GET", "/_matrix/client/v3/rooms/{roomId}/aliases", operation="getLocalAliases")
async def get_local_aliases(room_id: str, caller: Caller, asker: Asker) -> bytes:
    # "allowing server administrators to view aliases regardless of membership"
    request = AliasesOfRoomRequest(room_id=check_room_id(room_id), as_user_id="" if caller.admin else caller.user_id)
    return orjson.dumps({"aliases": list((await asker.single(GET_ALIASES_OF_ROOM, request)).aliases)})
