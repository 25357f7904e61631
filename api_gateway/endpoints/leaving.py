"""`POST /rooms/{roomId}/leave` and `/forget`."""

from __future__ import annotations

from api_gateway.checks import EMPTY, check_room_id
from api_gateway.memberships import Action, ReasonBody, change_membership
from api_gateway.profiles import member_content
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MEMBERSHIP
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ForgetRoom, RoomCommand


@endpoint(
    "POST",
    "/_matrix/client/v3/rooms/{roomId}/leave",
    operation="leaveRoom",
    rate_limit=MEMBERSHIP,
    guests=True,
    suspended=True,
)
async def leave_room(room_id: str, body: ReasonBody, caller: Caller, request: Request, rooms: CommandClient) -> bytes:
    content = member_content({}, reason=body.reason)
    await change_membership(rooms, room_id, caller, caller.user_id, Action.LEAVE, content, timeout_s=request.timeout_s)
    return EMPTY


@endpoint(
    "POST",
    "/_matrix/client/v3/rooms/{roomId}/forget",
    operation="forgetRoom",
    rate_limit=MEMBERSHIP,
    guests=True,
    suspended=True,
)
async def forget_room(room_id: str, caller: Caller, request: Request, rooms: CommandClient) -> bytes:
    command = RoomCommand(forget_room=ForgetRoom(user_id=caller.user_id))
    await rooms.room(check_room_id(room_id), command, timeout_s=request.timeout_s)
    return EMPTY
