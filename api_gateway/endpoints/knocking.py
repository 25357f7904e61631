"""`POST /knock/{roomIdOrAlias}`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.memberships import Action, ReasonBody, change_membership
from api_gateway.profiles import member_content, profile_of
from api_gateway.room_aliases import resolve
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MEMBERSHIP
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import Asker


class KnockQuery(msgspec.Struct):
    """Servers that may know the room. Accepted, and not needed: all rooms that can be knocked on are here."""

    via: list[str] = []
    server_name: list[str] = []


@endpoint("POST", "/_matrix/client/v3/knock/{roomIdOrAlias}", operation="knockRoom", rate_limit=MEMBERSHIP)
async def knock_room(
    room_id_or_alias: str,
    body: ReasonBody,
    query: KnockQuery,
    caller: Caller,
    request: Request,
    commands: CommandClient,
    asker: Asker,
) -> bytes:
    room_id = await resolve(asker, room_id_or_alias)
    content = member_content(
        await profile_of(commands, caller.user_id, timeout_s=request.timeout_s), reason=body.reason
    )
    await change_membership(
        commands, room_id, caller, caller.user_id, Action.KNOCK, content, timeout_s=request.timeout_s
    )
    return orjson.dumps({"room_id": room_id})
