"""`PUT /rooms/{roomId}/typing/{userId}`."""

from __future__ import annotations

import msgspec

from api_gateway.checks import EMPTY, check_room_id
from matrix_protocol.errors import Forbidden, InvalidParam
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SetTyping

TIMEOUT_MS = 30_000
"""Where the client gives none."""
TIMEOUT_MS_MAX = 120_000


class TypingBody(msgspec.Struct):
    typing: bool
    timeout: int | None = None
    """milliseconds"""


@endpoint("PUT", "/_matrix/client/v3/rooms/{roomId}/typing/{userId}", operation="setTyping", guests=True)
async def set_typing(
    room_id: str, user_id: str, body: TypingBody, caller: Caller, request: Request, rooms: CommandClient
) -> bytes:
    if user_id != caller.user_id:
        raise Forbidden("You cannot type for somebody else")
    timeout_ms = TIMEOUT_MS if body.timeout is None else body.timeout
    if timeout_ms < 0:
        raise InvalidParam("timeout must not be negative")
    command = SetTyping(user_id=user_id, typing=body.typing, timeout_ms=min(timeout_ms, TIMEOUT_MS_MAX))
    await rooms.room(check_room_id(room_id), RoomCommand(set_typing=command), timeout_s=request.timeout_s)
    return EMPTY
