"""What a new event changes for the events that it relates to, and a redaction for those that the redacted one did.

A relation is recorded with the parent, and as an indirect one with the parent's own parents, to a depth of three.
Relations that break the rules of their type are not recorded: the event is an event like any other.

| `m.relates_to` names …      | answer                                                    |
|-----------------------------|-----------------------------------------------------------|
| nothing in this room        | sent, not recorded                                        |
| against the rules of a type | sent, not recorded (`matrix_protocol.relations`)          |
| a thread's root that has a  | 400 M_UNKNOWN: "servers SHOULD reject client requests     |
| `rel_type` itself           | which attempt to start a thread off" such an event        |
| what the user has annotated | 400 M_DUPLICATE_ANNOTATION                                |
| in the same way already     |                                                           |

Spec: https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from matrix_protocol.errors import DuplicateAnnotation, NotRelatable
from matrix_protocol.relations import (
    ANNOTATION,
    REFERENCE,
    REPLACE,
    THREAD,
    RelatedEvent,
    Relation,
    relation_counts,
    relation_of_event,
)
from roomserver.state.parents import AnnotationKey, Parent, ParticipantKey
from roomserver.state.shard import OwnedShard
from roomserver.tables import (
    ANNOTATIONS,
    RELATIONS_BY_EVENT,
    RELATIONS_CHUNK,
    THREAD_PARTICIPANTS,
    Family,
    RelationRow,
    TimelineRow,
)
from service_kit.ledger.domain import Outdated
from service_kit.rpc.pb.facts_pb2 import Aggregate, ChildEvent, RelationFact, RoomEventFact, ThreadChange
from service_kit.store.interface import Range

T = TypeVar("T")

INDIRECT: Final = Family.INDIRECT
DEPTH_MAX: Final = 3
""" "Homeservers SHOULD traverse at least 3 levels of relationships." """
PARTICIPANTS_KEPT: Final = 20
LOOKED_AT_MAX: Final = 5000
"""Rows that are looked at to find the latest reply or edit when that one is redacted. NOTSPEC: a thread whose latest
so many replies have all been redacted is listed again when somebody replies."""

FAMILIES: Final = {
    ANNOTATION: Family.ANNOTATION,
    REPLACE: Family.EDIT,
    THREAD: Family.REPLY,
    REFERENCE: Family.REFERENCE,
}


class PreparedRelation(NamedTuple):
    """The relation of an event that is to be sent."""

    relation: Relation
    sender: str
    ancestors: list[Parent]
    """the parent, its parent …; none if the relation does not count"""
    may_not_start_thread: bool = False
    annotation: AnnotationKey | None = None
    annotated_by: str | None = ""
    """the event that has annotated the parent in this way, as the table has it; None: memory knows"""
    replies: int | None = 0
    """how many the sender has in the thread, as the table has it; None: memory knows"""


class PreparedLoss(NamedTuple):
    """The relation of an event that is to be redacted."""

    relation: Relation
    child: TimelineRow
    ancestors: list[Parent]
    chunks: list[int]
    """where its rows stand, for each ancestor"""
    replies: int | None
    former: ChildEvent | None
    """the latest reply, or edit, of the parent but for this one …"""
    known_at: int
    """… as of this change of its family"""


async def prepare_relation(
    shard: OwnedShard, room_id: str, sender: str, event_type: str, content: dict[str, Any]
) -> PreparedRelation | None:
    """Reads what the event relates to. None: to nothing."""
    relation = relation_of_event(event_type, None, content)
    if relation is None:
        return None
    ancestors = await _ancestors(shard, room_id, relation, RelatedEvent(sender, event_type, False, relation))
    if not ancestors:
        refused = relation.rel_type == THREAD and await shard.parents.load(room_id, relation.event_id) is not None
        return PreparedRelation(relation, sender, [], may_not_start_thread=refused)
    parent = ancestors[0]
    if relation.rel_type == ANNOTATION and relation.key is not None:
        key = AnnotationKey(room_id, parent.event_id, annotation_digest(sender, event_type, relation.key))
        return PreparedRelation(relation, sender, ancestors, False, key, await _annotated_by(shard, parent, key))
    if relation.rel_type == THREAD:
        return PreparedRelation(relation, sender, ancestors, replies=await _replies(shard, parent, sender))
    return PreparedRelation(relation, sender, ancestors)


def check_relation(shard: OwnedShard, prepared: PreparedRelation) -> None:
    """Raises NotRelatable, DuplicateAnnotation, Outdated."""
    if prepared.may_not_start_thread:
        raise NotRelatable("A thread cannot start from an event that relates to another one")
    if prepared.annotation is not None:
        # "Attempts to send such an annotation should be rejected with a 400 error and an error code of
        # `M_DUPLICATE_ANNOTATION`", "unless the first event has been redacted".
        known = shard.parents.annotations.get(prepared.annotation)
        if _known(known, prepared.annotated_by):
            raise DuplicateAnnotation("You have sent this very reaction to this event already")
    if prepared.relation.rel_type == THREAD and prepared.ancestors:
        _known(shard.parents.replies.get(_participant(prepared.ancestors[0], prepared.sender)), prepared.replies)


def add_relations(shard: OwnedShard, event: RoomEventFact, prepared: PreparedRelation, position: int) -> None:
    """The event takes its place among the children of its ancestors, in the fact and in memory."""
    for depth, parent in enumerate(prepared.ancestors):
        family = INDIRECT if depth else _family(prepared.relation)
        number = parent.aggregate.children[family]
        parent.aggregate.children[family] += 1
        relation = _relation_fact(parent, family, number // RELATIONS_CHUNK)
        relation.rel_type = prepared.relation.rel_type
        relation.via = _via(prepared.ancestors[: depth + 1])
        if depth == 0:
            child = ChildEvent(
                event_id=event.event_id,
                position=position,
                bucket=event.bucket,
                sender=event.sender,
                origin_server_ts_ms=event.origin_server_ts_ms,
            )
            _add_child(shard, parent, prepared, relation, child)
        relation.aggregate.CopyFrom(parent.aggregate)
        event.relations.append(relation)
        shard.parents.changed(parent, family, position)


async def prepare_loss(shard: OwnedShard, row: TimelineRow) -> PreparedLoss | None:
    """Reads what the redaction of this event changes for others. None: nothing."""
    content = orjson.loads(row.client_json)["content"]
    relation = relation_of_event(row.type, row.state_key, content)
    if relation is None:
        return None
    child = RelatedEvent(row.sender, row.type, False, relation)
    ancestors = await _ancestors(shard, row.room_id, relation, child)
    if not ancestors:
        return None
    parent = ancestors[0]
    # Asked before anything is read: a change from then on is one that the rows read below may lack.
    known_at = parent.family_positions[_family(relation)]
    await shard.wait_applied(max(parent.last_position for parent in ancestors))
    chunks = []
    for depth, ancestor in enumerate(ancestors):
        chunk = await _chunk_of(shard, ancestor, INDIRECT if depth else _family(relation), row.position)
        if chunk is None:
            break  # it was not recorded: the event is older than relations are
        chunks.append(chunk)
    if not chunks:
        return None
    former = None
    if relation.rel_type in (THREAD, REPLACE):
        former = await _latest_but(shard, parent, _family(relation), row.position)
    replies = await _replies(shard, parent, row.sender) if relation.rel_type == THREAD else 0
    return PreparedLoss(relation, row, ancestors[: len(chunks)], chunks, replies, former, known_at)


def check_loss(shard: OwnedShard, loss: PreparedLoss) -> None:
    """Raises Outdated if what was read to take the redacted event's place is old by now."""
    if loss.relation.rel_type == THREAD:
        _known(shard.parents.replies.get(_participant(loss.ancestors[0], loss.child.sender)), loss.replies)
    changed_at = loss.ancestors[0].family_positions[_family(loss.relation)]
    if _is_latest(loss) and changed_at != loss.known_at:
        raise Outdated("What the event relates to has changed meanwhile; try again")


