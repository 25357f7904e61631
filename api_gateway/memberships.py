"""The one call behind join, invite, leave, kick, ban and unban."""

from __future__ import annotations

import msgspec

from api_gateway.checks import check_room_id
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomCommand, RoomReply

Action = ChangeMembership.Action


class TargetBody(msgspec.Struct):
    """What kick, ban, and unban take."""

    user_id: str
    reason: str | None = None


class ReasonBody(msgspec.Struct):
    reason: str | None = None


async def change_membership(
    rooms: CommandClient,
    room_id: str,
    caller: Caller,
    target: str,
    action: ChangeMembership.Action,
    content_json: bytes,
    *,
    timeout_s: float,
) -> RoomReply:
    """Ask the room's owner. Raises what it answers."""
    command = ChangeMembership(
        sender=caller.user_id,
        target=target,
        action=action,
        content_json=content_json,
        device_id=caller.device_id,
        guest=caller.guest,
    )
    return await rooms.room(check_room_id(room_id), RoomCommand(change_membership=command), timeout_s=timeout_s)
