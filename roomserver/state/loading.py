"""A room from its tables into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.state.event_ids import DIGEST_BYTES
from roomserver.state.room import RoomInMemory
from roomserver.tables import CURRENT_STATE_BY_ROOM, ROOM_HEADS, ROOMS, STATE_DELTAS_BY_ROOM, CurrentStateRow
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
    if head.bucket_min_ts_ms is not None and head.bucket_max_ts_ms is not None:
        room.bucket_ts_ms = (head.bucket_min_ts_ms, head.bucket_max_ts_ms)
    hashes = head.forward_extremity_hashes or b""
    room.forward_extremity_hashes = [hashes[at : at + DIGEST_BYTES] for at in range(0, len(hashes), DIGEST_BYTES)]
    if head.state_events is not None:
        room.state.event_count = head.state_events
    former = _FormerNumbers(store, room_id, head.bucket)
    pages = 0
    async for page in store.pages(CURRENT_STATE_BY_ROOM, (room_id,)):
        if pages:
            # A room of 100,000 members is a hundred pages: let others have a turn between them.
            await clock.sleep(0)
        if any(row.state_number is None for row in page):
            await former.read()
        _load_page(room, page, former.numbers)
        pages += 1
    return room


def _load_page(room: RoomInMemory, page: Sequence[CurrentStateRow], former_numbers: Mapping[str, int]) -> None:
    for row in page:
        number = row.state_number
        room.load_state(row, former_numbers[row.event_id] if number is None else number)


class _FormerNumbers:
    """The numbers of a room's state events by event ID, for rows that were written before there were numbers.

    Until then each state event made a new version of the state, so that its number is one less than its version.
    """

    def __init__(self, store: Store, room_id: str, last_bucket: int) -> None:
        self._store = store
        self._room_id = room_id
        self._last_bucket = last_bucket
        self.numbers: dict[str, int] = {}

    async def read(self) -> None:
        if self.numbers:
            return
        for bucket in range(self._last_bucket + 1):
            async for page in self._store.pages(STATE_DELTAS_BY_ROOM, (self._room_id, bucket)):
                self.numbers.update({row.event_id: row.state_version - 1 for row in page})
