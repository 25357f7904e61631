"""Nothing is done, but answered when the tables hold all that this shard had committed when the command came.

For the owners of other shards, who read this one's tables: a store that writes tables later (Cassandra) has them a
little behind what users have been told.
"""

from __future__ import annotations

from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.room_commands_pb2 import RoomReply
from service_kit.rpc.pb.room_directory_pb2 import Settle


async def prepare(shard: OwnedShard, key: str, body: Settle) -> None:
    await shard.wait_settled()


def execute(shard: OwnedShard, key: str, body: Settle, prepared: object, batch: Batch) -> RoomReply:
    return RoomReply()
