"""Table rows of the facts about finding rooms: aliases, the directory, upgrades, guests."""

from __future__ import annotations

import orjson

from roomserver.tables import (
    ALIASES_BY_CREATOR,
    ALIASES_BY_ROOM,
    GUESTS_BY_ROOM,
    PUBLISHED_ROOMS_BY_SHARD,
    ROOM_ALIASES,
    ROOM_UPGRADES,
    AliasByCreatorRow,
    AliasByRoomRow,
    GuestByRoomRow,
    PublishedRoomRow,
    RoomAliasRow,
    RoomUpgradeRow,
)
from service_kit.rpc.pb.facts_pb2 import Fact, RoomEventFact
from service_kit.shards import Shard
from service_kit.store.interface import Delete, Put, Write


def alias_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.alias
    rows: list[Write] = []
    if body.former_room_id and body.former_room_id != body.room_id:
        rows.append(Delete(ALIASES_BY_ROOM, (body.former_room_id, body.alias)))
    if body.former_creator and body.former_creator != body.creator:
        rows.append(Delete(ALIASES_BY_CREATOR, (body.former_creator, body.alias)))
    if not body.room_id:
        return [Delete(ROOM_ALIASES, (body.alias,)), *rows]
    return [
        Put(ROOM_ALIASES, RoomAliasRow(body.alias, body.room_id, body.creator, body.set_at_ms)),
        Put(ALIASES_BY_ROOM, AliasByRoomRow(body.room_id, body.alias)),
        Put(ALIASES_BY_CREATOR, AliasByCreatorRow(body.creator, body.alias)),
        *rows,
    ]


def published_room_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.published_room
    key = (str(shard), body.server_name, body.room_id)
    if not body.published:
        return [Delete(PUBLISHED_ROOMS_BY_SHARD, key)]
    return [Put(PUBLISHED_ROOMS_BY_SHARD, PublishedRoomRow(*key, body.joined_members, body.entry_json))]


def guest_row(room_id: str, event: RoomEventFact) -> Write:
    """Of a member event whose target has a guest account."""
    if event.membership == "join":
        return Put(GUESTS_BY_ROOM, GuestByRoomRow(room_id, event.state_key))
    return Delete(GUESTS_BY_ROOM, (room_id, event.state_key))


def upgrade_rows(shard: Shard, position: int, fact: Fact) -> list[Write]:
    body = fact.upgrade
    row = RoomUpgradeRow(
        fact.room_id,
        body.user_id,
        body.room_version,
        orjson.dumps(list(body.additional_creators)).decode(),
        body.new_room_id,
        body.origin_server_ts_ms,
        body.last_event_id,
        body.began_at_ms,
        body.completed,
        body.overtaken_room_id,
    )
    return [Put(ROOM_UPGRADES, row)]
