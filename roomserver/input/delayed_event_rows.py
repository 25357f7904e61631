"""Table rows of events that are to be sent later: what waits, and what became of it."""

from __future__ import annotations

from zlib import crc32

from roomserver.delayed_event_tables import (
    DELAYED_EVENT_BUCKETS,
    DELAYED_EVENTS_BY_USER,
    DELAYED_EVENTS_DUE_BY_SHARD,
    FINALISED_DELAYED_EVENTS,
    DelayedEventByUserRow,
    DelayedEventDueRow,
    FinalisedDelayedEventRow,
)
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write


def bucket_of(delay_id: str) -> int:
    return crc32(delay_id.encode()) % DELAYED_EVENT_BUCKETS


def scheduled_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    event = fact.delayed_event_scheduled.event
    due = DelayedEventDueRow(
        str(shard),
        bucket_of(event.delay_id),
        event.delay_id,
        event.room_id,
        event.sender,
        event.delay_ms,
        event.scheduled_at_ms,
    )
    row = DelayedEventByUserRow(
        event.sender,
        event.delay_id,
        event.room_id,
        event.device_id,
        event.guest,
        event.event_type,
        event.state_key if event.HasField("state_key") else None,
        event.content_json,
        event.delay_ms,
        event.scheduled_at_ms,
    )
    return [Put(DELAYED_EVENTS_DUE_BY_SHARD, due), Put(DELAYED_EVENTS_BY_USER, row)]


def restarted_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.delayed_event_restarted
    due = DelayedEventDueRow(
        str(shard),
        bucket_of(body.delay_id),
        body.delay_id,
        body.room_id,
        body.sender,
        body.delay_ms,
        body.scheduled_at_ms,
    )
    return [Put(DELAYED_EVENTS_DUE_BY_SHARD, due)]


def finalised_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.delayed_event_finalised
    event = body.event
    row = FinalisedDelayedEventRow(
        event.delay_id,
        event.sender,
        event.room_id,
        event.event_type,
        event.state_key if event.HasField("state_key") else None,
        event.content_json,
        event.delay_ms,
        event.scheduled_at_ms,
        body.finalised_at_ms,
        body.event_id,
        body.error_json,
    )
    return [
        Delete(DELAYED_EVENTS_DUE_BY_SHARD, (str(shard), bucket_of(event.delay_id), event.delay_id)),
        Delete(DELAYED_EVENTS_BY_USER, (event.sender, event.delay_id)),
        Put(FINALISED_DELAYED_EVENTS, row),
    ]