def lose_relations(shard: OwnedShard, redaction: RoomEventFact, loss: PreparedLoss, position: int) -> None:
    """ "When a child event is redacted then the relationship is broken. Therefore, the server needs to de-aggregate or
    disassociate the event." """
    if shard.parents.lost.get(loss.child.event_id):
        return  # by a redaction that was prepared at the same time
    shard.parents.lost.put(loss.child.event_id, True)
    for depth, (parent, chunk) in enumerate(zip(loss.ancestors, loss.chunks, strict=True)):
        family = INDIRECT if depth else _family(loss.relation)
        relation = _relation_fact(parent, family, chunk)
        if depth == 0:
            _lose_child(shard, parent, loss, relation)
        relation.aggregate.CopyFrom(parent.aggregate)
        redaction.lost_relations.append(relation)
        shard.parents.changed(parent, family, position)
    as_parent = shard.parents.get(loss.child.room_id, loss.child.event_id)
    if as_parent is not None:
        as_parent.lose_relation()


def annotation_digest(sender: str, event_type: str, key: str) -> str:
    """What there may be once of each event that is annotated; a key may be as long as an event."""
    return sha256(orjson.dumps([sender, event_type, key])).hexdigest()


def _family(relation: Relation) -> Family:
    return FAMILIES.get(relation.rel_type, Family.OTHER)


