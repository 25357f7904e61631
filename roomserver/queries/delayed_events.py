"""What a user has waiting to be sent (MSC4140), and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from matrix_protocol.errors import NotFound
from roomserver.delayed_event_tables import (
    DELAYED_EVENTS_BY_USER,
    DELAYED_EVENTS_DUE_BY_SHARD,
    FINALISED_DELAYED_EVENTS,
    DelayedEventByUserRow,
    FinalisedDelayedEventRow,
)
from roomserver.input.delayed_event_rows import bucket_of
from roomserver.input.delayed_events import UNKNOWN, event_of
from service_kit.rpc.pb.delayed_events_pb2 import DelayedEvent, DelayedEventRequest, FinalisedDelayedEvent
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import Store


async def read_delayed_event(store: Store, shard: Shard, request: DelayedEventRequest) -> FinalisedDelayedEvent:
    """Raises NotFound, also for others' events."""
    row = await store.get(DELAYED_EVENTS_BY_USER, (request.user_id, request.delay_id))
    waiting = None if row is None else await _waiting(store, shard, row)
    if waiting is not None:
        return FinalisedDelayedEvent(event=waiting)
    finalised = await store.get(FINALISED_DELAYED_EVENTS, (request.delay_id,))
    if finalised is None or finalised.sender != request.user_id:
        raise NotFound(UNKNOWN)
    return _finalised(finalised)


async def delayed_events_of(store: Store, shards: ShardMap, user_id: str) -> AsyncIterator[DelayedEvent]:
    """As many as the settings permit a user to have waiting, about."""
    async for page in store.pages(DELAYED_EVENTS_BY_USER, (user_id,)):
        for row in page:
            waiting = await _waiting(store, shards.of_room(row.room_id), row)
            if waiting is not None:
                yield waiting


async def _waiting(store: Store, shard: Shard, row: DelayedEventByUserRow) -> DelayedEvent | None:
    due = await store.get(DELAYED_EVENTS_DUE_BY_SHARD, (str(shard), bucket_of(row.delay_id), row.delay_id))
    return None if due is None else event_of(row, due.scheduled_at_ms)


def _finalised(row: FinalisedDelayedEventRow) -> FinalisedDelayedEvent:
    event = DelayedEvent(
        delay_id=row.delay_id,
        room_id=row.room_id,
        sender=row.sender,
        event_type=row.event_type,
        state_key=row.state_key,
        content_json=row.content_json,
        delay_ms=row.delay_ms,
        scheduled_at_ms=row.scheduled_at_ms,
    )
    return FinalisedDelayedEvent(
        event=event, finalised_at_ms=row.finalised_at_ms, event_id=row.event_id, error_json=row.error_json
    )
