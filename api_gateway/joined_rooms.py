"""What happens to a user's membership in every room, when the account changes.

Best effort: the account has changed already, and a room that refuses (banned
meanwhile, its shard away) must not undo that. Each refusal is counted in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping

import orjson

from matrix_protocol.errors import MatrixError
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomCommand
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.queries import RoomQueries

AT_ONCE_MAX = 16
_logger = logging.getLogger(__name__)


async def tell_rooms_of_profile(
    user_id: str, profile: Mapping[str, str], commands: CommandClient, queries: RoomQueries
) -> None:
    """Send a membership event with the displayname and avatar_url that there are now to every joined room.

    "An m.room.member event (with a `join` membership) is sent to every room the user is a member of".
    Spec: https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information
    """
    await _change_in_all(
        user_id, {"join"}, ChangeMembership.UPDATE_PROFILE, orjson.dumps(dict(profile)), commands, queries
    )


async def _change_in_all(
    user_id: str,
    memberships: Collection[str],
    action: ChangeMembership.Action,
    content_json: bytes,
    commands: CommandClient,
    queries: RoomQueries,
) -> None:
    change = ChangeMembership(sender=user_id, target=user_id, action=action, content_json=content_json)
    command = RoomCommand(change_membership=change)
    refused: list[str] = []
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def tell(room_id: str) -> None:
        async with free:
            try:
                await commands.room(room_id, command)
            except MatrixError as error:
                refused.append(f"{room_id} ({error.errcode})")

    async with asyncio.TaskGroup() as tasks:
        async for chunk in queries.get_rooms_of_user(RoomsOfUserRequest(user_id=user_id)):
            for room in chunk.rooms:
                if room.membership in memberships:
                    tasks.create_task(tell(room.room_id))
    if refused:
        _logger.info("membership of %s was not changed in %d rooms, e.g. %s", user_id, len(refused), refused[0])
