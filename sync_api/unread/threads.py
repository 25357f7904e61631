"""Which thread an event is in.

"An event is considered to be "in a thread" if it has a `rel_type` of `m.thread`, or following the event relationships,
it has a parent event which references the thread root with a `rel_type` of `m.thread`. Implementations should not
recurse infinitely, though: a maximum of 3 hops is recommended". Everything else is in the main timeline, thread roots
among it.

Spec: https://spec.matrix.org/v1.19/client-server-api/#threaded-read-receipts
"""

from __future__ import annotations

from matrix_protocol.errors import NotFound
from service_kit.rpc.pb.room_queries_pb2 import EventRequest
from service_kit.rpc.queries import RoomQueries
from sync_api.push_events import MAIN, PreparedEvent
from sync_api.room_contents import RoomContents

HOPS_MAX = 3
PARENTS_ASKED_MAX = 20
"""Of one room and answer; whatever else relates to something unknown is taken to be in the main timeline."""


class Threads:
    """Follows relations to events that memory does not have, for one room and answer."""

    def __init__(self, queries: RoomQueries, contents: RoomContents) -> None:
        self._queries = queries
        self._contents = contents
        self._asked: dict[str, PreparedEvent | None] = {}

    async def find(self, event: PreparedEvent) -> None:
        """Fill in the event's `thread_id`."""
        at = event
        for _ in range(HOPS_MAX):
            parent = await self._event(at.parent_id)
            if parent is None:
                break
            at = parent
            if at.thread_id:
                break
        event.thread_id = at.thread_id or MAIN

    async def _event(self, event_id: str) -> PreparedEvent | None:
        known = self._contents.push_events.get(event_id)
        if known is not None:
            return known
        for event in reversed(self._contents.timeline):
            if event.event_id == event_id:
                return self._prepare(event.client_json)
        if event_id not in self._asked:
            self._asked[event_id] = await self._ask(event_id) if len(self._asked) < PARENTS_ASKED_MAX else None
        return self._asked[event_id]

    async def _ask(self, event_id: str) -> PreparedEvent | None:
        try:
            entry = await self._queries.get_event(
                EventRequest(room_id=self._contents.push_events.room_id, event_id=event_id)
            )
        except NotFound:
            return None
        return self._prepare(entry.client_json)

    def _prepare(self, client_json: bytes) -> PreparedEvent:
        return self._contents.push_events.prepare(client_json, self._contents.joined_count, self._contents.state)
