"""A room from its tables into memory."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.state.room import RoomInMemory
from roomserver.tables import CURRENT_STATE_BY_ROOM, ROOM_HEADS, ROOMS, CurrentStateRow
from service_kit.clock import Clock
from service_kit.store.interface import Store


async def load_room(store: Store, clock: Clock, room_id: str) -> RoomInMemory | None:
    """The room as the tables have it; None if there is no such room.

    The caller sees to it that nothing is written to the room's tables meanwhile.
    """
    head = await store.get(ROOM_HEADS, (room_id,))
    row = None if head is None else await store.get(ROOMS, (room_id,))
    if head is None or row is None:
        return None
    room = RoomInMemory(room_id, ROOM_VERSIONS[row.version], state_version=head.state_version)
    room.timeline_length = head.timeline_length
    room.depth = head.depth
    room.last_position = head.position
    room.forward_extremity_ids = orjson.loads(head.forward_extremity_ids)
    pages = 0
    async for page in store.pages(CURRENT_STATE_BY_ROOM, (room_id,)):
        if pages:
            # A room of 100,000 members is a hundred pages: let others have a turn between them.
            await clock.sleep(0)
        _load_page(room, page)
        pages += 1
    return room


def _load_page(room: RoomInMemory, page: Sequence[CurrentStateRow]) -> None:
    for row in page:
        room.load_state(row.type, row.state_key, row.event_id, row.membership, row.client_json)
