"""A new event takes its place at the end of its room: in memory, in the micro-batch, and by and by everywhere."""

from __future__ import annotations

from matrix_protocol.events.format import Event
from roomserver.input import publication
from roomserver.input.event_fact import ChangedEvent, RedactedEvent, add_redacted_event, event_fact
from roomserver.input.new_event import EventDraft
from roomserver.input.relations import PreparedLoss, PreparedRelation, add_relations, lose_relations
from roomserver.state.client_transactions import DeviceInRoom, scoped_txn_id
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact


def append_event(
    shard: OwnedShard,
    room: RoomInMemory,
    event: Event,
    draft: EventDraft,
    batch: Batch,
    *,
    replaced: bytes | None = None,
    inviter: bytes | None = None,
    redacted: RedactedEvent | None = None,
    relation: PreparedRelation | None = None,
    loss: PreparedLoss | None = None,
) -> None:
    """After this nothing may refuse the command any more."""
    fact = event_fact(
        room,
        event,
        replaced=replaced,
        inviter=inviter,
        device_id=draft.device_id,
        client_txn_id=draft.client_txn_id,
    )
    if redacted is not None:
        add_redacted_event(fact, room, redacted)
        _change_in_memory(shard, room, redacted.target)
        if redacted.quoter is not None:
            _change_in_memory(shard, room, redacted.quoter)
        if loss is not None:
            lose_relations(shard, fact.room_event, loss, batch.next_position)
    if relation is not None:
        add_relations(shard, fact.room_event, relation, batch.next_position)
    if draft.guest and draft.type == MEMBER and draft.state_key == draft.sender:
        fact.room_event.guest = True
    advance(shard, room, event, fact)
    room.last_position = batch.add(fact)
    if event.state_key is not None:
        publication.follow(shard, room, event.type, batch)
    elif redacted is not None and redacted.target.row.state_key is not None:
        publication.follow(shard, room, redacted.target.row.type, batch)
    if draft.client_txn_id:
        device = DeviceInRoom(room.room_id, draft.sender, draft.device_id)
        scoped = scoped_txn_id(room.room_id, draft.type, draft.redacts or "", draft.client_txn_id)
        shard.client_transactions.record(device, scoped, event.event_id, room.last_position)
    shard.rooms.used(room)


def advance(shard: OwnedShard, room: RoomInMemory, event: Event, fact: Fact) -> None:
    """The room in memory as it is after this event."""
    body = fact.room_event
    room.advance(body)
    if event.state_key is not None:
        room.change_state(body)
        shard.recent_contents.put(event.event_id, body.client_json)


def _change_in_memory(shard: OwnedShard, room: RoomInMemory, changed: ChangedEvent) -> None:
    row = changed.row
    if row.state_key is None:
        return
    if changed.is_current_state:
        room.redact_state(row.type, row.state_key, row.client_json)
    shard.recent_contents.put(row.event_id, row.client_json)
