"""The state of a room: now, or as it was after some position of its ledger; all of it, or what changed.

| asked for                  | read                                                              |
|----------------------------|-------------------------------------------------------------------|
| all                        | the room's partition of the current state                         |
| all but the members        | the types before and after m.room.member                          |
| keys, whole types          | their rows                                                        |
| what changed after … (few) | the deltas since then, and the rows of their keys                 |
| … (many)                   | as above, leaving out rows that are older                         |
| at an earlier position     | as above; three more reads for each key that changed later        |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from roomserver.queries.timeline import Buckets
from roomserver.tables import (
    CURRENT_STATE_BY_ROOM,
    EVENTS_BY_ID,
    STATE_DELTAS_BY_ROOM,
    STATE_HISTORY_BY_ROOM,
    TIMELINE_BY_ROOM,
    CurrentStateRow,
)
from service_kit.rpc.pb.room_queries_pb2 import StateChunk, StateKey
from service_kit.store.interface import SCAN_ROWS_MAX, Range, Store

KEYS_AT_ONCE_MAX: Final = 500
DELTAS_MAX: Final = 1000
"""More changes than this are not worth their single reads."""
MEMBER: Final = "m.room.member"

ExactKey = tuple[str, str, str]
"""(room ID, type, state key)"""


class Wanted(NamedTuple):
    """Which rows of a room's state."""

    room_id: str
    keys: Sequence[StateKey]
    """none = all"""
    not_types: frozenset[str]
    at_position: int
    """0 = now"""
    after_position: int
    """only what came into the state after it; 0 = all"""


async def state_pages(store: Store, buckets: Buckets, wanted: Wanted) -> AsyncIterator[list[CurrentStateRow]]:
    """The wanted rows, page by page."""
    not_types, at, after = wanted.not_types, wanted.at_position, wanted.after_position
    async for page in _pages(store, buckets, wanted):
        rows = page if not not_types else [row for row in page if row.type not in not_types]
        if at and any(row.position > at for row in rows):
            former = [row if row.position <= at else await _row_at(store, row, at) for row in rows]
            rows = [row for row in former if row is not None]
        if after:
            rows = [row for row in rows if row.position > after]
        yield rows


def add_entry(chunk: StateChunk, row: CurrentStateRow) -> None:
    """Put the entry into the chunk, where it is built: a message that is appended is copied."""
    chunk.entries.add(
        type=row.type,
        state_key=row.state_key,
        event_id=row.event_id,
        membership=row.membership,
        position=row.position,
        client_json=row.client_json,
    )


async def _pages(store: Store, buckets: Buckets, wanted: Wanted) -> AsyncIterator[list[CurrentStateRow]]:
    room_id, keys = wanted.room_id, wanted.keys
    whole_types = dict.fromkeys(key.type for key in keys if not key.HasField("state_key"))
    exact = dict.fromkeys((room_id, key.type, key.state_key) for key in keys if key.type not in whole_types)
    is_open_ended = not keys or whole_types
    if is_open_ended and wanted.after_position:
        changed = await _changed_keys(store, buckets, wanted)
        if changed is not None:
            kept = [key for key in changed if not keys or key[1] in whole_types or key in exact]
            async for rows in _exact_rows(store, kept):
                yield rows
            return
    if not keys:
        whole = _all_but_members(store, room_id) if MEMBER in wanted.not_types else _all(store, room_id)
        async for rows in whole:
            yield rows
        return
    async for rows in _exact_rows(store, list(exact)):
        yield rows
    for event_type in whole_types:
        async for page in store.pages(CURRENT_STATE_BY_ROOM, (room_id,), prefix=(event_type,)):
            yield page


async def _exact_rows(store: Store, keys: Sequence[ExactKey]) -> AsyncIterator[list[CurrentStateRow]]:
    for first in range(0, len(keys), KEYS_AT_ONCE_MAX):
        rows = await store.get_many(CURRENT_STATE_BY_ROOM, keys[first : first + KEYS_AT_ONCE_MAX])
        yield [row for row in rows if row is not None]


async def _all(store: Store, room_id: str) -> AsyncIterator[list[CurrentStateRow]]:
    async for page in store.pages(CURRENT_STATE_BY_ROOM, (room_id,)):
        yield page


async def _all_but_members(store: Store, room_id: str) -> AsyncIterator[list[CurrentStateRow]]:
    """A room of 100,000 members has few other rows: not one of the members is read."""
    spans = [Range(after=MEMBER), Range(before=MEMBER)]
    while spans:
        span = spans.pop()
        rows = await store.scan(CURRENT_STATE_BY_ROOM, (room_id,), range=span, limit=SCAN_ROWS_MAX)
        yield rows
        if len(rows) < SCAN_ROWS_MAX:
            continue
        # Next the rest of the last row's type, then the types after it.
        last = rows[-1]
        if not span.prefix:
            spans.append(Range(after=last.type, before=span.before))
        spans.append(Range(prefix=(last.type,), after=last.state_key))


async def _changed_keys(store: Store, buckets: Buckets, wanted: Wanted) -> list[ExactKey] | None:
    """Keys with a change after the position; None if there are too many."""
    room_id, after = wanted.room_id, wanted.after_position
    last_bucket = await buckets.last(room_id)
    changed: dict[ExactKey, None] = {}
    if last_bucket < 0:
        return []
    for bucket in range(await buckets.of_position(room_id, after, last_bucket), last_bucket + 1):
        rows = await store.scan(
            STATE_DELTAS_BY_ROOM, (room_id, bucket), range=Range(after=after), limit=min(DELTAS_MAX, SCAN_ROWS_MAX)
        )
        changed.update(((room_id, row.type, row.state_key), None) for row in rows)
        if len(rows) >= DELTAS_MAX or len(changed) >= DELTAS_MAX:
            return None
    return list(changed)


async def _row_at(store: Store, row: CurrentStateRow, position: int) -> CurrentStateRow | None:
    """What this key was at an earlier position; None if it was not there yet."""
    entries = await store.scan(
        STATE_HISTORY_BY_ROOM,
        (row.room_id,),
        range=Range(prefix=(row.type, row.state_key), through=position),
        limit=1,
        reverse=True,
    )
    if not entries:
        return None
    entry = entries[0]
    found = await store.get(EVENTS_BY_ID, (entry.event_id,))
    event = None if found is None else await store.get(TIMELINE_BY_ROOM, (row.room_id, found.bucket, found.position))
    if event is None:
        return None
    return CurrentStateRow(
        *(row.room_id, row.type, row.state_key, entry.event_id, entry.position, entry.membership, event.client_json)
    )
