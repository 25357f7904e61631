"""`POST /createRoom`: the gateway checks the wish and chooses the room's ID; the room's owner makes the events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import orjson

from api_gateway.invite_permission import check_may_be_invited
from api_gateway.new_rooms import CreateEventWish, NewRoom, NewRooms
from api_gateway.profiles import member_content, profile_of, profile_of_invited
from api_gateway.room_aliases import CANONICAL_ALIAS, check_alias, delete_alias, set_alias, standing_of
from matrix_protocol.errors import InvalidParam, MatrixError, RoomInUse, ThreepidDenied, TooLarge
from matrix_protocol.identifiers import parse_user_id, server_name_of
from matrix_protocol.room_creation import INVITES_MAX, preset_in_force
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import CREATE_ROOM
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import CreateRoom, RoomCommand
from service_kit.rpc.pb.room_directory_pb2 import SetAlias
from service_kit.rpc.queries import Asker

IDS_TRIED_MAX: Final = 10


class InitialState(msgspec.Struct):
    type: str
    content: dict[str, Any]
    state_key: str = ""


class CreateRoomBody(msgspec.Struct):
    visibility: Literal["public", "private"] | None = None
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] | None = None
    invite_3pid: list[dict[str, Any]] | None = None
    room_version: str | None = None
    creation_content: dict[str, Any] | None = None
    initial_state: list[InitialState] | None = None
    preset: Literal["private_chat", "public_chat", "trusted_private_chat"] | None = None
    is_direct: bool | None = None
    power_level_content_override: dict[str, Any] | None = None


@endpoint("POST", "/_matrix/client/v3/createRoom", operation="createRoom", rate_limit=CREATE_ROOM)
async def create_room(
    body: CreateRoomBody,
    caller: Caller,
    request: Request,
    commands: CommandClient,
    new_rooms: NewRooms,
    hosted_servers: HostedServers,
    asker: Asker,
) -> bytes:
    _check(body)
    alias = _alias(body.room_alias_name, caller)
    # "It is possible for one of the invited users to be rejected whilst the room creation as a whole succeeds."
    # The client would not learn then who is missing: no room is made.
    await check_may_be_invited(body.invite or (), commands, hosted_servers, timeout_s=request.timeout_s)
    command = CreateRoom(
        creator=caller.user_id,
        request_json=_without_nulls(request.body),
        member_content_json=member_content(await profile_of(commands, caller.user_id, timeout_s=request.timeout_s)),
        invitee_content_json=await _invitee_contents(body, request, commands, hosted_servers),
        alias=alias,
    )
    wish = _create_event_wish(body)
    room_id = await _create(command, lambda: new_rooms.choose(wish, caller.user_id), commands, asker, request)
    if alias:
        # Whoever looks the alias up from now on finds the room in the tables.
        await standing_of(asker, room_id, caller.user_id, CANONICAL_ALIAS)
    return orjson.dumps({"room_id": room_id})


async def _create(
    command: CreateRoom, choose: Callable[[], NewRoom], commands: CommandClient, asker: Asker, request: Request
) -> str:
    """The new room's ID.

    Since version 12 it is the hash of the create event. When two gateways make the same wish of the same user come true
    in the same millisecond, that is one ID: the second one takes the next.
    """
    claimed = ""
    for ids_left in reversed(range(IDS_TRIED_MAX)):
        new_room = choose()
        command.room_version = new_room.room_version
        command.origin_server_ts_ms = new_room.origin_server_ts_ms
        if command.alias:
            wish = SetAlias(room_id=new_room.room_id, user_id=command.creator, from_room_id=claimed)
            await set_alias(commands, asker, command.alias, wish, timeout_s=request.timeout_s)
            claimed = new_room.room_id
        try:
            await commands.room(new_room.room_id, RoomCommand(create_room=command), timeout_s=request.timeout_s)
            return new_room.room_id
        except MatrixError as error:
            if isinstance(error, RoomInUse) and ids_left:
                continue
            # An answer that is lost (503) says nothing of the room: then the claim runs out by itself if there is none.
            if claimed and error.http_status < 500:
                await delete_alias(commands, command.alias, claimed, timeout_s=request.timeout_s)
            raise
    raise AssertionError("the last ID is refused above")


def _alias(room_alias_name: str | None, caller: Caller) -> str:
    """ "The desired room alias **local part**." "" = none. Raises InvalidParam."""
    if room_alias_name is None:
        return ""
    if ":" in room_alias_name or not room_alias_name:
        raise InvalidParam("room_alias_name is what stands between # and : of a room alias")
    return check_alias(f"#{room_alias_name}:{server_name_of(caller.user_id)}")


async def _invitee_contents(
    body: CreateRoomBody, request: Request, commands: CommandClient, hosted_servers: HostedServers
) -> dict[str, bytes]:
    """What the invites say about those who are invited, by user ID."""
    if not body.invite:
        return {}
    invited = list(dict.fromkeys(body.invite))
    profiles = await asyncio.gather(
        *(profile_of_invited(commands, hosted_servers, user, timeout_s=request.timeout_s) for user in invited)
    )
    return {user: member_content(profile) for user, profile in zip(invited, profiles, strict=True) if profile}


def _check(body: CreateRoomBody) -> None:
    """What the types do not say."""
    if body.invite_3pid:
        raise ThreepidDenied("This server knows no identity server: invite by user ID")
    if len(body.invite or ()) > INVITES_MAX:
        raise TooLarge(f"At most {INVITES_MAX} users can be invited at once")
    for user_id in body.invite or ():
        parse_user_id(user_id)


def _create_event_wish(body: CreateRoomBody) -> CreateEventWish:
    preset = preset_in_force(body.preset, body.visibility)
    return CreateEventWish(body.room_version, body.creation_content or {}, preset, body.invite or [])


def _without_nulls(body: bytes) -> bytes:
    """The request for the room's owner: clients send null for what they have not filled in."""
    request: dict[str, Any] = orjson.loads(body or b"{}")
    return orjson.dumps({name: value for name, value in request.items() if value is not None})
