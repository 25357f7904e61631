"""Deactivated users leave their rooms, refuse their invites, take back their knocks: until all of it is done."""

from __future__ import annotations

import asyncio

from matrix_protocol.errors import MatrixError
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ChoreFact
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomCommand
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.queries import GET_ROOMS_OF_USER, Asker
from userserver.chores import TryAgain

AT_ONCE_MAX = 16
MEMBERSHIPS = frozenset({"join", "invite", "knock"})


class RoomLeaver:
    def __init__(self, commands: CommandClient, asker: Asker) -> None:
        self._commands = commands
        self._asker = asker

    async def do(self, chore: ChoreFact) -> None:
        """Implements `chores.Doer`. A room that refuses (banned meanwhile) is left as it is."""
        user_id = chore.leave_rooms.user_id
        free = asyncio.Semaphore(AT_ONCE_MAX)
        missed: list[str] = []

        async def leave(room_id: str) -> None:
            async with free:
                try:
                    await self._commands.room(room_id, _leaving(user_id))
                except MatrixError as error:
                    if error.http_status >= 500 or error.http_status == 429:
                        missed.append(room_id)

        try:
            async with asyncio.TaskGroup() as tasks:
                async for chunk in self._asker.stream(GET_ROOMS_OF_USER, RoomsOfUserRequest(user_id=user_id)):
                    for room in chunk.rooms:
                        if room.membership in MEMBERSHIPS:
                            tasks.create_task(leave(room.room_id))
        except* MatrixError as errors:
            raise TryAgain(f"the rooms of a deactivated user cannot be read: {errors.exceptions[0]}") from errors
        if missed:
            raise TryAgain(f"{len(missed)} rooms of a deactivated user are not available")


def _leaving(user_id: str) -> RoomCommand:
    change = ChangeMembership(sender=user_id, target=user_id, action=ChangeMembership.LEAVE, content_json=b"{}")
    return RoomCommand(change_membership=change)
