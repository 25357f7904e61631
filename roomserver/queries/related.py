"""The events that relate to one, in order, read chunk by chunk.

relations_by_event (room, parent, family, chunk) | position …
    annotations   chunk 0 [5 9 11 …]   chunk 1 [1204 …]
    replies       chunk 0 [7 8 …]
    indirect      chunk 0 [10 12 …]         merged by position
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from roomserver.tables import RELATIONS_BY_EVENT, RELATIONS_CHUNK, Family, RelationRow
from service_kit.rpc.pb.facts_pb2 import Aggregate
from service_kit.store.interface import Range, Store

DIRECT: Final = tuple(family for family in Family if family is not Family.INDIRECT)
ROWS_AT_ONCE: Final = 100


class Related(NamedTuple):
    """What relates to which event, from where to where."""

    room_id: str
    parent_event_id: str
    aggregate: Aggregate
    backwards: bool
    from_position: int = 0
    """Backwards: rows at or below (0 = the end); forwards: rows above."""
    to_position: int = 0
    """Backwards: rows above; forwards: rows at or below (0 = no bound)."""


async def related_rows(store: Store, related: Related, families: Sequence[Family]) -> AsyncIterator[RelationRow]:
    """Those of all these families, in one order; rows of redacted events too."""
    walks = [_walk(store, related, family) for family in families if _children(related, family)]
    heads: dict[AsyncIterator[RelationRow], RelationRow] = {}
    for walk in walks:
        await _advance(heads, walk)
    choose = max if related.backwards else min
    while heads:
        walk = choose(heads, key=lambda walk: heads[walk].position)
        yield heads.pop(walk)
        await _advance(heads, walk)


async def _advance(heads: dict[AsyncIterator[RelationRow], RelationRow], walk: AsyncIterator[RelationRow]) -> None:
    row = await anext(walk, None)
    if row is not None:
        heads[walk] = row


async def _walk(store: Store, related: Related, family: Family) -> AsyncIterator[RelationRow]:
    """The rows of one family."""
    backwards, start, end = related.backwards, related.from_position, related.to_position
    last = (_children(related, family) - 1) // RELATIONS_CHUNK
    position = start if start or not backwards else None
    chunk = last if position is None else await _chunk_of(store, related, family, position, last)
    while 0 <= chunk <= last:
        low, high = (end or None, position) if backwards else (position, end or None)
        window = Range(after=low, through=high)
        partition = (related.room_id, related.parent_event_id, int(family), chunk)
        rows = await store.scan(RELATIONS_BY_EVENT, partition, range=window, limit=ROWS_AT_ONCE, reverse=backwards)
        for row in rows:
            yield row
        if len(rows) == ROWS_AT_ONCE:
            position = rows[-1].position - 1 if backwards else rows[-1].position
        else:
            chunk += -1 if backwards else 1


async def _chunk_of(store: Store, related: Related, family: Family, position: int, last: int) -> int:
    """The chunk that holds the latest row at or below this position; the first one if there is none."""
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        partition = (related.room_id, related.parent_event_id, int(family), middle)
        first = await store.scan(RELATIONS_BY_EVENT, partition, limit=1)
        if first and first[0].position <= position:
            low = middle
        else:
            high = middle - 1
    return low


def _children(related: Related, family: Family) -> int:
    children = related.aggregate.children
    return children[family] if family < len(children) else 0
