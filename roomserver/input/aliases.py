"""PUT and DELETE directory/room: an alias points to a room, or to none.

The alias's own shard decides, so that it points to one room in the whole cluster without any lock. What the room has
to say (is the user in it, may they remove its aliases) the gateway has asked there before.

createRoom claims its alias before there is the room. A claim whose room never came to be (the gateway died in
between, and nobody gave it back) may be taken by anybody after `CLAIM_MS`.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-aliases
"""

from __future__ import annotations

from typing import Final, NamedTuple

from matrix_protocol.errors import InvalidParam, NotFound, ResourceLimitExceeded, RoomInUse
from matrix_protocol.identifiers import is_valid_room_alias
from roomserver.state.shard import OwnedShard
from roomserver.tables import ALIASES_BY_CREATOR, ALIASES_BY_ROOM, ROOM_ALIASES, ROOMS, RoomAliasRow
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply
from service_kit.rpc.pb.room_directory_pb2 import AliasFact, DeleteAlias, SetAlias

ALIASES_OF_ROOM_MAX: Final = 100
ALIASES_OF_CREATOR_MAX: Final = 500
"""Both give or take those that are being set at the same moment: they lie in other shards."""
CLAIM_MS: Final = 5 * 60 * 1000
"""Much longer than a request to create a room may take."""


class PreparedAlias(NamedTuple):
    row: RoomAliasRow | None
    """if memory does not know better"""
    is_abandoned: bool = False
    """The row is of a room that never came to be."""
    of_room: int = 0
    of_creator: int = 0


async def prepare_set(shard: OwnedShard, alias: str, body: SetAlias) -> PreparedAlias:
    if not is_valid_room_alias(alias):
        raise InvalidParam("This is not a room alias")
    store = shard.store
    row = shard.aliases.get(alias) or await store.get(ROOM_ALIASES, (alias,))
    is_old = row is not None and bool(row.room_id) and row.set_at_ms + CLAIM_MS < shard.clock.now_ms()
    is_abandoned = row is not None and is_old and await store.get(ROOMS, (row.room_id,)) is None
    of_room = await store.scan(ALIASES_BY_ROOM, (body.room_id,), limit=ALIASES_OF_ROOM_MAX)
    of_creator = await store.scan(ALIASES_BY_CREATOR, (body.user_id,), limit=ALIASES_OF_CREATOR_MAX)
    return PreparedAlias(row, is_abandoned, len(of_room), len(of_creator))


async def prepare_delete(shard: OwnedShard, alias: str, body: DeleteAlias) -> PreparedAlias:
    return PreparedAlias(await shard.store.get(ROOM_ALIASES, (alias,)))


def execute_set(shard: OwnedShard, alias: str, body: SetAlias, prepared: PreparedAlias, batch: Batch) -> RoomReply:
    """Raises RoomInUse, NotFound (to be moved, and not where it should be), ResourceLimitExceeded."""
    current = _current(shard, alias, prepared)
    reply = RoomReply(room_id=body.room_id)
    creator = body.user_id
    if body.from_room_id:
        if current is not None and current.room_id == body.room_id:
            return reply
        if current is None or current.room_id != body.from_room_id:
            raise NotFound("The alias does not point to that room any more")
        creator = current.creator
    else:
        if current is not None and not (prepared.is_abandoned and current == prepared.row):
            raise RoomInUse(f"The room alias {alias} is taken")
        if prepared.of_creator >= ALIASES_OF_CREATOR_MAX:
            raise ResourceLimitExceeded(f"A user may have made {ALIASES_OF_CREATOR_MAX} room aliases: delete some")
        if prepared.of_room >= ALIASES_OF_ROOM_MAX:
            raise ResourceLimitExceeded(f"A room may have {ALIASES_OF_ROOM_MAX} aliases: delete some")
    _point(shard, current, RoomAliasRow(alias, body.room_id, creator, batch.now_ms), batch)
    return reply


def execute_delete(
    shard: OwnedShard, alias: str, body: DeleteAlias, prepared: PreparedAlias, batch: Batch
) -> RoomReply:
    """Raises NotFound."""
    current = _current(shard, alias, prepared)
    if current is None or current.room_id != body.room_id:
        raise NotFound("There is no such room alias")
    _point(shard, current, RoomAliasRow(alias, "", "", batch.now_ms), batch)
    return RoomReply(room_id=body.room_id)


def _current(shard: OwnedShard, alias: str, prepared: PreparedAlias) -> RoomAliasRow | None:
    row = shard.aliases.get(alias) or prepared.row
    return row if row is not None and row.room_id else None


def _point(shard: OwnedShard, former: RoomAliasRow | None, row: RoomAliasRow, batch: Batch) -> None:
    shard.aliases.put(row.alias, row)
    fact = AliasFact(
        alias=row.alias,
        room_id=row.room_id,
        creator=row.creator,
        set_at_ms=row.set_at_ms,
        former_room_id=former.room_id if former is not None else "",
        former_creator=former.creator if former is not None else "",
    )
    batch.add(Fact(alias=fact))
