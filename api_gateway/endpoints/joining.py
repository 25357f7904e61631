"""`POST /rooms/{roomId}/join` and `POST /join/{roomIdOrAlias}`."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from api_gateway.carried_settings import carry_settings
from api_gateway.memberships import Action, change_membership
from api_gateway.profiles import member_content, profile_of
from api_gateway.room_aliases import resolve
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MEMBERSHIP
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import Asker


class JoinBody(msgspec.Struct):
    reason: str | None = None
    third_party_signed: dict[str, Any] | None = None


class JoinQuery(msgspec.Struct):
    """Servers that may know the room. Accepted, and not needed: all rooms that can be joined are here."""

    via: list[str] = []
    server_name: list[str] = []


@endpoint(
    "POST", "/_matrix/client/v3/rooms/{roomId}/join", operation="joinRoomById", rate_limit=MEMBERSHIP, guests=True
)
async def join_room_by_id(
    room_id: str, body: JoinBody, caller: Caller, request: Request, commands: CommandClient, asker: Asker
) -> bytes:
    return await _join(commands, asker, room_id, body, caller, request)


@endpoint("POST", "/_matrix/client/v3/join/{roomIdOrAlias}", operation="joinRoom", rate_limit=MEMBERSHIP, guests=True)
async def join_room(
    room_id_or_alias: str,
    body: JoinBody,
    query: JoinQuery,
    caller: Caller,
    request: Request,
    commands: CommandClient,
    asker: Asker,
) -> bytes:
    return await _join(commands, asker, await resolve(asker, room_id_or_alias), body, caller, request)


async def _join(
    commands: CommandClient, asker: Asker, room_id: str, body: JoinBody, caller: Caller, request: Request
) -> bytes:
    profile = await profile_of(commands, caller.user_id, timeout_s=request.timeout_s)
    if body.third_party_signed is not None:
        signed = member_content(profile, third_party_signed=body.third_party_signed)
        accept = Action.ACCEPT_THIRD_PARTY_INVITE
        await change_membership(commands, room_id, caller, caller.user_id, accept, signed, timeout_s=request.timeout_s)
    content = member_content(profile, reason=body.reason)
    reply = await change_membership(
        commands, room_id, caller, caller.user_id, Action.JOIN, content, timeout_s=request.timeout_s
    )
    if reply.predecessor_room_id:
        await carry_settings(commands, asker, caller.user_id, reply.predecessor_room_id, room_id)
    return orjson.dumps({"room_id": room_id})
