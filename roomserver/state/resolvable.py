"""A room as a state resolution wants it, from the stored columns: on first use, page by page.

    STATE_COLUMNS_BY_ROOM  --in the order of the numbers-->  CompactRoom  --kept with the room, grows with it

Rooms that were written before there were columns get them here, made from the stored events once, and stored. That is
no fact of the ledger: whoever does it writes the same rows, so that it doesn't matter who is the owner.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from matrix_protocol.errors import Unavailable
from matrix_protocol.events.format import Event, event_from_parts
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.state_resolution.columns import columns_from_bytes
from matrix_protocol.state_resolution.compact import CompactRoom
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import (
    COLUMNS_BUCKET_EVENTS_MAX,
    STATE_COLUMNS_BY_ROOM,
    STATE_DELTAS_BY_ROOM,
    TIMELINE_BY_ROOM,
    StateColumnsRow,
    StateDeltaRow,
)
from service_kit.store.interface import Put, Range, Write

PAGE_ROWS: Final = 250
"""About 2 ms of the event loop, for joins."""

_logger = logging.getLogger(__name__)


async def load_resolvable(shard: OwnedShard, room: RoomInMemory) -> CompactRoom:
    """All state events of the room; from the return on it is kept as long as the room is. Raises Unavailable."""
    async with shard.columns_lock:  # a second caller finds what the first one loaded
        if room.resolvable is not None:
            return room.resolvable
        resolvable = CompactRoom(room.rules)
        resolvable.reserve(room.state.event_count)
        while len(resolvable) < room.state.event_count:  # it may have grown while we read
            stored = room.state.event_count
            await shard.wait_applied(room.last_position)
            await _append(shard, room, resolvable, stored)
        room.keep_resolvable(resolvable)
        shard.rooms.used(room)
        return resolvable


async def _append(shard: OwnedShard, room: RoomInMemory, resolvable: CompactRoom, before: int) -> None:
    """The events from the next number on up to `before`, which the tables have."""
    while (number := len(resolvable)) < before:
        partition = (room.room_id, number // COLUMNS_BUCKET_EVENTS_MAX)
        window = Range(at_least=number, before=before)
        rows = await shard.store.scan(STATE_COLUMNS_BY_ROOM, partition, range=window, limit=PAGE_ROWS)
        for row in rows:
            if row.number != len(resolvable):
                break
            resolvable.append(columns_from_bytes(row.columns))
        if len(resolvable) == number:
            end = rows[0].number if rows else min(before, (partition[1] + 1) * COLUMNS_BUCKET_EVENTS_MAX)
            await _make(shard, room, resolvable, end)
        await shard.clock.sleep(0)  # let others have a turn


async def _make(shard: OwnedShard, room: RoomInMemory, resolvable: CompactRoom, before: int) -> None:
    """The same of events without columns: each made a version of the state (see `state.loading`)."""
    _logger.info("the columns of state events %d to %d of %s are made", len(resolvable), before - 1, room.room_id)
    for bucket in range(room.timeline_buckets):
        async for deltas in shard.store.pages(STATE_DELTAS_BY_ROOM, (room.room_id, bucket)):
            missing = [row for row in deltas if len(resolvable) < row.state_version <= before]
            for at in range(0, len(missing), PAGE_ROWS):
                await _make_page(shard, room, resolvable, missing[at : at + PAGE_ROWS])
    if len(resolvable) < before:
        raise Unavailable("State events of this room are missing from the store")


async def _make_page(
    shard: OwnedShard, room: RoomInMemory, resolvable: CompactRoom, deltas: Sequence[StateDeltaRow]
) -> None:
    writes: list[Write] = []
    for event in await _read_events(shard, room.rules, deltas):
        columns = resolvable.add(event)
        bucket = columns.number // COLUMNS_BUCKET_EVENTS_MAX
        writes.append(
            Put(STATE_COLUMNS_BY_ROOM, StateColumnsRow(room.room_id, bucket, columns.number, columns.to_bytes()))
        )
    await shard.store.write(writes)


async def _read_events(shard: OwnedShard, rules: RoomVersionRules, deltas: Sequence[StateDeltaRow]) -> list[Event]:
    """Raises Unavailable if one is missing."""
    rows = await shard.store.get_many(TIMELINE_BY_ROOM, [(row.room_id, row.bucket, row.position) for row in deltas])
    found = [event_from_parts(row.client_json, row.federation_json, rules) for row in rows if row is not None]
    if len(found) < len(deltas):
        raise Unavailable("State events of this room are missing from the store")
    return found
