"""Events that others relate to, in the memory of their room's owner: only those that somebody related to lately.

    parent   Aggregate: how many children of each family, the latest edit, the thread's latest reply …

A parent that knows more than the tables is never dropped. One that a running command
still holds is the same object for whoever asks next, so that there are never two of one.
An object stays small however popular the event is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import orjson

from matrix_protocol.relations import RelatedEvent, Relation, relation_of, relation_of_event
from roomserver.state.recent import Recent
from roomserver.tables import AGGREGATES_BY_ROOM, Family, TimelineRow
from service_kit.rpc.pb.facts_pb2 import Aggregate
from service_kit.store.interface import Store

PARENTS_MAX: Final = 2000
"""Of one shard; some 2 KiB each."""
LATELY_MAX: Final = 4096

ReadEvent = Callable[[str, str], Awaitable[TimelineRow | None]]
"""Room ID, event ID."""


class AnnotationKey(NamedTuple):
    room_id: str
    parent_event_id: str
    digest: str


class ParticipantKey(NamedTuple):
    room_id: str
    root_event_id: str
    user_id: str


class Parent:
    """One of them."""

    __slots__ = (
        "__weakref__",
        "aggregate",
        "bucket",
        "event",
        "event_id",
        "family_positions",
        "last_position",
        "position",
        "relation",
        "room_id",
    )

    def __init__(self, row: TimelineRow, aggregate: Aggregate) -> None:
        content = orjson.loads(row.client_json)["content"]
        self.room_id = row.room_id
        self.event_id = row.event_id
        self.position = row.position
        self.bucket = row.bucket
        self.event = RelatedEvent(row.sender, row.type, row.state_key is not None, relation_of(content))
        self.relation: Relation | None = relation_of_event(row.type, row.state_key, content)
        """as which it may itself be among the children of another event"""
        self.aggregate = aggregate
        self.last_position = 0
        """of the latest fact that changed what is known here; 0 = none since it was read"""
        self.family_positions = [0] * len(Family)
        """the same, for each family"""
        missing = len(Family) - len(aggregate.children)
        aggregate.children.extend([0] * missing)

    def lose_relation(self) -> None:
        """It was redacted; its own children remain."""
        self.event = self.event._replace(relation=None)
        self.relation = None


class Parents:
    """Those of one owned shard."""

    def __init__(self, store: Store, read_event: ReadEvent, applied_position: Callable[[], int]) -> None:
        self._store = store
        self._read_event = read_event
        self._applied_position = applied_position
        self._parents: WeakValueDictionary[tuple[str, str], Parent] = WeakValueDictionary()
        self._kept: OrderedDict[tuple[str, str], Parent] = OrderedDict()
        self._loading: dict[tuple[str, str], asyncio.Future[None]] = {}
        self.annotations: Recent[AnnotationKey, str] = Recent(LATELY_MAX)
        """Event IDs of annotations that were made lately; "" = it was redacted."""
        self.replies: Recent[ParticipantKey, int] = Recent(LATELY_MAX)
        """How many replies those have in a thread who changed that lately."""
        self.lost: Recent[str, bool] = Recent(LATELY_MAX)
        """Events that relate to nothing any more: they were redacted lately."""

    def get(self, room_id: str, event_id: str) -> Parent | None:
        """If it is in memory."""
        return self._parents.get((room_id, event_id))

    async def load(self, room_id: str, event_id: str) -> Parent | None:
        """From memory or the tables; None if there is no such event in this room. Holding it keeps it in memory."""
        key = (room_id, event_id)
        while (known := self._parents.get(key)) is None and (loading := self._loading.get(key)) is not None:
            await asyncio.shield(loading)
        if known is not None:
            return known
        loading = self._loading[key] = asyncio.get_running_loop().create_future()
        try:
            row = await self._read_event(room_id, event_id)
            if row is None:
                return None
            aggregate = Aggregate()
            # Everything about it is in the tables: what is not would have kept it in memory.
            if (found := await self._store.get(AGGREGATES_BY_ROOM, (room_id, row.bucket, row.position))) is not None:
                aggregate.ParseFromString(found.aggregate)
            parent = self._parents[key] = Parent(row, aggregate)
            self._keep(key, parent)
            return parent
        finally:
            del self._loading[key]
            loading.set_result(None)

    def changed(self, parent: Parent, family: Family, position: int) -> None:
        """By the fact that is going to stand at this position."""
        parent.last_position = parent.family_positions[family] = position
        self._keep((parent.room_id, parent.event_id), parent)

    def _keep(self, key: tuple[str, str], parent: Parent) -> None:
        self._kept[key] = parent
        self._kept.move_to_end(key)
        applied = self._applied_position()
        while len(self._kept) > PARENTS_MAX:
            oldest = next(iter(self._kept.values()))
            if oldest.last_position > applied:
                return
            self._kept.popitem(last=False)