def _relation_fact(parent: Parent, family: Family, chunk: int) -> RelationFact:
    return RelationFact(
        parent_event_id=parent.event_id,
        parent_position=parent.position,
        parent_bucket=parent.bucket,
        family=family,
        chunk=chunk,
    )


def _via(ancestors: Sequence[Parent]) -> str:
    """The events between the child and the last of these."""
    if len(ancestors) == 1:
        return ""
    between = [
        [parent.bucket, parent.position, parent.relation.rel_type if parent.relation else "", parent.event.type]
        for parent, _ in pairwise(ancestors)
    ]
    return orjson.dumps(between).decode()


async def _ancestors(shard: OwnedShard, room_id: str, relation: Relation, child: RelatedEvent) -> list[Parent]:
    """The parent, its parent and so on, as far as the relations count."""
    ancestors: list[Parent] = []
    seen: set[str] = set()
    wanted: Relation | None = relation
    while wanted is not None and len(ancestors) < DEPTH_MAX and wanted.event_id not in seen:
        seen.add(wanted.event_id)
        parent = await shard.parents.load(room_id, wanted.event_id)
        if parent is None or not relation_counts(wanted, child, parent.event):
            break
        ancestors.append(parent)
        wanted, child = parent.relation, parent.event
    return ancestors


async def _annotated_by(shard: OwnedShard, parent: Parent, key: AnnotationKey) -> str | None:
    if shard.parents.annotations.get(key) is not None:
        return None
    await shard.wait_applied(parent.last_position)
    row = await shard.store.get(ANNOTATIONS, key)
    return "" if row is None else row.event_id


async def _replies(shard: OwnedShard, root: Parent, user_id: str) -> int | None:
    key = _participant(root, user_id)
    if shard.parents.replies.get(key) is not None:
        return None
    await shard.wait_applied(root.last_position)
    row = await shard.store.get(THREAD_PARTICIPANTS, key)
    return 0 if row is None else row.replies


def _add_child(
    shard: OwnedShard, parent: Parent, prepared: PreparedRelation, relation: RelationFact, child: ChildEvent
) -> None:
    aggregate = parent.aggregate
    if prepared.annotation is not None:
        shard.parents.annotations.put(prepared.annotation, child.event_id)
        relation.annotation_digest = prepared.annotation.digest
    elif prepared.relation.rel_type == REPLACE:
        if not aggregate.HasField("edit") or _recency(child) > _recency(aggregate.edit):
            aggregate.edit.CopyFrom(child)
    elif prepared.relation.rel_type == THREAD:
        key = _participant(parent, child.sender)
        replies = _known(shard.parents.replies.get(key), prepared.replies) + 1
        shard.parents.replies.put(key, replies)
        former = aggregate.latest_reply
        relation.thread.CopyFrom(_thread_change(parent, child.sender, replies, former))
        aggregate.replies += 1
        aggregate.latest_reply.CopyFrom(child)
        if replies == 1:
            aggregate.participants += 1
            if len(aggregate.participant_user_ids) < PARTICIPANTS_KEPT:
                aggregate.participant_user_ids.append(child.sender)


def _lose_child(shard: OwnedShard, parent: Parent, loss: PreparedLoss, relation: RelationFact) -> None:
    aggregate, row = parent.aggregate, loss.child
    if loss.relation.rel_type == ANNOTATION and loss.relation.key is not None:
        key = AnnotationKey(row.room_id, parent.event_id, annotation_digest(row.sender, row.type, loss.relation.key))
        shard.parents.annotations.put(key, "")
        relation.annotation_digest = key.digest
    elif loss.relation.rel_type == REPLACE:
        if _is_latest(loss):
            _put_former(aggregate, "edit", loss.former)
    elif loss.relation.rel_type == THREAD:
        participant = _participant(parent, row.sender)
        replies = max(0, _known(shard.parents.replies.get(participant), loss.replies) - 1)
        shard.parents.replies.put(participant, replies)
        left = aggregate.latest_reply if _is_latest(loss) else ChildEvent()
        relation.thread.CopyFrom(_thread_change(parent, row.sender, replies, left))
        aggregate.replies -= 1
        if _is_latest(loss):
            _put_former(aggregate, "latest_reply", loss.former)
        if replies == 0:
            aggregate.participants -= 1
            if row.sender in aggregate.participant_user_ids:
                aggregate.participant_user_ids.remove(row.sender)


