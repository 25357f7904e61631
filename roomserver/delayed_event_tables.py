"""The tables of events that are to be sent later (MSC4140), as `roomserver.tables`."""

from __future__ import annotations

from typing import Any, NamedTuple

from service_kit.store.schema import Table

WRITER = "roomserver"

DELAYED_EVENT_BUCKETS = 16
"""Partitions of a shard's delayed events: each comes and goes within a day, and leaves a tombstone for a while."""

FINALISED_TTL_S = 7 * 24 * 3600
"""How long it is known what became of a delayed event."""


class DelayedEventDueRow(NamedTuple):
    """What waits in a shard, and until when: `scheduled_at_ms` + `delay_ms`."""

    shard: str
    bucket: int
    delay_id: str
    room_id: str
    sender: str
    delay_ms: int
    scheduled_at_ms: int


class DelayedEventByUserRow(NamedTuple):
    """What a user has waiting; `scheduled_at_ms` is of the beginning, whenever it was restarted since."""

    sender: str
    delay_id: str
    room_id: str
    device_id: str
    guest: bool
    event_type: str
    state_key: str | None
    content_json: bytes
    delay_ms: int
    scheduled_at_ms: int


class FinalisedDelayedEventRow(NamedTuple):
    """What became of it."""

    delay_id: str
    sender: str
    room_id: str
    event_type: str
    state_key: str | None
    content_json: bytes
    delay_ms: int
    scheduled_at_ms: int
    finalised_at_ms: int
    event_id: str
    error_json: bytes


DELAYED_EVENTS_DUE_BY_SHARD = Table(
    "delayed_events_due_by_shard", DelayedEventDueRow, partition_key=2, clustering_key=1, writer=WRITER
)
DELAYED_EVENTS_BY_USER = Table(
    "delayed_events_by_user", DelayedEventByUserRow, partition_key=1, clustering_key=1, writer=WRITER
)
FINALISED_DELAYED_EVENTS = Table(
    "finalised_delayed_events",
    FinalisedDelayedEventRow,
    partition_key=1,
    clustering_key=0,
    writer=WRITER,
    ttl_s=FINALISED_TTL_S,
)

DELAYED_EVENT_TABLES: tuple[Table[Any], ...] = (
    DELAYED_EVENTS_DUE_BY_SHARD,
    DELAYED_EVENTS_BY_USER,
    FINALISED_DELAYED_EVENTS,
)
