"""`POST /rooms/{roomId}/kick`."""

from __future__ import annotations

from api_gateway.checks import EMPTY
from api_gateway.memberships import Action, TargetBody, change_membership
from api_gateway.profiles import member_content
from matrix_protocol.identifiers import parse_user_id
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MEMBERSHIP
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient


@endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/kick", operation="kick", rate_limit=MEMBERSHIP)
async def kick(room_id: str, body: TargetBody, caller: Caller, request: Request, rooms: CommandClient) -> bytes:
    parse_user_id(body.user_id)
    content = member_content({}, reason=body.reason)
    await change_membership(rooms, room_id, caller, body.user_id, Action.KICK, content, timeout_s=request.timeout_s)
    return EMPTY
