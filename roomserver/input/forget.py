"""POST forget: a room that somebody left no longer shows up for them.

Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidforget
"""

from __future__ import annotations

from typing import NamedTuple

from matrix_protocol.errors import error_from
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import ROOMS_BY_USER, RoomByUserRow
from service_kit.ledger.domain import Batch, Outdated
from service_kit.rpc.pb.facts_pb2 import Fact, ForgottenFact
from service_kit.rpc.pb.room_commands_pb2 import ForgetRoom, RoomReply


class PreparedForget(NamedTuple):
    room: RoomInMemory | None
    membership: RoomByUserRow | None = None


async def prepare(shard: OwnedShard, room_id: str, body: ForgetRoom) -> PreparedForget:
    room = await shard.load(room_id)
    return PreparedForget(room, await shard.store.get(ROOMS_BY_USER, (body.user_id, room_id)))


def execute(shard: OwnedShard, room_id: str, body: ForgetRoom, prepared: PreparedForget, batch: Batch) -> RoomReply:
    reply = RoomReply(room_id=room_id)
    membership = "" if prepared.room is None else prepared.room.state.membership(body.user_id)
    if prepared.room is None or membership not in ("leave", "ban"):
        # "400: The user has not left the room."
        raise error_from("M_UNKNOWN", "You can forget only a room that you have left", 400, {})
    row = prepared.membership
    if row is None or row.event_id != prepared.room.state.event_id(MEMBER, body.user_id):
        raise Outdated("The membership has changed meanwhile; try again")
    if not row.forgotten:
        fact = ForgottenFact(
            user_id=body.user_id,
            membership=row.membership,
            prev_membership=row.prev_membership,
            event_id=row.event_id,
            sender=row.sender,
            position=row.position,
        )
        batch.add(Fact(room_id=room_id, user_id=body.user_id, forgotten=fact))
    return reply
