"""`POST /rooms/{roomId}/upgrade`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.checks import check_room_id
from api_gateway.room_upgrade import RoomUpgrades, UpgradeWish
from matrix_protocol.errors import TooLarge
from matrix_protocol.identifiers import parse_user_id
from matrix_protocol.room_creation import INVITES_MAX
from matrix_protocol.room_versions import ROOM_VERSIONS
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import CREATE_ROOM
from service_kit.http.request import Request


class UpgradeBody(msgspec.Struct):
    new_version: str
    additional_creators: list[str] | None = None


@endpoint("POST", "/_matrix/client/v3/rooms/{roomId}/upgrade", operation="upgradeRoom", rate_limit=CREATE_ROOM)
async def upgrade_room(
    room_id: str, body: UpgradeBody, caller: Caller, request: Request, upgrades: RoomUpgrades
) -> bytes:
    wish = UpgradeWish(check_room_id(room_id), caller.user_id, body.new_version, _additional_creators(body, caller))
    return orjson.dumps({"replacement_room": await upgrades.upgrade(wish, timeout_s=request.timeout_s)})


def _additional_creators(body: UpgradeBody, caller: Caller) -> list[str]:
    """Raises InvalidParam, TooLarge.

    "When upgrading to a room version which doesn't support additional creators, this field is ignored".
    """
    rules = ROOM_VERSIONS.get(body.new_version)
    if rules is None or not rules.authorization.creators_above_all:
        return []
    creators = list(dict.fromkeys(body.additional_creators or ()))
    if len(creators) > INVITES_MAX:
        raise TooLarge(f"A room may have {INVITES_MAX} additional creators")
    for user_id in creators:
        parse_user_id(user_id)
    return [user_id for user_id in creators if user_id != caller.user_id]