def _known(in_memory: T | None, in_table: T | None) -> T:
    """Memory knows better. Raises Outdated if it knew when the command was prepared, and has let go of it since."""
    known = in_table if in_memory is None else in_memory
    if known is None:
        raise Outdated("Too much has changed meanwhile; try again")
    return known


def _participant(root: Parent, user_id: str) -> ParticipantKey:
    return ParticipantKey(root.room_id, root.event_id, user_id)


def _thread_change(root: Parent, user_id: str, replies: int, former: ChildEvent) -> ThreadChange:
    return ThreadChange(
        user_id=user_id,
        replies=replies,
        former_position=former.position,
        former_bucket=former.bucket,
        root_sender=root.event.sender,
    )


def _put_former(aggregate: Aggregate, field: str, former: ChildEvent | None) -> None:
    aggregate.ClearField(field)
    if former is not None:
        getattr(aggregate, field).CopyFrom(former)


def _is_latest(loss: PreparedLoss) -> bool:
    aggregate = loss.ancestors[0].aggregate
    latest = aggregate.edit if loss.relation.rel_type == REPLACE else aggregate.latest_reply
    return loss.relation.rel_type in (REPLACE, THREAD) and latest.position == loss.child.position


def _recency(edit: ChildEvent) -> tuple[int, str]:
    """ "The most recent event is determined by comparing `origin_server_ts`; if two or more replacement events have
    identical `origin_server_ts`, the event with the lexicographically largest `event_id` is treated as more recent."
    """
    return (edit.origin_server_ts_ms, edit.event_id)


async def _chunk_of(shard: OwnedShard, parent: Parent, family: Family, position: int) -> int | None:
    """In which chunk the row of the child at this position stands; None if it has none."""
    low, high = 0, (parent.aggregate.children[family] - 1) // RELATIONS_CHUNK
    while low < high:
        middle = (low + high + 1) // 2
        first = await shard.store.scan(RELATIONS_BY_EVENT, _partition(parent, family, middle), limit=1)
        if first and first[0].position <= position:
            low = middle
        else:
            high = middle - 1
    if high < 0:
        return None
    row = await shard.store.get(RELATIONS_BY_EVENT, (*_partition(parent, family, low), position))
    return low if row is not None and not row.is_removed else None


async def _latest_but(shard: OwnedShard, parent: Parent, family: Family, position: int) -> ChildEvent | None:
    """The latest child of this family, but for the one at this position."""
    found: list[ChildEvent] = []
    looked_at = 0
    for chunk in range((parent.aggregate.children[family] - 1) // RELATIONS_CHUNK, -1, -1):
        partition = _partition(parent, family, chunk)
        before: int | None = None
        while looked_at < LOOKED_AT_MAX:
            limit = 10 if looked_at == 0 and family == Family.REPLY else RELATIONS_CHUNK
            window = Range(before=before)
            rows = await shard.store.scan(RELATIONS_BY_EVENT, partition, range=window, limit=limit, reverse=True)
            looked_at += len(rows)
            found += map(_child_of, _remaining(rows, position))
            if (found and family == Family.REPLY) or len(rows) < limit:
                break
            before = rows[-1].position
        if (found and family == Family.REPLY) or looked_at >= LOOKED_AT_MAX:
            break
    if family == Family.EDIT:
        return max(found, key=_recency, default=None)
    return found[0] if found else None


def _remaining(rows: Iterable[RelationRow], but_position: int) -> list[RelationRow]:
    return [row for row in rows if not row.is_removed and row.position != but_position]


def _child_of(row: RelationRow) -> ChildEvent:
    return ChildEvent(
        event_id=row.event_id,
        position=row.position,
        bucket=row.bucket,
        sender=row.sender,
        origin_server_ts_ms=row.origin_server_ts_ms,
    )


def _partition(parent: Parent, family: Family, chunk: int) -> tuple[str, str, int, int]:
    return (parent.room_id, parent.event_id, int(family), chunk)
