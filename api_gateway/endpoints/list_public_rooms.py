"""`/publicRooms`, and `/directory/list/room/{roomId}`: which rooms a server shows to everybody."""

from __future__ import annotations

from typing import Literal

import msgspec
import orjson

from api_gateway.checks import EMPTY, check_room_id
from api_gateway.public_rooms import Wish, public_rooms
from matrix_protocol.errors import InvalidParam, NotFound
from matrix_protocol.identifiers import server_name_of
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import DIRECTORY
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand
from service_kit.rpc.pb.room_directory_pb2 import SetVisibility, VisibilityRequest
from service_kit.rpc.queries import GET_VISIBILITY, Asker
from service_kit.shards import ShardMap

_VISIBILITY_PATH = "/_matrix/client/v3/directory/list/room/{roomId}"


class PublicRoomsQuery(msgspec.Struct):
    limit: int | None = None
    since: str | None = None
    server: str | None = None


class Filter(msgspec.Struct):
    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class PublicRoomsBody(msgspec.Struct):
    limit: int | None = None
    since: str | None = None
    filter: Filter | None = None
    include_all_networks: bool | None = None
    third_party_instance_id: str | None = None


class ServerQuery(msgspec.Struct):
    server: str | None = None


class VisibilityBody(msgspec.Struct):
    # "The new visibility setting for the room. Defaults to `public`."
    visibility: Literal["public", "private"] = "public"


@endpoint("GET", "/_matrix/client/v3/publicRooms", operation="getPublicRooms", auth=Auth.NONE, rate_limit=DIRECTORY)
async def get_public_rooms(
    query: PublicRoomsQuery, request: Request, asker: Asker, shards: ShardMap, hosted_servers: HostedServers
) -> bytes:
    server_name = _directory_of(query.server or hosted_servers.for_host(request.header(b"host")), hosted_servers)
    return await public_rooms(asker, shards, Wish(server_name, query.limit, query.since))


@endpoint(
    "POST",
    "/_matrix/client/v3/publicRooms",
    operation="queryPublicRooms",
    rate_limit=DIRECTORY,
    guests=True,
    suspended=True,
)
async def query_public_rooms(
    body: PublicRoomsBody,
    query: ServerQuery,
    caller: Caller,
    asker: Asker,
    shards: ShardMap,
    hosted_servers: HostedServers,
) -> bytes:
    server_name = _directory_of(query.server or server_name_of(caller.user_id), hosted_servers)
    if body.third_party_instance_id:
        if body.include_all_networks:
            # "Can only be used if include_all_networks is false."
            raise InvalidParam("Ask for one network or for all of them, not both")
        return orjson.dumps({"chunk": []})  # there are no application services, whose networks these would be
    wanted = body.filter or Filter()
    wish = Wish(server_name, body.limit, body.since, wanted.generic_search_term or "", wanted.room_types)
    return await public_rooms(asker, shards, wish)


@endpoint("GET", _VISIBILITY_PATH, operation="getRoomVisibilityOnDirectory", auth=Auth.NONE)
async def get_room_visibility_on_directory(
    room_id: str, request: Request, asker: Asker, hosted_servers: HostedServers
) -> bytes:
    server_name = hosted_servers.for_host(request.header(b"host"))
    question = VisibilityRequest(room_id=check_room_id(room_id), server_name=server_name)
    answer = await asker.single(GET_VISIBILITY, question)
    return orjson.dumps({"visibility": "public" if answer.published else "private"})


@endpoint("PUT", _VISIBILITY_PATH, operation="setRoomVisibilityOnDirectory")
async def set_room_visibility_on_directory(
    room_id: str, body: VisibilityBody, caller: Caller, request: Request, commands: CommandClient
) -> bytes:
    wish = SetVisibility(
        user_id=caller.user_id,
        server_name=server_name_of(caller.user_id),
        published=body.visibility == "public",
        permitted=caller.admin,
    )
    await commands.room(check_room_id(room_id), RoomCommand(set_visibility=wish), timeout_s=request.timeout_s)
    return EMPTY


def _directory_of(server_name: str, hosted_servers: HostedServers) -> str:
    if not hosted_servers.is_ours(server_name):
        raise NotFound("This server does not federate yet: it has only its own directory")
    return server_name
