"""What follows from a changed profile, for the users of one shard.

"An m.room.member event (with a `join` membership) is sent to every room the user is a member of, to update the
displayname/avatar_url."
Spec: https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import orjson

from matrix_protocol.errors import MatrixError, NotFound, Unavailable
from service_kit.ledger.consumers import PositionedFact
from service_kit.ledger.tables import SHARD_PROGRESS
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomCommand
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, UserCommand
from service_kit.rpc.queries import GET_ROOMS_OF_USER, Asker
from service_kit.shards import Shard
from service_kit.store.interface import Store

SHOWN_FIELDS = ("displayname", "avatar_url")
ROOMS_AT_ONCE_MAX = 16

_logger = logging.getLogger(__name__)


class ProfileWork:
    """Implements `service_kit.ledger.consumers.ShardWork`.

    What goes into the rooms is the profile as it is then, not as the fact says: of several changes the latest wins, and
    a room that has it already answers without a new event, so that doing this again changes nothing.
    """

    def __init__(self, shard: Shard, store: Store, asker: Asker, commands: CommandClient) -> None:
        self._shard = shard
        self._store = store
        self._asker = asker
        self._commands = commands

    async def open(self, recorded_position: int) -> int:
        return recorded_position

    async def take(self, facts: Sequence[PositionedFact]) -> None:
        """Raises Unavailable if a room could not be told now: all of this comes again."""
        changed = dict.fromkeys(fact.user_id for _, fact in facts if fact.profile.shown_in_rooms_changed)
        for user_id in changed:
            await self._tell_rooms(user_id)

    async def rebuild(self) -> int:
        """Nothing is kept that could be made anew: what could not be told for weeks is given up, and the rest waits
        for the users' next changes."""
        progress = await self._store.get(SHARD_PROGRESS, (str(self._shard),))
        return 0 if progress is None else progress.applied_through

    async def close(self) -> None:
        """Nothing is kept."""

    async def _tell_rooms(self, user_id: str) -> None:
        try:
            reply = await self._commands.user(user_id, UserCommand(get_profile=GetProfile(user_id=user_id)))
        except NotFound:
            return  # deactivated meanwhile
        profile = orjson.loads(reply.json)
        shown = {name: profile[name] for name in SHOWN_FIELDS if profile.get(name)}
        change = ChangeMembership(
            sender=user_id, target=user_id, action=ChangeMembership.UPDATE_PROFILE, content_json=orjson.dumps(shown)
        )
        free = asyncio.Semaphore(ROOMS_AT_ONCE_MAX)
        outcomes = await asyncio.gather(
            *[
                self._tell(room_id, RoomCommand(change_membership=change), free)
                async for room_id in self._joined(user_id)
            ]
        )
        refused = [error for error in outcomes if error is not None]
        for error in refused:
            if isinstance(error, Unavailable):
                raise error
        if refused:
            _logger.info("%d rooms refused the new profile of %s, e.g. %s", len(refused), user_id, refused[0].message)

    async def _joined(self, user_id: str) -> AsyncIterator[str]:
        async for chunk in self._asker.stream(GET_ROOMS_OF_USER, RoomsOfUserRequest(user_id=user_id)):
            for room in chunk.rooms:
                if room.membership == "join":
                    yield room.room_id

    async def _tell(self, room_id: str, command: RoomCommand, free: asyncio.Semaphore) -> MatrixError | None:
        """Left meanwhile, banned, not allowed to: the room's answer is final, unless it is that nobody is there."""
        async with free:
            try:
                await self._commands.room(room_id, command)
            except MatrixError as error:
                return error
        return None
