"""A room upgrade, from the old room's shard to the new one's and back.

    1 ask the old room what its successor begins with
    2 begin: the old room's owner writes down which room that will be (`roomserver.input.upgrade`)
    3 the new room is made, in the directories that show the old one
    4 "Moves any local aliases to the new room."
    5 complete: the tombstone and the old room's power levels

Each may be repeated: who sends the same request again, because the answer was lost or a gateway died, carries on with
the same new room.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

import orjson

from api_gateway.carried_settings import carry_settings
from api_gateway.new_rooms import CreateEventWish, NewRooms
from api_gateway.profiles import member_content, profile_of
from api_gateway.room_aliases import set_alias
from matrix_protocol.errors import NotFound, RoomInUse, UnsupportedRoomVersion
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_creation import PRIVATE_CHAT
from matrix_protocol.room_upgrade import successor_create_content
from matrix_protocol.room_versions import ROOM_VERSIONS
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand
from service_kit.rpc.pb.room_directory_pb2 import (
    AliasesOfRoomRequest,
    BeginUpgrade,
    CompleteUpgrade,
    CreateSuccessor,
    SetAlias,
    UpgradeFact,
    UpgradeStateAnswer,
    UpgradeStateRequest,
)
from service_kit.rpc.queries import GET_ALIASES_OF_ROOM, GET_UPGRADE_STATE, Asker

_logger = logging.getLogger(__name__)


class UpgradeWish(NamedTuple):
    room_id: str
    user_id: str
    room_version: str
    additional_creators: list[str]
    """of the new room; empty where its version has none"""


class RoomUpgrades:
    """Provided to the endpoint."""

    def __init__(self, commands: CommandClient, asker: Asker, new_rooms: NewRooms) -> None:
        self._commands = commands
        self._asker = asker
        self._new_rooms = new_rooms

    async def upgrade(self, wish: UpgradeWish, *, timeout_s: float) -> str:
        """The new room's ID. Raises Forbidden, UnsupportedRoomVersion, LimitExceeded (another one is under way)."""
        if wish.room_version not in ROOM_VERSIONS:
            raise UnsupportedRoomVersion(f"This server has no room version {wish.room_version[:32]}")
        state = await self._asker.single(
            GET_UPGRADE_STATE,
            UpgradeStateRequest(
                room_id=wish.room_id,
                user_id=wish.user_id,
                room_version=wish.room_version,
                additional_creators=wish.additional_creators,
            ),
        )
        upgrade = await self._begin(wish, state, timeout_s)
        if not upgrade.completed:
            await self._make_room(wish, upgrade, state, timeout_s)
            await self._move_aliases(wish, upgrade, timeout_s)
            complete = CompleteUpgrade(user_id=wish.user_id, new_room_id=upgrade.new_room_id)
            await self._commands.room(wish.room_id, RoomCommand(complete_upgrade=complete), timeout_s=timeout_s)
            await carry_settings(self._commands, self._asker, wish.user_id, wish.room_id, upgrade.new_room_id)
        return upgrade.new_room_id

    async def _begin(self, wish: UpgradeWish, state: UpgradeStateAnswer, timeout_s: float) -> UpgradeFact:
        content = _create_content(wish, state, state.last_event_id)
        new_room = self._new_rooms.choose(CreateEventWish(wish.room_version, content, PRIVATE_CHAT, []), wish.user_id)
        begin = BeginUpgrade(
            user_id=wish.user_id,
            room_version=wish.room_version,
            additional_creators=wish.additional_creators,
            new_room_id=new_room.room_id,
            origin_server_ts_ms=new_room.origin_server_ts_ms,
            last_event_id=state.last_event_id,
        )
        reply = await self._commands.room(wish.room_id, RoomCommand(begin_upgrade=begin), timeout_s=timeout_s)
        return reply.upgrade

    async def _make_room(
        self, wish: UpgradeWish, upgrade: UpgradeFact, state: UpgradeStateAnswer, timeout_s: float
    ) -> None:
        profile = await profile_of(self._commands, wish.user_id, timeout_s=timeout_s)
        create = CreateSuccessor(
            creator=wish.user_id,
            room_version=upgrade.room_version,
            origin_server_ts_ms=upgrade.origin_server_ts_ms,
            create_content_json=orjson.dumps(_create_content(wish, state, upgrade.last_event_id)),
            events=state.events,
            member_content_json=member_content(profile),
            published_in=upgrade.published_in,
        )
        try:
            await self._commands.room(upgrade.new_room_id, RoomCommand(create_successor=create), timeout_s=timeout_s)
        except RoomInUse:
            _logger.info("the upgrade of %s to %s is carried on", wish.room_id, upgrade.new_room_id)

    async def _move_aliases(self, wish: UpgradeWish, upgrade: UpgradeFact, timeout_s: float) -> None:
        """Also those of the new room of an upgrade that was never completed."""
        for room_id in filter(None, (wish.room_id, upgrade.overtaken_room_id)):
            answer = await self._asker.single(GET_ALIASES_OF_ROOM, AliasesOfRoomRequest(room_id=room_id))
            move = SetAlias(room_id=upgrade.new_room_id, user_id=wish.user_id, from_room_id=room_id)
            moves = (
                set_alias(self._commands, self._asker, alias, move, timeout_s=timeout_s) for alias in answer.aliases
            )
            for result in await asyncio.gather(*moves, return_exceptions=True):
                if isinstance(result, BaseException) and not isinstance(result, NotFound):
                    raise result


def _create_content(wish: UpgradeWish, state: UpgradeStateAnswer, last_event_id: str) -> JsonObject:
    """The same for whoever carries on: of what never changes in the old room, and of what was written down."""
    return successor_create_content(
        orjson.loads(state.create_content_json),
        wish.room_id,
        last_event_id,
        ROOM_VERSIONS[wish.room_version],
        wish.additional_creators,
    )
