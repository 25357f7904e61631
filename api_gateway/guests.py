"""Guests leave a room that no longer lets guests in.

"If the `m.room.guest_access` event is changed to stop this from being the case, the server MUST set those users'
`m.room.member` state to `leave`."
Spec: https://spec.matrix.org/v1.19/client-server-api/#guest-access

Whoever closes the room is answered when they have left. If the gateway dies before, the client sends its request
again, and the rest leave.
"""

from __future__ import annotations

import asyncio
import logging

from matrix_protocol.errors import MatrixError, NotFound
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomCommand
from service_kit.rpc.pb.room_directory_pb2 import GuestsRequest
from service_kit.rpc.pb.user_commands_pb2 import GetAccount, UserCommand
from service_kit.rpc.queries import GET_GUESTS, Asker

AT_ONCE_MAX = 16
_logger = logging.getLogger(__name__)


async def remove_guests(commands: CommandClient, asker: Asker, room_id: str, *, timeout_s: float) -> None:
    """Raises Unavailable."""
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def remove(user_id: str) -> None:
        async with free:
            if await _is_guest(commands, user_id, timeout_s):
                await _leave(commands, room_id, user_id, timeout_s)

    request = GuestsRequest(room_id=room_id)
    while True:
        answer = await asker.single(GET_GUESTS, request)
        await asyncio.gather(*map(remove, answer.user_ids))
        if not answer.next_user_id:
            return
        request.after_user_id = answer.next_user_id


async def _is_guest(commands: CommandClient, user_id: str, timeout_s: float) -> bool:
    """A guest may have become an ordinary user since."""
    try:
        reply = await commands.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)), timeout_s=timeout_s)
    except NotFound:
        return True
    return reply.account.guest


async def _leave(commands: CommandClient, room_id: str, user_id: str, timeout_s: float) -> None:
    change = ChangeMembership(
        sender=user_id, target=user_id, action=ChangeMembership.LEAVE, content_json=b"{}", guest=True
    )
    try:
        await commands.room(room_id, RoomCommand(change_membership=change), timeout_s=timeout_s)
    except MatrixError as error:
        if error.http_status >= 500:
            raise
        _logger.info("the guest %s need not leave %s: %s", user_id, room_id, error.errcode)
