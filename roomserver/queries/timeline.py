"""Pages of a room's timeline, in either direction, as far as somebody may see it.

Positions are tokens between events: backwards means events at or below
`from_position`, forwards events above it. One page looks at a bounded number of
rows; if those did not fill it, it says where to go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NamedTuple, cast

from roomserver.queries.event_filter import Matches
from roomserver.queries.viewer import Viewer
from roomserver.state.recent import Recent
from roomserver.tables import ROOM_HEADS, TIMELINE_BUCKETS_BY_ROOM, TIMELINE_BY_ROOM, TimelineRow
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility
from service_kit.rpc.pb.room_queries_pb2 import TimelineEntry
from service_kit.store.interface import SCAN_ROWS_MAX, Range, Store

ROWS_PER_PAGE_MAX: Final = 3000
"""Rows that are looked at for one page, however few of them pass the filter."""
PAGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""A page that has reached this ends, however few events it has."""
FILTERED_SCAN_ROWS: Final = 50


class Span(NamedTuple):
    """Which part of a timeline, and in which direction."""

    room_id: str
    backwards: bool
    from_position: int
    """0 backwards = the end"""
    to_position: int
    """0 = none"""


class Buckets:
    """Finds the bucket of a position. First positions never change, so they are remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._first_positions: Recent[tuple[str, int], int] = Recent(4096)

    async def last(self, room_id: str) -> int:
        """-1 if there is no such room."""
        head = await self._store.get(ROOM_HEADS, (room_id,))
        return -1 if head is None else head.bucket

    async def of_position(self, room_id: str, position: int, last_bucket: int) -> int:
        """The bucket that holds the latest event at or below this position (the first one if there is none)."""
        low, high = 0, last_bucket
        while low < high:
            middle = (low + high + 1) // 2
            if await self._first_position(room_id, middle) <= position:
                low = middle
            else:
                high = middle - 1
        return low

    async def _first_position(self, room_id: str, bucket: int) -> int:
        known = self._first_positions.get((room_id, bucket))
        if known is None:
            row = await self._store.get(TIMELINE_BUCKETS_BY_ROOM, (room_id, bucket))
            assert row is not None, "every bucket up to the last one has its row"
            known = row.first_position
            self._first_positions.put((room_id, bucket), known)
        return known


class Page:
    """One page; `next_position` and `more` are right after `read`."""

    def __init__(self, store: Store, buckets: Buckets, span: Span, limit: int) -> None:
        self._store = store
        self._buckets = buckets
        self._span = span
        self._limit = limit
        self.next_position = span.from_position
        self.more = False

    async def read(self, viewer: Viewer | None, matches: Matches | None) -> list[TimelineRow]:
        """At most `limit` events that the viewer (None = the server itself) may see and that match."""
        found: list[TimelineRow] = []
        looked_at = found_bytes = 0
        behind = 1 if self._span.backwards else 0
        scan_rows = self._limit + 1 if matches is None else max(self._limit + 1, FILTERED_SCAN_ROWS)
        async for rows in self._scans(min(scan_rows, SCAN_ROWS_MAX)):
            for row in rows:
                if len(found) >= self._limit or looked_at >= ROWS_PER_PAGE_MAX or found_bytes >= PAGE_BYTES_MAX:
                    self.more = True
                    return found
                looked_at += 1
                self.next_position = row.position - behind
                if matches is not None and not matches(row):
                    continue
                if viewer is None or viewer.sees_at_once(row) or await viewer.can_see(row):
                    found.append(row)
                    found_bytes += len(row.client_json)
        return found

    async def _scans(self, limit: int) -> AsyncIterator[list[TimelineRow]]:
        """All rows of the span, so many at a time."""
        room_id, backwards, from_position, to_position = self._span
        last = await self._buckets.last(room_id)
        if last < 0:
            return
        position = from_position if from_position or not backwards else None
        bucket = last if position is None else await self._buckets.of_position(room_id, position, last)
        while 0 <= bucket <= last:
            if backwards:
                window = Range(through=position, after=to_position or None)
            else:
                window = Range(after=position, through=to_position or None)
            partition = (room_id, bucket)
            rows = await self._store.scan(TIMELINE_BY_ROOM, partition, range=window, limit=limit, reverse=backwards)
            yield rows
            if len(rows) == limit:
                position = rows[-1].position - 1 if backwards else rows[-1].position
            else:
                bucket += -1 if backwards else 1


def fill_entry(entry: TimelineEntry, row: TimelineRow, viewer_membership: str) -> None:
    """Make this empty entry the event's."""
    entry.position = row.position
    entry.event_id = row.event_id
    entry.type = row.type
    entry.sender = row.sender
    entry.origin_server_ts_ms = row.origin_server_ts_ms
    entry.device_id = row.device_id
    entry.client_txn_id = row.client_txn_id
    entry.client_json = row.client_json
    entry.room_id = row.room_id
    entry.viewer_membership = viewer_membership
    if row.history_visibility:
        entry.history_visibility = cast(HistoryVisibility, row.history_visibility)
    if row.state_key is not None:
        entry.state_key = row.state_key
        entry.replaces_event_id = row.replaces_event_id
        entry.membership = row.membership
        entry.prev_membership = row.prev_membership
