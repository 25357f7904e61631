"""A page of the events that relate to one, directly or over others.

Spec: https://spec.matrix.org/v1.19/client-server-api/#relationships-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from matrix_protocol.relations import relation_of
from roomserver.input.relations import FAMILIES
from roomserver.queries.aggregations import Onlooker
from roomserver.queries.related import DIRECT, Related, related_rows
from roomserver.tables import AGGREGATES_BY_ROOM, TIMELINE_BY_ROOM, Family, RelationRow, TimelineRow
from service_kit.rpc.pb.facts_pb2 import Aggregate
from service_kit.rpc.pb.room_queries_pb2 import RelationsRequest
from service_kit.store.interface import Store

ROWS_PER_PAGE_MAX: Final = 3000
"""Rows that are looked at for one page, however few of them are wanted."""
PAGE_BYTES_MAX: Final = 8 * 1024 * 1024
READ_TOGETHER: Final = 100


class RelatedPage:
    """One page; `more` and `next_position` are right after `read`."""

    def __init__(self, store: Store, request: RelationsRequest, onlooker: Onlooker) -> None:
        self._store = store
        self._request = request
        self._onlooker = onlooker
        self._links: dict[int, bool] = {}
        """Whether an event between, by its position, still relates to the next one."""
        self.more = False
        self.next_position = request.from_position

    async def read(self, parent: TimelineRow) -> list[TimelineRow]:
        """At most `limit` children."""
        request = self._request
        row = await self._store.get(AGGREGATES_BY_ROOM, (parent.room_id, parent.bucket, parent.position))
        if row is None:
            return []
        aggregate = Aggregate.FromString(row.aggregate)
        related = Related(
            *(parent.room_id, parent.event_id, aggregate, request.backwards),
            *(request.from_position, request.to_position),
        )
        found: list[TimelineRow] = []
        batch: list[RelationRow] = []
        looked_at = found_bytes = 0
        async for child in related_rows(self._store, related, self._families()):
            if len(batch) >= min(READ_TOGETHER, request.limit - len(found)):
                shown = await self._shown(batch)
                found += shown
                found_bytes += sum(len(row.client_json) for row in shown)
                batch = []
            if len(found) >= request.limit or looked_at >= ROWS_PER_PAGE_MAX or found_bytes >= PAGE_BYTES_MAX:
                self.more = True
                break
            looked_at += 1
            self.next_position = child.position - 1 if request.backwards else child.position
            batch.append(child)
        return found + await self._shown(batch)

    def _families(self) -> Sequence[Family]:
        """Which may hold what is wanted: the replies of a thread are read without its reactions."""
        rel_type = self._request.rel_type
        direct = DIRECT if not rel_type else (FAMILIES.get(rel_type, Family.OTHER),)
        return (*direct, Family.INDIRECT) if self._request.recurse else direct

    async def _shown(self, children: Sequence[RelationRow]) -> list[TimelineRow]:
        """Those of them that are wanted and that the viewer may see."""
        wanted = [child for child in children if self._is_wanted(child)]
        await self._read_links(wanted)
        wanted = [child for child in wanted if all(self._links[link.position] for link in _via(child))]
        if not wanted:
            return []
        keys = [(child.room_id, child.bucket, child.position) for child in wanted]
        rows = await self._store.get_many(TIMELINE_BY_ROOM, keys)
        return [row for row in rows if row is not None and await self._onlooker.sees(row)]

    def _is_wanted(self, child: RelationRow) -> bool:
        """ "Filters specified via `event_type` or `rel_type` will be applied to all events returned, whether direct or
        indirect relations. Events that would match the filter, but whose only relation to the original given event is
        through a non-matching intermediate event, will not be included." """
        if child.is_removed or child.sender in self._onlooker.ignored_user_ids:
            return False
        rel_type, event_type = self._request.rel_type, self._request.event_type
        path = [(child.rel_type, child.type), *((link.rel_type, link.type) for link in _via(child))]
        return all(rel_type in ("", of_rel) and event_type in ("", of_event) for of_rel, of_event in path)

    async def _read_links(self, children: Sequence[RelationRow]) -> None:
        """Whether the events in between still relate to anything: each may have been redacted since."""
        links = {link.position: link for child in children for link in _via(child)}
        unknown = [link for position, link in links.items() if position not in self._links]
        if not unknown:
            return
        keys = [(self._request.room_id, link.bucket, link.position) for link in unknown]
        rows = await self._store.get_many(TIMELINE_BY_ROOM, keys)
        for link, row in zip(unknown, rows, strict=True):
            content = {} if row is None else orjson.loads(row.client_json)["content"]
            self._links[link.position] = relation_of(content) is not None


class Link(NamedTuple):
    """An event between a child and its ancestor."""

    bucket: int
    position: int
    rel_type: str
    type: str


def _via(child: RelationRow) -> list[Link]:
    return [Link(*link) for link in orjson.loads(child.via)] if child.via else []
