"""The roomserver's tables, all views of the ledgers of room shards.

Every row follows from one fact (`input/rows.py`), so that a new owner can redo
them. "Position" is always a position in the ledger of the room's shard.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from roomserver.delayed_event_tables import DELAYED_EVENT_TABLES
from roomserver.retention_tables import RETENTION_TABLES
from service_kit.store.schema import Table

WRITER = "roomserver"

BUCKET_EVENTS_MAX = 1000
"""Timeline events in one bucket: at some 2 KiB an event, a partition of 2 MiB."""

COLUMNS_BUCKET_EVENTS_MAX = 5000
"""State events in one bucket of columns: at some 200 bytes each, a partition of 1 MiB."""

RELATIONS_CHUNK = 1000
"""Rows in one chunk of the events that relate to one: at some 400 bytes each, a partition of 0.4 MiB."""
CLIENT_TXN_TTL_S = 24 * 3600
"""How long a repeated client transaction ID is recognised; clients give up sending again long before."""


class TimelineRow(NamedTuple):
    room_id: str
    bucket: int
    position: int
    event_id: str
    type: str
    sender: str
    state_key: str | None
    origin_server_ts_ms: int
    history_visibility: int
    replaces_event_id: str
    membership: str
    prev_membership: str
    device_id: str
    client_txn_id: str
    client_json: bytes
    federation_json: bytes


class TimelineBucketRow(NamedTuple):
    room_id: str
    bucket: int
    first_position: int


class TimestampSpanRow(NamedTuple):
    """The least and the greatest origin_server_ts in a bucket that is full: they come in no order."""

    room_id: str
    bucket: int
    min_ts_ms: int
    max_ts_ms: int


class EventByIdRow(NamedTuple):
    event_id: str
    room_id: str
    bucket: int
    position: int


class RoomRow(NamedTuple):
    room_id: str
    version: str
    creator: str
    created_ts_ms: int


class RoomHeadRow(NamedTuple):
    """Where the room's timeline and DAG end, after the event at `position`."""

    room_id: str
    bucket: int
    timeline_length: int
    depth: int
    forward_extremity_ids: str
    """a JSON array"""
    state_version: int
    position: int
    state_events: int | None = None
    """How many state events have a number. None: the row is older than the numbers; as many as `state_version`."""
    forward_extremity_hashes: bytes | None = None
    """Versions 1 and 2: their reference hashes, 32 bytes each, in the same order."""
    bucket_min_ts_ms: int | None = None
    """These two: the least and the greatest origin_server_ts in the last bucket. None: the row is older than they are,
    or was when the bucket began."""
    bucket_max_ts_ms: int | None = None


class CurrentStateRow(NamedTuple):
    room_id: str
    type: str
    state_key: str
    event_id: str
    position: int
    membership: str
    client_json: bytes
    state_number: int | None = None
    """The event's place among the room's state events. None: the row is older than the numbers."""
    reference_hash: bytes | None = None
    """Versions 1 and 2 only."""


class StateColumnsRow(NamedTuple):
    """What a state resolution looks at of one state event."""

    room_id: str
    bucket: int
    number: int
    """the event's place among the room's state events"""
    columns: bytes
    """see `matrix_protocol.state_resolution.columns`"""


class StateHistoryRow(NamedTuple):
    """What one state key was from `position` on."""

    room_id: str
    type: str
    state_key: str
    position: int
    event_id: str
    replaces_event_id: str
    membership: str


class StateDeltaRow(NamedTuple):
    room_id: str
    bucket: int
    position: int
    type: str
    state_key: str
    event_id: str
    replaces_event_id: str
    membership: str
    state_version: int


class RoomByUserRow(NamedTuple):
    """A user's latest membership of a room; stays when they leave."""

    user_id: str
    room_id: str
    membership: str
    prev_membership: str
    event_id: str
    sender: str
    position: int
    invite_state_json: bytes
    forgotten: bool


class EventByClientTxnRow(NamedTuple):
    user_id: str
    device_id: str
    client_txn_id: str
    """with what it was used on: see `input.client_transactions.scoped_txn_id`"""
    event_id: str
    room_id: str


class ReceiptRow(NamedTuple):
    room_id: str
    receipt_type: str
    thread_id: str
    user_id: str
    event_id: str
    ts_ms: int
    position: int
    """of the receipt's own fact"""
    event_position: int | None = None
    """of the event that it points to. None: the row is older than this column."""


