"""Table rows from a fact: a pure function, used for new facts and for redo.

A plain message makes four rows; the tables are listed in `roomserver.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from roomserver.input.delayed_event_rows import finalised_rows, restarted_rows, scheduled_rows
from roomserver.input.directory_rows import alias_rows, guest_row, published_room_rows, upgrade_rows
from roomserver.input.relation_rows import relation_rows
from roomserver.input.retention_rows import listed_rows, progress_rows
from roomserver.state.client_transactions import scoped_txn_id
from roomserver.state.compact import MEMBER
from roomserver.tables import (
    BUCKET_EVENTS_MAX,
    COLUMNS_BUCKET_EVENTS_MAX,
    CURRENT_STATE_BY_ROOM,
    EVENT_BY_CLIENT_TXN,
    EVENTS_BY_ID,
    RECEIPTS_BY_ROOM,
    ROOM_HEADS,
    ROOMS,
    ROOMS_BY_USER,
    STATE_COLUMNS_BY_ROOM,
    STATE_DELTAS_BY_ROOM,
    STATE_HISTORY_BY_ROOM,
    TIMELINE_BUCKETS_BY_ROOM,
    TIMELINE_BY_ROOM,
    TIMESTAMP_SPANS_BY_ROOM,
    TYPING_BY_SHARD,
    TYPING_CHANGE_BY_ROOM,
    CurrentStateRow,
    EventByClientTxnRow,
    EventByIdRow,
    ReceiptRow,
    RoomByUserRow,
    RoomHeadRow,
    RoomRow,
    StateColumnsRow,
    StateDeltaRow,
    StateHistoryRow,
    TimelineBucketRow,
    TimelineRow,
    TimestampSpanRow,
    TypingChangeRow,
    TypingRow,
)
from service_kit.rpc.pb.facts_pb2 import Fact, RewrittenEvent, RoomEventFact
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write


def rows_of(shard: Shard, position: int, fact: Fact) -> list[Write]:
    """All rows that this fact, standing at this position of the shard's ledger, makes."""
    return _ROWS_BY_BODY[fact.WhichOneof("body") or ""](shard, position, fact)


def _room_event(shard: Shard, position: int, fact: Fact) -> list[Write]:
    event = fact.room_event
    room_id = fact.room_id
    event_id = event.event_id
    bucket = event.bucket
    is_state = event.HasField("state_key")
    rows: list[Write] = [
        Put(TIMELINE_BY_ROOM, _timeline_row(room_id, position, event, event.state_key if is_state else None)),
        Put(EVENTS_BY_ID, EventByIdRow(event_id, room_id, bucket, position)),
        Put(ROOM_HEADS, _head_row(room_id, position, event)),
    ]
    if event.client_txn_id:
        scoped = scoped_txn_id(room_id, event.type, event.redacts_event_id, event.client_txn_id)
        rows.append(
            Put(EVENT_BY_CLIENT_TXN, EventByClientTxnRow(event.sender, event.device_id, scoped, event_id, room_id))
        )
    if event.timeline_index % BUCKET_EVENTS_MAX == 0:
        rows.append(Put(TIMELINE_BUCKETS_BY_ROOM, TimelineBucketRow(room_id, bucket, position)))
        if event.HasField("full_bucket_min_ts_ms"):
            span = TimestampSpanRow(room_id, bucket - 1, event.full_bucket_min_ts_ms, event.full_bucket_max_ts_ms)
            rows.append(Put(TIMESTAMP_SPANS_BY_ROOM, span))
    if is_state:
        rows.extend(_state_rows(room_id, position, event))
        rows.extend(listed_rows(shard, room_id, event))
    if event.redacted_client_json:
        rows.extend(_redacted_rows(room_id, event))
    if event.relations or event.lost_relations:
        rows.extend(relation_rows(room_id, position, event))
    return rows


def _timeline_row(room_id: str, position: int, event: RoomEventFact, state_key: str | None) -> TimelineRow:
    return TimelineRow(
        room_id,
        event.bucket,
        position,
        event.event_id,
        event.type,
        event.sender,
        state_key,
        event.origin_server_ts_ms,
        event.history_visibility,
        event.replaces_event_id,
        event.membership,
        event.prev_membership,
        event.device_id,
        event.client_txn_id,
        event.client_json,
        event.federation_json,
    )


def _head_row(room_id: str, position: int, event: RoomEventFact) -> RoomHeadRow:
    extremities = orjson.dumps(list(event.forward_extremity_ids)).decode()
    length = event.timeline_index + 1
    return RoomHeadRow(
        room_id,
        event.bucket,
        length,
        event.depth,
        extremities,
        event.state_version,
        position,
        event.state_events if event.HasField("state_events") else None,
        b"".join(event.forward_extremity_hashes) or None,
        event.bucket_min_ts_ms if event.HasField("bucket_min_ts_ms") else None,
        event.bucket_max_ts_ms if event.HasField("bucket_max_ts_ms") else None,
    )


