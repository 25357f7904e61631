"""Room aliases: where one points, and which ones a room has.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-aliases
"""

from __future__ import annotations

from typing import Final

from matrix_protocol.errors import Forbidden, NotFound
from roomserver.input.aliases import ALIASES_OF_ROOM_MAX
from roomserver.queries.viewer import viewer_of
from roomserver.tables import ALIASES_BY_ROOM, ROOM_ALIASES, ROOMS
from service_kit.rpc.pb.room_directory_pb2 import AliasAnswer, AliasesOfRoomAnswer, AliasesOfRoomRequest
from service_kit.store.interface import Store

LISTED_MAX: Final = 2 * ALIASES_OF_ROOM_MAX
"""The limit is not exact."""


async def read_alias(store: Store, alias: str) -> AliasAnswer:
    """Raises NotFound, also for an alias that is claimed for a room which is not there (yet)."""
    row = await store.get(ROOM_ALIASES, (alias,))
    if row is None or await store.get(ROOMS, (row.room_id,)) is None:
        raise NotFound("There is no such room alias")
    return AliasAnswer(room_id=row.room_id, creator=row.creator)


async def read_aliases_of_room(store: Store, request: AliasesOfRoomRequest) -> AliasesOfRoomAnswer:
    """ "This endpoint can be called by users who are in the room (external users receive an `M_FORBIDDEN` error
    response). If the room's `m.room.history_visibility` maps to `world_readable`, any user can call this endpoint."
    """
    if request.as_user_id:
        viewer = await viewer_of(store, request.room_id, request.as_user_id)
        if not viewer.is_joined and not viewer.is_open_to_all:
            raise Forbidden("You aren't a member of the room")
    rows = await store.scan(ALIASES_BY_ROOM, (request.room_id,), limit=LISTED_MAX)
    return AliasesOfRoomAnswer(aliases=[row.alias for row in rows])
