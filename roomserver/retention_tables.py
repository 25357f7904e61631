"""The tables of how long messages are kept, as `roomserver.tables`."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from service_kit.store.schema import Table

WRITER: Final = "roomserver"
BUCKETS: Final = 16


class RoomByShardRow(NamedTuple):
    """A room that is looked at for what has expired: each that was made, or that has an `m.room.retention`."""

    shard: str
    bucket: int
    room_id: str


class PurgedRoomRow(NamedTuple):
    """How far a room's messages have been removed."""

    room_id: str
    bucket: int
    position: int


ROOMS_BY_SHARD = Table("rooms_by_shard", RoomByShardRow, partition_key=2, clustering_key=1, writer=WRITER)
PURGED_ROOMS = Table("purged_rooms", PurgedRoomRow, partition_key=1, clustering_key=0, writer=WRITER)

RETENTION_TABLES: tuple[Table[Any], ...] = (ROOMS_BY_SHARD, PURGED_ROOMS)