def _state_rows(room_id: str, position: int, event: RoomEventFact) -> list[Write]:
    kind, key, event_id, membership = event.type, event.state_key, event.event_id, event.membership
    replaces = event.replaces_event_id
    number = _state_number(event)
    hashed = event.reference_hash or None
    current = CurrentStateRow(room_id, kind, key, event_id, position, membership, event.client_json, number, hashed)
    history = StateHistoryRow(room_id, kind, key, position, event_id, replaces, membership)
    version = event.state_version
    delta = StateDeltaRow(room_id, event.bucket, position, kind, key, event_id, replaces, membership, version)
    rows: list[Write] = [
        Put(CURRENT_STATE_BY_ROOM, current),
        Put(STATE_HISTORY_BY_ROOM, history),
        Put(STATE_DELTAS_BY_ROOM, delta),
    ]
    if number is not None:
        bucket = number // COLUMNS_BUCKET_EVENTS_MAX
        rows.append(Put(STATE_COLUMNS_BY_ROOM, StateColumnsRow(room_id, bucket, number, event.state_columns)))
    if kind == MEMBER:
        rows.append(Put(ROOMS_BY_USER, _room_by_user(room_id, position, event)))
        if event.guest:
            rows.append(guest_row(room_id, event))
    elif kind == "m.room.create" and event.timeline_index == 0:
        rows.append(Put(ROOMS, RoomRow(room_id, event.room_version, event.sender, event.origin_server_ts_ms)))
    return rows


def _state_number(event: RoomEventFact | RewrittenEvent) -> int | None:
    """None: the fact is older than the numbers."""
    return event.state_number if event.HasField("state_number") else None


def _room_by_user(room_id: str, position: int, event: RoomEventFact) -> RoomByUserRow:
    return RoomByUserRow(
        event.state_key,
        room_id,
        event.membership,
        event.prev_membership,
        event.event_id,
        event.sender,
        position,
        event.invite_state_json,
        False,
    )


def _redacted_rows(room_id: str, event: RoomEventFact) -> list[Write]:
    redacted = RewrittenEvent(
        event_id=event.redacts_event_id,
        position=event.redacts_position,
        bucket=event.redacts_bucket,
        client_json=event.redacted_client_json,
        federation_json=event.redacted_federation_json,
        history_visibility=event.redacts_history_visibility,
        prev_membership=event.redacts_prev_membership,
        is_current_state=event.redacts_current_state,
        state_number=event.redacts_state_number if event.HasField("redacts_state_number") else None,
        reference_hash=event.redacts_reference_hash,
    )
    rows = _rewritten_rows(room_id, redacted)
    if event.HasField("rewritten"):
        rows.extend(_rewritten_rows(room_id, event.rewritten))
    return rows


def _rewritten_rows(room_id: str, event: RewrittenEvent) -> list[Write]:
    client = orjson.loads(event.client_json)
    state_key = client.get("state_key")
    membership = str(client["content"].get("membership", "")) if client["type"] == MEMBER else ""
    row = TimelineRow(
        room_id,
        event.bucket,
        event.position,
        event.event_id,
        client["type"],
        client["sender"],
        state_key,
        client["origin_server_ts"],
        event.history_visibility,
        client["unsigned"].get("replaces_state", ""),
        membership,
        event.prev_membership,
        event.device_id,
        event.client_txn_id,
        event.client_json,
        event.federation_json,
    )
    rows: list[Write] = [Put(TIMELINE_BY_ROOM, row)]
    if event.is_current_state:
        current = CurrentStateRow(
            room_id,
            row.type,
            state_key,
            row.event_id,
            row.position,
            membership,
            event.client_json,
            _state_number(event),
            event.reference_hash or None,
        )
        rows.append(Put(CURRENT_STATE_BY_ROOM, current))
    return rows


def _purged(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.purged
    rows = [row for event in body.events for row in _rewritten_rows(body.room_id, event)]
    return [*rows, *progress_rows(body)]


def _receipt(shard: Shard, position: int, fact: Fact) -> list[Write]:
    receipt = fact.receipt
    row = ReceiptRow(
        fact.room_id,
        receipt.receipt_type,
        receipt.thread_id,
        receipt.user_id,
        receipt.event_id,
        receipt.ts_ms,
        position,
        receipt.event_position or None,
    )
    return [Put(RECEIPTS_BY_ROOM, row)]


def _typing(shard: Shard, position: int, fact: Fact) -> list[Write]:
    typing = fact.typing
    changed = Put(TYPING_CHANGE_BY_ROOM, TypingChangeRow(fact.room_id, position))
    if typing.typing:
        row = TypingRow(str(shard), fact.room_id, typing.user_id, typing.expires_at_ms)
        return [Put(TYPING_BY_SHARD, row), changed]
    return [Delete(TYPING_BY_SHARD, (str(shard), fact.room_id, typing.user_id)), changed]


def _forgotten(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.forgotten
    row = RoomByUserRow(
        body.user_id,
        fact.room_id,
        body.membership,
        body.prev_membership,
        body.event_id,
        body.sender,
        body.position,
        b"",
        True,
    )
    return [Put(ROOMS_BY_USER, row)]


_ROWS_BY_BODY: Mapping[str, Callable[[Shard, int, Fact], list[Write]]] = {
    "room_event": _room_event,
    "receipt": _receipt,
    "typing": _typing,
    "forgotten": _forgotten,
    "purged": _purged,
    "alias": alias_rows,
    "published_room": published_room_rows,
    "upgrade": upgrade_rows,
    "delayed_event_scheduled": scheduled_rows,
    "delayed_event_restarted": restarted_rows,
    "delayed_event_finalised": finalised_rows,
}
