"""What is bundled with events: their latest edit, the state of their thread, what refers to them.

For a page of a timeline, one more read of a range for each of its buckets; only for events that have something to
bundle are their children read, all of them together:

    rows       e1 e2 e3 e4          timeline_by_room
    aggregates    e2    e4          aggregates_by_room, the same span
    children      edit  reply       timeline_by_room, by position
    aggregates          edit of it  …

What the viewer may not see, or whom they ignore, is left out. "This means any aggregations which would normally
include those events will be lacking them": then an earlier child takes its place, if one is near.

Spec: https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import orjson

from roomserver.queries.related import Related, related_rows
from roomserver.queries.timeline import fill_entry
from roomserver.queries.viewer import Viewer
from roomserver.tables import AGGREGATES_BY_ROOM, THREAD_PARTICIPANTS, TIMELINE_BY_ROOM, Family, TimelineRow
from service_kit.rpc.pb.facts_pb2 import Aggregate, ChildEvent
from service_kit.rpc.pb.room_queries_pb2 import Aggregations, TimelineEntry
from service_kit.store.interface import SCAN_ROWS_MAX, Range, Store

REFERENCES_MAX: Final = 100
"""NOTSPEC: of an event that more refer to (the votes of a poll), the latest ones; /relations gives all."""
STAND_INS_MAX: Final = 100
"""Earlier children that are looked at where the latest one may not be shown."""
IGNORED_MAX: Final = 500
"""Ignored users who are counted out of a thread of many."""
NESTING_MAX: Final = 2
""" "Child events of the `latest_event` should themselves be aggregated": and no further."""


class Onlooker(NamedTuple):
    """For whom it is."""

    viewer: Viewer | None
    """None: the server itself"""
    ignored_user_ids: Collection[str] = ()

    async def sees(self, row: TimelineRow) -> bool:
        viewer = self.viewer
        if viewer is None:
            return True
        if (until := viewer.looks_until()) and row.position > until:
            return False
        return viewer.sees_at_once(row) or await viewer.can_see(row)

    async def membership_after(self, position: int) -> str:
        return "" if self.viewer is None else await self.viewer.membership_after(position)

    @property
    def looks_until(self) -> int:
        return 0 if self.viewer is None else self.viewer.looks_until()


class Bundles:
    """Reads for one onlooker of one room."""

    def __init__(self, store: Store, room_id: str, onlooker: Onlooker) -> None:
        self._store = store
        self._room_id = room_id
        self._onlooker = onlooker

    async def of_span(self, rows: Sequence[TimelineRow]) -> dict[int, Aggregations]:
        """Of events that stand close together, by position; those with nothing to bundle are not in it."""
        parents = _may_have_some(rows)
        by_bucket: defaultdict[int, list[int]] = defaultdict(list)
        for row in parents:
            by_bucket[row.bucket].append(row.position)
        aggregates: dict[int, Aggregate] = {}
        for bucket, positions in by_bucket.items():
            span = Range(at_least=min(positions), through=max(positions))
            found = await self._store.scan(AGGREGATES_BY_ROOM, (self._room_id, bucket), range=span, limit=SCAN_ROWS_MAX)
            aggregates.update((row.position, Aggregate.FromString(row.aggregate)) for row in found)
        return await self._bundle(parents, aggregates)

    async def of_rows(
        self, rows: Sequence[TimelineRow], *, state_too: bool = False, nesting: int = 1
    ) -> dict[int, Aggregations]:
        """Of events that stand anywhere."""
        parents = list(rows) if state_too else _may_have_some(rows)
        if not parents or nesting > NESTING_MAX:
            return {}
        keys = [(self._room_id, row.bucket, row.position) for row in parents]
        found = await self._store.get_many(AGGREGATES_BY_ROOM, keys)
        aggregates = {row.position: Aggregate.FromString(row.aggregate) for row in found if row is not None}
        return await self._bundle(parents, aggregates, nesting)

    async def _bundle(
        self, rows: Iterable[TimelineRow], aggregates: dict[int, Aggregate], nesting: int = 1
    ) -> dict[int, Aggregations]:
        parents = [(row, aggregates[row.position]) for row in rows if _shows(aggregates.get(row.position))]
        if not parents:
            return {}
        latest = await self._read_latest(parents)
        bundled: dict[int, Aggregations] = {}
        replies: dict[int, TimelineRow] = {}
        for row, aggregate in parents:
            made = Aggregations()
            if aggregate.HasField("edit") and not _is_redacted(row):
                edit = await self._child(row, aggregate, Family.EDIT, latest.get(aggregate.edit.position))
                if edit is not None:
                    await self._fill(made.edit, edit)
            if aggregate.HasField("latest_reply"):
                known = latest.get(aggregate.latest_reply.position)
                reply = await self._child(row, aggregate, Family.REPLY, known)
                if reply is not None:
                    await self._fill(made.latest_reply, reply)
                    await self._add_thread(made, row, aggregate)
                    replies[row.position] = reply
            if _children(aggregate, Family.REFERENCE):
                made.reference_event_ids.extend(await self._references(row, aggregate))
            if made.ByteSize():
                bundled[row.position] = made
        of_replies = await self.of_rows(list(replies.values()), nesting=nesting + 1)
        for position, reply in replies.items():
            if reply.position in of_replies:
                bundled[position].latest_reply.aggregations.CopyFrom(of_replies[reply.position])
        return bundled

    async def _read_latest(self, parents: Iterable[tuple[TimelineRow, Aggregate]]) -> dict[int, TimelineRow]:
        """The latest edits and replies, by position."""
        wanted: list[ChildEvent] = []
        for row, aggregate in parents:
            if aggregate.HasField("edit") and not _is_redacted(row):
                wanted.append(aggregate.edit)
            if aggregate.HasField("latest_reply"):
                wanted.append(aggregate.latest_reply)
        found: dict[int, TimelineRow] = {}
        for first in range(0, len(wanted), SCAN_ROWS_MAX):
            keys = [(self._room_id, child.bucket, child.position) for child in wanted[first : first + SCAN_ROWS_MAX]]
            rows = await self._store.get_many(TIMELINE_BY_ROOM, keys)
            found.update((row.position, row) for row in rows if row is not None)
        return found

    async def _child(
        self, parent: TimelineRow, aggregate: Aggregate, family: Family, latest: TimelineRow | None
    ) -> TimelineRow | None:
        """The latest child of this family that may be shown."""
        ignored = self._onlooker.ignored_user_ids
        if latest is not None and latest.sender not in ignored and await self._onlooker.sees(latest):
            return latest
        looked_at = 0
        async for child in related_rows(self._store, self._related(parent, aggregate), (family,)):
            looked_at += 1
            if looked_at > STAND_INS_MAX:
                return None
            if child.is_removed or child.sender in ignored:
                continue
            row = await self._store.get(TIMELINE_BY_ROOM, (self._room_id, child.bucket, child.position))
            if row is not None and await self._onlooker.sees(row):
                return row
        return None

    async def _add_thread(self, made: Aggregations, root: TimelineRow, aggregate: Aggregate) -> None:
        until = self._onlooker.looks_until
        if until and aggregate.latest_reply.position > until:
            made.replies = await self._count_replies(root, aggregate)
        else:
            made.replies = max(1, aggregate.replies - await self._ignored_replies(root, aggregate))
        more = len(aggregate.participant_user_ids) < aggregate.participants
        viewer = self._onlooker.viewer
        if viewer is None:
            made.participant_user_ids.extend(aggregate.participant_user_ids)
            made.more_participants = more
        elif viewer.user_id == root.sender or viewer.user_id in aggregate.participant_user_ids:
            made.participated = True
        elif more:
            row = await self._store.get(THREAD_PARTICIPANTS, (self._room_id, root.event_id, viewer.user_id))
            made.participated = row is not None and row.replies > 0

    async def _count_replies(self, root: TimelineRow, aggregate: Aggregate) -> int:
        """Those until the viewer left, as far as one looks."""
        ignored, number = self._onlooker.ignored_user_ids, 0
        async for child in related_rows(self._store, self._related(root, aggregate), (Family.REPLY,)):
            number += not child.is_removed and child.sender not in ignored
            if number >= SCAN_ROWS_MAX:
                break
        return number

    async def _ignored_replies(self, root: TimelineRow, aggregate: Aggregate) -> int:
        ignored = self._onlooker.ignored_user_ids
        if len(aggregate.participant_user_ids) == aggregate.participants:
            ignored = [user_id for user_id in aggregate.participant_user_ids if user_id in ignored]
        if not ignored:
            return 0
        keys = [(self._room_id, root.event_id, user_id) for user_id in list(ignored)[:IGNORED_MAX]]
        rows = await self._store.get_many(THREAD_PARTICIPANTS, keys)
        return sum(row.replies for row in rows if row is not None)

    async def _references(self, parent: TimelineRow, aggregate: Aggregate) -> list[str]:
        """Oldest first."""
        event_ids: list[str] = []
        ignored, looked_at = self._onlooker.ignored_user_ids, 0
        async for child in related_rows(self._store, self._related(parent, aggregate), (Family.REFERENCE,)):
            looked_at += 1
            if not child.is_removed and child.sender not in ignored:
                event_ids.append(child.event_id)
            if len(event_ids) >= REFERENCES_MAX or looked_at >= SCAN_ROWS_MAX:
                break
        event_ids.reverse()
        return event_ids

    def _related(self, parent: TimelineRow, aggregate: Aggregate) -> Related:
        return Related(self._room_id, parent.event_id, aggregate, True, self._onlooker.looks_until)

    async def _fill(self, entry: TimelineEntry, row: TimelineRow) -> None:
        fill_entry(entry, row, await self._onlooker.membership_after(row.position))


def _may_have_some(rows: Iterable[TimelineRow]) -> list[TimelineRow]:
    """ "State events do not currently receive bundled aggregations." """
    return [row for row in rows if row.state_key is None]


def _shows(aggregate: Aggregate | None) -> bool:
    if aggregate is None:
        return False
    return aggregate.HasField("edit") or aggregate.replies > 0 or _children(aggregate, Family.REFERENCE) > 0


def _children(aggregate: Aggregate, family: Family) -> int:
    return aggregate.children[family] if family < len(aggregate.children) else 0


def _is_redacted(row: TimelineRow) -> bool:
    """ "If the original event is redacted, any `m.replace` relationship should not be bundled with it." """
    if b'"redacted_because"' not in row.client_json:
        return False
    return "redacted_because" in orjson.loads(row.client_json)["unsigned"]
