"""Tags that a user puts on rooms: only they see them, on all their devices.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-tagging
"""

from __future__ import annotations

from typing import Any

import orjson

from api_gateway.checks import EMPTY, check_room_id
from matrix_protocol.errors import BadJson, Forbidden, InvalidParam, NotFound, TooLarge
from matrix_protocol.identifiers import exceeds_bytes
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.limits import TAG_BYTES_MAX, TAG_CONTENT_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, SetTag, UserCommand

TAG = "m.tag"

_TAGS = "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags"


@endpoint("GET", _TAGS, operation="getRoomTags")
async def get_room_tags(user_id: str, room_id: str, caller: Caller, users: CommandClient) -> dict[str, object]:
    _check(caller, user_id, room_id)
    command = GetAccountData(user_id=user_id, room_id=room_id, type=TAG)
    try:
        content = orjson.loads((await users.user(user_id, UserCommand(get_account_data=command))).json)
    except NotFound:
        return {"tags": {}}
    # Clients can write this account data themselves.
    tags = content.get("tags")
    return {"tags": tags if isinstance(tags, dict) else {}}


@endpoint("PUT", _TAGS + "/{tag}", operation="setRoomTag", suspended=True)
async def set_room_tag(
    user_id: str, room_id: str, tag: str, body: dict[str, Any], caller: Caller, users: CommandClient
) -> bytes:
    _check(caller, user_id, room_id)
    content_json = orjson.dumps(_checked_content(body))
    return await _set(users, SetTag(user_id=user_id, room_id=room_id, tag=_checked_tag(tag), content_json=content_json))


@endpoint("DELETE", _TAGS + "/{tag}", operation="deleteRoomTag", suspended=True)
async def delete_room_tag(user_id: str, room_id: str, tag: str, caller: Caller, users: CommandClient) -> bytes:
    """Also of a tag that is not there: the client has what it wants."""
    _check(caller, user_id, room_id)
    return await _set(users, SetTag(user_id=user_id, room_id=room_id, tag=_checked_tag(tag)))


async def _set(users: CommandClient, command: SetTag) -> bytes:
    await users.user(command.user_id, UserCommand(set_tag=command))
    return EMPTY


def _check(caller: Caller, user_id: str, room_id: str) -> None:
    if user_id != caller.user_id:
        raise Forbidden("The tags of others are not yours to see or set")
    check_room_id(room_id)


def _checked_tag(tag: str) -> str:
    if not tag or exceeds_bytes(tag, TAG_BYTES_MAX):
        raise InvalidParam(f"The name of a tag has 1 to {TAG_BYTES_MAX} bytes")
    return tag


def _checked_content(content: dict[str, Any]) -> dict[str, Any]:
    """ "Ordering information is given under the `order` key as a number between 0 and 1." """
    order = content.get("order", 0)
    if isinstance(order, bool) or not isinstance(order, int | float):
        raise BadJson("`order` must be a number")
    if not 0 <= order <= 1:
        raise InvalidParam("`order` must be a number between 0 and 1")
    if len(orjson.dumps(content)) > TAG_CONTENT_BYTES_MAX:
        raise TooLarge(f"What a tag says may have {TAG_CONTENT_BYTES_MAX} bytes")
    return content
