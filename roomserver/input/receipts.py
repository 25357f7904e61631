"""POST receipt and read markers: how far somebody has read.

Spec: https://spec.matrix.org/v1.19/client-server-api/#receipts
"""

from __future__ import annotations

from typing import Final, NamedTuple

from matrix_protocol.errors import Forbidden, InvalidParam, NotFound
from matrix_protocol.identifiers import is_valid_event_id
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard, ReceiptKey
from roomserver.tables import RECEIPTS_BY_ROOM
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, ReceiptFact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply, SetReceipt

RECEIPT_TYPES: Final = ("m.read", "m.read.private")
MAIN_THREAD: Final = "main"


class PreparedReceipt(NamedTuple):
    room: RoomInMemory | None
    event_position: int = 0
    """0 = no such event in this room"""
    former_position: int = 0
    """of the event that the receipt points to so far, if memory does not know better"""


async def prepare(shard: OwnedShard, room_id: str, body: SetReceipt) -> PreparedReceipt:
    room = await shard.load(room_id)
    if room is None:
        return PreparedReceipt(None)
    event = await shard.find_event(room_id, body.event_id)
    if event is None:
        return PreparedReceipt(room)
    key = _key(room_id, body)
    former_position = shard.receipt_positions.get(key)
    if former_position is None:
        receipt = await shard.store.get(RECEIPTS_BY_ROOM, key)
        former = None if receipt is None else await shard.find_event(room_id, receipt.event_id)
        former_position = 0 if former is None else former.position
    return PreparedReceipt(room, event.position, former_position)


def execute(shard: OwnedShard, room_id: str, body: SetReceipt, prepared: PreparedReceipt, batch: Batch) -> RoomReply:
    """A receipt that would go back is answered like any other, and changes nothing. Raises Forbidden, NotFound."""
    if body.receipt_type not in RECEIPT_TYPES:
        raise InvalidParam("The receipt type must be m.read or m.read.private")
    if body.thread_id and body.thread_id != MAIN_THREAD and not is_valid_event_id(body.thread_id):
        raise InvalidParam("thread_id must be main or an event ID")
    if prepared.room is None or prepared.room.state.membership(body.user_id) != "join":
        raise Forbidden("You aren't a member of this room")
    if not prepared.event_position:
        raise NotFound("There is no such event in this room")
    key = _key(room_id, body)
    former_position = shard.receipt_positions.get(key) or prepared.former_position
    if prepared.event_position <= former_position:
        return RoomReply(room_id=room_id)
    shard.receipt_positions.put(key, prepared.event_position)
    receipt = ReceiptFact(
        user_id=body.user_id,
        receipt_type=body.receipt_type,
        event_id=body.event_id,
        thread_id=body.thread_id,
        ts_ms=body.ts_ms or batch.now_ms,
        event_position=prepared.event_position,
    )
    batch.add(Fact(room_id=room_id, receipt=receipt))
    return RoomReply(room_id=room_id)


def _key(room_id: str, body: SetReceipt) -> ReceiptKey:
    return ReceiptKey(room_id, body.receipt_type, body.thread_id, body.user_id)
