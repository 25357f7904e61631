"""Table rows of which rooms are looked at for what has expired, and how far they were."""

from __future__ import annotations

from zlib import crc32

from matrix_protocol.retention import RETENTION
from roomserver.retention_tables import BUCKETS, PURGED_ROOMS, ROOMS_BY_SHARD, PurgedRoomRow, RoomByShardRow
from service_kit.rpc.pb.facts_pb2 import PurgedFact, RoomEventFact
from service_kit.shards import Shard
from service_kit.store.interface import Put, Write


def listed_rows(shard: Shard, room_id: str, event: RoomEventFact) -> list[Write]:
    """Of a state event: a room is listed when it is made, and those made before that when they choose a lifetime."""
    if event.state_key or event.type not in ("m.room.create", RETENTION):
        return []
    bucket = crc32(room_id.encode()) % BUCKETS
    return [Put(ROOMS_BY_SHARD, RoomByShardRow(str(shard), bucket, room_id))]


def progress_rows(fact: PurgedFact) -> list[Write]:
    return [Put(PURGED_ROOMS, PurgedRoomRow(fact.room_id, fact.bucket, fact.position))]
