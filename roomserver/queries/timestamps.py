"""The event that is closest to a time, on one side of it.

Times are the senders' and come in no order, so that there is nothing to bisect. But of every full bucket of the
timeline the least and the greatest are known: those buckets are read that may hold the closest event, most promising
first, until no other one can have a closer one.

    ts = 50, forwards      bucket 0 [10 … 40]    none
                           bucket 1 [35 … 70]    may begin at 50     read first; it has 52
                           bucket 2 [51 … 90]    may begin at 51     read next
                           bucket 3 [60 … 99]    cannot be closer than 52
"""

from __future__ import annotations

from typing import Final, NamedTuple

from roomserver.queries.viewer import Viewer
from roomserver.tables import ROOM_HEADS, TIMELINE_BY_ROOM, TIMESTAMP_SPANS_BY_ROOM, TimelineRow
from service_kit.store.interface import Range, Store

BUCKETS_READ_MAX: Final = 10
"""NOTSPEC: where the times of more buckets than this overlap, the closest event of these."""
ROWS_AT_ONCE: Final = 200
TS_MAX: Final = 2**63 - 1


class _Span(NamedTuple):
    bucket: int
    min_ts_ms: int
    max_ts_ms: int

    def distance(self, ts_ms: int, *, backwards: bool) -> int | None:
        """How close to the time an event of the bucket may be; None: there is none on this side."""
        if backwards:
            return None if self.min_ts_ms > ts_ms else max(0, ts_ms - self.max_ts_ms)
        return None if self.max_ts_ms < ts_ms else max(0, self.min_ts_ms - ts_ms)


async def closest_event(
    store: Store, room_id: str, viewer: Viewer, ts_ms: int, *, backwards: bool
) -> TimelineRow | None:
    """That the viewer may see. Of events of one time, the first in the room forwards, the last backwards."""
    candidates = []
    for span in await _spans(store, room_id):
        distance = span.distance(ts_ms, backwards=backwards)
        if distance is not None:
            candidates.append((distance, -span.bucket if backwards else span.bucket, span.bucket))
    best: TimelineRow | None = None
    for distance, _, bucket in sorted(candidates)[:BUCKETS_READ_MAX]:
        if best is not None and abs(best.origin_server_ts_ms - ts_ms) <= distance:
            break
        found = await _closest_in_bucket(store, (room_id, bucket), viewer, ts_ms, backwards=backwards)
        if found is not None and (best is None or _distance(found, ts_ms) < _distance(best, ts_ms)):
            best = found
    return best


async def _spans(store: Store, room_id: str) -> list[_Span]:
    """Of all buckets. One whose times were not noted (it is older than that) may hold anything."""
    head = await store.get(ROOM_HEADS, (room_id,))
    if head is None:
        return []
    spans = {bucket: _Span(bucket, 0, TS_MAX) for bucket in range(head.bucket + 1)}
    async for page in store.pages(TIMESTAMP_SPANS_BY_ROOM, (room_id,)):
        spans.update((row.bucket, _Span(row.bucket, row.min_ts_ms, row.max_ts_ms)) for row in page)
    if head.bucket_min_ts_ms is not None and head.bucket_max_ts_ms is not None:
        spans[head.bucket] = _Span(head.bucket, head.bucket_min_ts_ms, head.bucket_max_ts_ms)
    return list(spans.values())


async def _closest_in_bucket(
    store: Store, partition: tuple[str, int], viewer: Viewer, ts_ms: int, *, backwards: bool
) -> TimelineRow | None:
    best: TimelineRow | None = None
    position: int | None = viewer.looks_until() or None
    while True:
        rows = await store.scan(
            TIMELINE_BY_ROOM, partition, range=Range(through=position), limit=ROWS_AT_ONCE, reverse=True
        )
        for row in rows:
            time = row.origin_server_ts_ms
            if time > ts_ms if backwards else time < ts_ms:
                continue
            is_closer = best is None or _distance(row, ts_ms) < _distance(best, ts_ms)
            # Newest first: of equally close ones, the last that is looked at is the first in the room.
            is_as_close = not backwards and best is not None and _distance(row, ts_ms) == _distance(best, ts_ms)
            if (is_closer or is_as_close) and await viewer.can_see(row):
                best = row
        if len(rows) < ROWS_AT_ONCE:
            return best
        position = rows[-1].position - 1


def _distance(row: TimelineRow, ts_ms: int) -> int:
    return abs(row.origin_server_ts_ms - ts_ms)