class Family(IntEnum):
    """What relates to an event, by kind: each is stored by itself, so that a thread of ten thousand replies is read
    without the reactions."""

    ANNOTATION = 0
    EDIT = 1
    REPLY = 2
    REFERENCE = 3
    OTHER = 4
    INDIRECT = 5
    """What relates to something that relates to it, and so on."""


class RelationRow(NamedTuple):
    """An event that relates to another one."""

    room_id: str
    parent_event_id: str
    family: int
    chunk: int
    """The rows of a family are counted through: RELATIONS_CHUNK in each chunk."""
    position: int
    event_id: str
    bucket: int
    rel_type: str
    type: str
    sender: str
    origin_server_ts_ms: int
    via: str
    """INDIRECT: the events in between, the nearest to this one first: a JSON array of
    [bucket, position, rel_type, type]"""
    is_removed: bool
    """The event was redacted. The row stays, so that no chunk ends up as one of tombstones."""


class AggregateRow(NamedTuple):
    """What is known of all events that relate to the one at this position."""

    room_id: str
    bucket: int
    position: int
    event_id: str
    aggregate: bytes
    """an `Aggregate` message"""


class AnnotationRow(NamedTuple):
    """Somebody has annotated an event with something: a partition of its own."""

    room_id: str
    parent_event_id: str
    digest: str
    """of who, with which type and key"""
    event_id: str


class ThreadParticipantRow(NamedTuple):
    """How many replies somebody has in a thread: a partition of its own."""

    room_id: str
    root_event_id: str
    user_id: str
    replies: int


class ThreadRow(NamedTuple):
    """A thread, where its latest reply stands. It moves on with each reply: a bucket has at most as many rows, those
    deleted included, as it has timeline events."""

    room_id: str
    bucket: int
    position: int
    """of the latest reply"""
    root_event_id: str
    root_bucket: int
    root_position: int
    root_sender: str


class ThreadBucketRow(NamedTuple):
    """A bucket in which threads have, or once had, their latest replies."""

    room_id: str
    bucket: int


class TypingRow(NamedTuple):
    shard: str
    room_id: str
    user_id: str
    expires_at_ms: int


class TypingChangeRow(NamedTuple):
    room_id: str
    position: int
    """of the latest change to who is typing in the room; who stopped leaves no other trace"""


class RoomAliasRow(NamedTuple):
    """Written by the owner of the alias's shard, as the two below are; positions are that shard's."""

    alias: str
    room_id: str
    creator: str
    set_at_ms: int


class AliasByRoomRow(NamedTuple):
    room_id: str
    alias: str


class AliasByCreatorRow(NamedTuple):
    creator: str
    alias: str


class PublishedRoomRow(NamedTuple):
    """A room as it stands in a server's directory. At some 600 bytes each, 10,000 of a shard are 6 MiB."""

    shard: str
    server_name: str
    room_id: str
    joined_members: int
    entry_json: bytes


class GuestByRoomRow(NamedTuple):
    """A guest account that is joined."""

    room_id: str
    user_id: str


class RoomUpgradeRow(NamedTuple):
    """The latest upgrade of a room, finished or not."""

    room_id: str
    user_id: str
    room_version: str
    additional_creators_json: str
    new_room_id: str
    origin_server_ts_ms: int
    last_event_id: str
    began_at_ms: int
    completed: bool
    overtaken_room_id: str


