"""The questions about finding and entering rooms: a part of `servicer.RoomQueryService`.

| question                        | file             |
|---------------------------------|------------------|
| get_alias, get_aliases_of_room  | aliases.py       |
| get_visibility, get_standing    | here             |
| get_published_rooms             | published.py     |
| get_summaries                   | outside.py       |
| get_upgrade_state               | upgrade_state.py |
| get_guests                      | guests.py        |

What several shards have to answer, a worker answers for all of those that it owns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from matrix_protocol.errors import InvalidParam, NotFound
from matrix_protocol.power_levels import can_send_state
from roomserver.queries.aliases import read_alias, read_aliases_of_room
from roomserver.queries.guests import read_guests
from roomserver.queries.outside import ROOMS_MAX, look_at
from roomserver.queries.published import page_of
from roomserver.queries.upgrade_state import upgrade_state
from roomserver.state.shard import OwnedShard
from roomserver.tables import PUBLISHED_ROOMS_BY_SHARD, ROOMS
from service_kit.rpc.pb.room_directory_pb2 import (
    AliasAnswer,
    AliasesOfRoomAnswer,
    AliasesOfRoomRequest,
    AliasRequest,
    GuestsAnswer,
    GuestsRequest,
    PublishedRoomsAnswer,
    PublishedRoomsRequest,
    StandingAnswer,
    StandingRequest,
    SummariesRequest,
    SummaryAnswer,
    UpgradeStateAnswer,
    UpgradeStateRequest,
    VisibilityAnswer,
    VisibilityRequest,
)
from service_kit.rpc.queries import WrongOwner
from service_kit.shards import ROOM, Shard, ShardMap
from service_kit.store.interface import Store


class DirectoryQueries:
    _store: Store
    _shards: ShardMap

    async def _committed_position(self, key: str) -> int:
        raise NotImplementedError

    def _owned(self, shard: Shard) -> OwnedShard:
        raise NotImplementedError

    async def get_alias(self, request: AliasRequest) -> AliasAnswer:
        """Raises NotFound."""
        await self._committed_position(request.alias)
        return await read_alias(self._store, request.alias)

    async def get_aliases_of_room(self, request: AliasesOfRoomRequest) -> AliasesOfRoomAnswer:
        """Raises Forbidden."""
        await self._committed_position(request.room_id)
        return await read_aliases_of_room(self._store, request)

    async def get_standing(self, request: StandingRequest) -> StandingAnswer:
        """Raises NotFound."""
        room = await (await self._settled(request.room_id)).load(request.room_id)
        if room is None:
            raise NotFound("There is no such room on this server")
        return StandingAnswer(
            membership=room.state.membership(request.user_id),
            may_send_state=can_send_state(room.power_levels(), request.user_id, request.event_type),
        )

    async def get_visibility(self, request: VisibilityRequest) -> VisibilityAnswer:
        """Raises NotFound."""
        await self._committed_position(request.room_id)
        if await self._store.get(ROOMS, (request.room_id,)) is None:
            raise NotFound("There is no such room on this server")
        key = (str(self._shards.of_room(request.room_id)), request.server_name, request.room_id)
        return VisibilityAnswer(published=await self._store.get(PUBLISHED_ROOMS_BY_SHARD, key) is not None)

    async def get_published_rooms(self, request: PublishedRoomsRequest) -> PublishedRoomsAnswer:
        """Of the shards among those asked for that this worker owns, the first one at least. Raises InvalidParam."""
        owned = []
        for number in request.shard_numbers:
            with suppress(WrongOwner):
                owned.append((number, self._owned(Shard(ROOM, number)).published))
        if not owned or owned[0][0] != request.shard_numbers[0]:
            raise WrongOwner
        return await page_of(owned, request)

    async def get_summaries(self, request: SummariesRequest) -> AsyncIterator[SummaryAnswer]:
        """Of the rooms among those asked for that this worker owns, the first one at least. Raises InvalidParam."""
        if not 1 <= len(request.room_ids) <= ROOMS_MAX:
            raise InvalidParam(f"Ask for at most {ROOMS_MAX} rooms")
        for room_id in request.room_ids:
            try:
                shard = await self._settled(room_id)
            except WrongOwner:
                if room_id == request.room_ids[0]:
                    raise
                continue
            yield await look_at(shard, room_id, request)

    async def get_guests(self, request: GuestsRequest) -> GuestsAnswer:
        return await read_guests(await self._settled(request.room_id), request)

    async def get_upgrade_state(self, request: UpgradeStateRequest) -> UpgradeStateAnswer:
        """Raises Forbidden, UnsupportedRoomVersion."""
        return await upgrade_state(await self._settled(request.room_id), request)

    async def _settled(self, room_id: str) -> OwnedShard:
        """The room's shard, with tables that hold what was committed. Raises WrongOwner."""
        await self._committed_position(room_id)
        return self._owned(self._shards.of_room(room_id))
