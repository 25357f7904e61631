"""Table rows of what relates to what, from the fact of an event or of a redaction (`roomserver.input.rows`)."""

from __future__ import annotations

from roomserver.tables import (
    AGGREGATES_BY_ROOM,
    ANNOTATIONS,
    RELATIONS_BY_EVENT,
    THREAD_BUCKETS_BY_ROOM,
    THREAD_PARTICIPANTS,
    THREADS_BY_ROOM,
    AggregateRow,
    AnnotationRow,
    RelationRow,
    ThreadBucketRow,
    ThreadParticipantRow,
    ThreadRow,
)
from service_kit.rpc.pb.facts_pb2 import RelationFact, RoomEventFact
from service_kit.store.interface import Delete, Put, Write


def relation_rows(room_id: str, position: int, event: RoomEventFact) -> list[Write]:
    """All of them. The fact stands at this position."""
    rows: list[Write] = []
    for relation in event.relations:
        rows.append(Put(RELATIONS_BY_EVENT, _added(room_id, position, event, relation)))
        rows.append(_aggregate(room_id, relation))
        if relation.annotation_digest:
            annotation = _annotation_key(room_id, relation)
            rows.append(Put(ANNOTATIONS, AnnotationRow(*annotation, event.event_id)))
        if relation.HasField("thread"):
            rows.extend(_thread(room_id, relation))
    for relation in event.lost_relations:
        rows.append(Put(RELATIONS_BY_EVENT, _removed(room_id, event.redacts_position, relation)))
        rows.append(_aggregate(room_id, relation))
        if relation.annotation_digest:
            rows.append(Delete(ANNOTATIONS, _annotation_key(room_id, relation)))
        if relation.HasField("thread"):
            rows.extend(_thread(room_id, relation))
    return rows


def _added(room_id: str, position: int, event: RoomEventFact, relation: RelationFact) -> RelationRow:
    return RelationRow(
        room_id,
        relation.parent_event_id,
        relation.family,
        relation.chunk,
        position,
        event.event_id,
        event.bucket,
        relation.rel_type,
        event.type,
        event.sender,
        event.origin_server_ts_ms,
        relation.via,
        is_removed=False,
    )


def _removed(room_id: str, position: int, relation: RelationFact) -> RelationRow:
    key = (room_id, relation.parent_event_id, relation.family, relation.chunk, position)
    return RelationRow(*key, "", 0, "", "", "", 0, "", is_removed=True)


def _aggregate(room_id: str, relation: RelationFact) -> Put:
    row = AggregateRow(
        room_id,
        relation.parent_bucket,
        relation.parent_position,
        relation.parent_event_id,
        relation.aggregate.SerializeToString(),
    )
    return Put(AGGREGATES_BY_ROOM, row)


def _annotation_key(room_id: str, relation: RelationFact) -> tuple[str, str, str]:
    return (room_id, relation.parent_event_id, relation.annotation_digest)


def _thread(room_id: str, relation: RelationFact) -> list[Write]:
    """The thread moves to where its latest reply stands now."""
    thread, root_event_id = relation.thread, relation.parent_event_id
    participant = ThreadParticipantRow(room_id, root_event_id, thread.user_id, thread.replies)
    rows: list[Write] = [Put(THREAD_PARTICIPANTS, participant)]
    if thread.former_position:
        rows.append(Delete(THREADS_BY_ROOM, (room_id, thread.former_bucket, thread.former_position)))
    if relation.aggregate.HasField("latest_reply"):
        latest = relation.aggregate.latest_reply
        row = ThreadRow(
            room_id,
            latest.bucket,
            latest.position,
            root_event_id,
            relation.parent_bucket,
            relation.parent_position,
            thread.root_sender,
        )
        rows.append(Put(THREADS_BY_ROOM, row))
        rows.append(Put(THREAD_BUCKETS_BY_ROOM, ThreadBucketRow(room_id, latest.bucket)))
    return rows