TIMELINE_BY_ROOM = Table("timeline_by_room", TimelineRow, partition_key=2, clustering_key=1, writer=WRITER)
TIMELINE_BUCKETS_BY_ROOM = Table(
    "timeline_buckets_by_room", TimelineBucketRow, partition_key=1, clustering_key=1, writer=WRITER
)
TIMESTAMP_SPANS_BY_ROOM = Table(
    "timestamp_spans_by_room", TimestampSpanRow, partition_key=1, clustering_key=1, writer=WRITER
)
EVENTS_BY_ID = Table("events_by_id", EventByIdRow, partition_key=1, clustering_key=0, writer=WRITER)
ROOMS = Table("rooms", RoomRow, partition_key=1, clustering_key=0, writer=WRITER)
ROOM_HEADS = Table("room_heads", RoomHeadRow, partition_key=1, clustering_key=0, writer=WRITER)
CURRENT_STATE_BY_ROOM = Table(
    "current_state_by_room", CurrentStateRow, partition_key=1, clustering_key=2, writer=WRITER
)
STATE_COLUMNS_BY_ROOM = Table(
    "state_columns_by_room", StateColumnsRow, partition_key=2, clustering_key=1, writer=WRITER
)
STATE_HISTORY_BY_ROOM = Table(
    "state_history_by_room", StateHistoryRow, partition_key=1, clustering_key=3, writer=WRITER
)
STATE_DELTAS_BY_ROOM = Table("state_deltas_by_room", StateDeltaRow, partition_key=2, clustering_key=1, writer=WRITER)
ROOMS_BY_USER = Table("rooms_by_user", RoomByUserRow, partition_key=1, clustering_key=1, writer=WRITER)
EVENT_BY_CLIENT_TXN = Table(
    "event_by_client_txn",
    EventByClientTxnRow,
    partition_key=2,
    clustering_key=1,
    writer=WRITER,
    ttl_s=CLIENT_TXN_TTL_S,
)
RECEIPTS_BY_ROOM = Table("receipts_by_room", ReceiptRow, partition_key=1, clustering_key=3, writer=WRITER)
RELATIONS_BY_EVENT = Table("relations_by_event", RelationRow, partition_key=4, clustering_key=1, writer=WRITER)
AGGREGATES_BY_ROOM = Table("aggregates_by_room", AggregateRow, partition_key=2, clustering_key=1, writer=WRITER)
ANNOTATIONS = Table("annotations", AnnotationRow, partition_key=3, clustering_key=0, writer=WRITER)
THREAD_PARTICIPANTS = Table(
    "thread_participants", ThreadParticipantRow, partition_key=3, clustering_key=0, writer=WRITER
)
THREADS_BY_ROOM = Table("threads_by_room", ThreadRow, partition_key=2, clustering_key=1, writer=WRITER)
THREAD_BUCKETS_BY_ROOM = Table(
    "thread_buckets_by_room", ThreadBucketRow, partition_key=1, clustering_key=1, writer=WRITER
)
TYPING_BY_SHARD = Table("typing_by_shard", TypingRow, partition_key=1, clustering_key=2, writer=WRITER)
TYPING_CHANGE_BY_ROOM = Table(
    "typing_change_by_room", TypingChangeRow, partition_key=1, clustering_key=0, writer=WRITER
)
ROOM_ALIASES = Table("room_aliases", RoomAliasRow, partition_key=1, clustering_key=0, writer=WRITER)
ALIASES_BY_ROOM = Table("aliases_by_room", AliasByRoomRow, partition_key=1, clustering_key=1, writer=WRITER)
ALIASES_BY_CREATOR = Table("aliases_by_creator", AliasByCreatorRow, partition_key=1, clustering_key=1, writer=WRITER)
PUBLISHED_ROOMS_BY_SHARD = Table(
    "published_rooms_by_shard", PublishedRoomRow, partition_key=1, clustering_key=2, writer=WRITER
)
GUESTS_BY_ROOM = Table("guests_by_room", GuestByRoomRow, partition_key=1, clustering_key=1, writer=WRITER)
ROOM_UPGRADES = Table("room_upgrades", RoomUpgradeRow, partition_key=1, clustering_key=0, writer=WRITER)

TABLES: tuple[Table[Any], ...] = (
    TIMELINE_BY_ROOM,
    TIMELINE_BUCKETS_BY_ROOM,
    TIMESTAMP_SPANS_BY_ROOM,
    EVENTS_BY_ID,
    ROOMS,
    ROOM_HEADS,
    CURRENT_STATE_BY_ROOM,
    STATE_COLUMNS_BY_ROOM,
    STATE_HISTORY_BY_ROOM,
    STATE_DELTAS_BY_ROOM,
    ROOMS_BY_USER,
    EVENT_BY_CLIENT_TXN,
    RECEIPTS_BY_ROOM,
    RELATIONS_BY_EVENT,
    AGGREGATES_BY_ROOM,
    ANNOTATIONS,
    THREAD_PARTICIPANTS,
    THREADS_BY_ROOM,
    THREAD_BUCKETS_BY_ROOM,
    TYPING_BY_SHARD,
    TYPING_CHANGE_BY_ROOM,
    ROOM_ALIASES,
    ALIASES_BY_ROOM,
    ALIASES_BY_CREATOR,
    PUBLISHED_ROOMS_BY_SHARD,
    GUESTS_BY_ROOM,
    ROOM_UPGRADES,
    *DELAYED_EVENT_TABLES,
    *RETENTION_TABLES,
)
