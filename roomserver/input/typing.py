"""PUT typing. It ends when the user says so, leaves, or the time is up.

Spec: https://spec.matrix.org/v1.19/client-server-api/#typing-notifications
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from matrix_protocol.errors import Forbidden
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, TypingFact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply, SetTyping

TIMEOUT_MAX_MS: Final = 120_000


def prepare(shard: OwnedShard, room_id: str, body: SetTyping) -> Awaitable[RoomInMemory | None] | RoomInMemory:
    return shard.rooms.get(room_id) or shard.load(room_id)


def execute(shard: OwnedShard, room_id: str, body: SetTyping, prepared: RoomInMemory | None, batch: Batch) -> RoomReply:
    """Raises Forbidden."""
    room = prepared
    reply = RoomReply(room_id=room_id)
    expires_at_ms = shard.typing.expires_at_ms(room_id, body.user_id)
    if body.only_if_expired:
        if expires_at_ms and expires_at_ms <= batch.now_ms:
            _stop(shard, room_id, body.user_id, batch)
        return reply
    if room is None or room.state.membership(body.user_id) != "join":
        raise Forbidden("You aren't a member of this room")
    if body.typing:
        expires_at_ms = batch.now_ms + min(max(body.timeout_ms, 1), TIMEOUT_MAX_MS)
        shard.typing.start(room_id, body.user_id, expires_at_ms)
        fact = TypingFact(user_id=body.user_id, typing=True, expires_at_ms=expires_at_ms)
        batch.add(Fact(room_id=room_id, typing=fact))
    elif expires_at_ms:
        _stop(shard, room_id, body.user_id, batch)
    return reply


def _stop(shard: OwnedShard, room_id: str, user_id: str, batch: Batch) -> None:
    shard.typing.stop(room_id, user_id)
    batch.add(Fact(room_id=room_id, typing=TypingFact(user_id=user_id, typing=False)))
