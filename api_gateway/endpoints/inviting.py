"""`POST /rooms/{roomId}/invite`, of a user; `third_party_membership` describes the same path for third-party IDs."""

from __future__ import annotations

import msgspec

from api_gateway.checks import EMPTY
from api_gateway.invite_permission import check_may_be_invited
from api_gateway.memberships import Action, change_membership
from api_gateway.profiles import member_content, profile_of_invited
from matrix_protocol.errors import BadJson, ThreepidDenied
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MEMBERSHIP
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient


class InviteBody(msgspec.Struct):
    user_id: str | None = None
    reason: str | None = None
    medium: str | None = None
    address: str | None = None


@endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/invite", operation="inviteUser", rate_limit=MEMBERSHIP)
async def invite_user(
    room_id: str,
    body: InviteBody,
    caller: Caller,
    request: Request,
    commands: CommandClient,
    hosted_servers: HostedServers,
) -> bytes:
    if body.user_id is None:
        if body.medium is not None or body.address is not None:
            raise ThreepidDenied("This server knows no identity server: invite by user ID")
        raise BadJson("Object missing required field `user_id`")
    profile = await profile_of_invited(commands, hosted_servers, body.user_id, timeout_s=request.timeout_s)
    await check_may_be_invited([body.user_id], commands, hosted_servers, timeout_s=request.timeout_s)
    content = member_content(profile, reason=body.reason)
    await change_membership(
        commands, room_id, caller, body.user_id, Action.INVITE, content, timeout_s=request.timeout_s
    )
    return EMPTY
