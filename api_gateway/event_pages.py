"""Pages of events, as the room's owner streams them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from matrix_protocol.errors import InvalidParam
from service_kit.rpc.pb.room_queries_pb2 import TimelineChunk, TimelineEntry

LIMIT_MAX = 1000


class Page(msgspec.Struct):
    """What was read of a timeline, or of other events in order."""

    entries: list[TimelineEntry]
    more: bool = False
    next_position: int = 0
    head_position: int = 0
    """how far the room's shard was when the reading began"""


async def read_page(chunks: AsyncIterator[TimelineChunk]) -> Page:
    page = Page([])
    async for chunk in chunks:
        page.entries += chunk.entries
        page.more, page.next_position = chunk.more, chunk.next_position
        page.head_position = page.head_position or chunk.position
    return page


def limit_of(given: int | None, usual: int) -> int:
    """How many events to answer with. Raises InvalidParam."""
    if given is None:
        return usual
    if given < 0:
        raise InvalidParam("limit must not be negative")
    return max(1, min(given, LIMIT_MAX))
