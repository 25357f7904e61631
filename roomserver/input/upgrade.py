"""POST upgrade: a room begins to be replaced, and at last says by which one.

An upgrade is several commands to several shards, and whoever sends them may die in between. So the old room's shard
remembers it:

    1 begin      the new room's ID (and what that follows from) is written down. Who asks for the same again, is told
                 to carry on with the same new room; who wants another one waits, or begins anew after UNDER_WAY_MS
    2            the new room is made (`input.successor`), the aliases move, the directory shows the new one
    3 complete   only the upgrade that is written down: the tombstone, the old room's power levels, in one batch

All of 2 may be repeated without harm. Only 3 leaves a tombstone, and while that stands there is no other upgrade: a
room never has two live successors.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from matrix_protocol.errors import Forbidden, LimitExceeded, MatrixError, UnsupportedRoomVersion
from matrix_protocol.power_levels import POWER_LEVELS, TOMBSTONE, can_send_state, can_upgrade
from matrix_protocol.room_upgrade import closed_power_levels
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.input.append_event import append_event
from roomserver.input.canonical_alias import CANONICAL_ALIAS
from roomserver.input.new_event import EventDraft, new_event
from roomserver.input.publication import unpublish
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import ROOM_UPGRADES, CurrentStateRow, RoomUpgradeRow
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply
from service_kit.rpc.pb.room_directory_pb2 import BeginUpgrade, CompleteUpgrade, UpgradeFact

UNDER_WAY_MS: Final = 2 * 60 * 1000
"""Longer than a request to upgrade a room may take."""


class PreparedUpgrade(NamedTuple):
    room: RoomInMemory | None
    upgrade: UpgradeFact | None = None
    """the latest one, if memory does not know better"""
    tombstone: CurrentStateRow | None = None


async def prepare(shard: OwnedShard, room_id: str, body: BeginUpgrade | CompleteUpgrade) -> PreparedUpgrade:
    room = await shard.load(room_id)
    if room is None:
        return PreparedUpgrade(None)
    row = await shard.store.get(ROOM_UPGRADES, (room_id,))
    tombstone = await shard.read_current(room, TOMBSTONE, "")
    return PreparedUpgrade(room, None if row is None else _fact(row), tombstone)


def execute_begin(
    shard: OwnedShard, room_id: str, body: BeginUpgrade, prepared: PreparedUpgrade, batch: Batch
) -> RoomReply:
    """The reply has the upgrade to carry on with, perhaps one that is completed. Raises Forbidden, LimitExceeded."""
    room = check_may_upgrade(prepared.room, body.user_id)
    if body.room_version not in ROOM_VERSIONS:
        raise UnsupportedRoomVersion(f"This server does not host rooms of version {body.room_version[:32]}")
    upgrade = shard.upgrades.get(room_id) or prepared.upgrade
    replacement = _replacement(shard, room, prepared)
    if upgrade is not None and upgrade.completed:
        if replacement != upgrade.new_room_id:
            upgrade = None  # somebody took its tombstone away, so that the room may be upgraded once more
        elif not _is_same(upgrade, body):
            raise Forbidden(f"This room was replaced by {replacement}: upgrade that one, or remove the tombstone first")
    if upgrade is None or not _is_same(upgrade, body):
        left_ms = 0 if upgrade is None else upgrade.began_at_ms + UNDER_WAY_MS - batch.now_ms
        if left_ms > 0:
            raise LimitExceeded("Another upgrade of this room is under way; try again later", retry_after_ms=left_ms)
        overtaken = "" if upgrade is None else upgrade.new_room_id
        upgrade = UpgradeFact(
            overtaken_room_id=overtaken,
            user_id=body.user_id,
            room_version=body.room_version,
            additional_creators=body.additional_creators,
            new_room_id=body.new_room_id,
            origin_server_ts_ms=body.origin_server_ts_ms,
            last_event_id=body.last_event_id,
            began_at_ms=batch.now_ms,
        )
        _note(shard, room_id, upgrade, batch)
    reply = RoomReply(room_id=room_id, upgrade=upgrade)
    reply.upgrade.published_in.extend(shard.published.server_names_of(room.room_id))
    return reply


def execute_complete(
    shard: OwnedShard, room_id: str, body: CompleteUpgrade, prepared: PreparedUpgrade, batch: Batch
) -> RoomReply:
    """Raises Forbidden, also for an upgrade that another one has overtaken."""
    room = check_may_upgrade(prepared.room, body.user_id)
    upgrade = shard.upgrades.get(room_id) or prepared.upgrade
    if upgrade is None or upgrade.new_room_id != body.new_room_id or upgrade.user_id != body.user_id:
        raise Forbidden("Another upgrade of this room has begun meanwhile")
    reply = RoomReply(room_id=room_id)
    if upgrade.completed:
        return reply
    draft = EventDraft(TOMBSTONE, "", body.user_id, _tombstone(body.new_room_id))
    replaced = shard.current_event(room, TOMBSTONE, "", prepared.tombstone)
    event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
    append_event(shard, room, event, draft, batch, replaced=replaced)
    # From here on nothing may refuse the command any more.
    _set_if_possible(shard, room, body.user_id, CANONICAL_ALIAS, {}, batch)
    levels_event = room.state_event(POWER_LEVELS, "")
    if levels_event is not None:
        closed = closed_power_levels(levels_event.content, room.power_levels())
        _set_if_possible(shard, room, body.user_id, POWER_LEVELS, closed, batch)
    for server_name in list(shard.published.server_names_of(room_id)):
        unpublish(shard, room_id, server_name, batch)
    completed = UpgradeFact()
    completed.CopyFrom(upgrade)
    completed.completed = True
    _note(shard, room_id, completed, batch)
    return reply


def check_may_upgrade(room: RoomInMemory | None, user_id: str) -> RoomInMemory:
    """ "1. Checks that the user has permission to send `m.room.tombstone` events in the room." Raises Forbidden."""
    if room is None or room.state.membership(user_id) != "join":
        raise Forbidden("You aren't in this room")
    if not can_upgrade(room.power_levels(), user_id):
        raise Forbidden("You may not upgrade this room")
    return room


def _replacement(shard: OwnedShard, room: RoomInMemory, prepared: PreparedUpgrade) -> object:
    """The room that the tombstone names; None if there is none."""
    tombstone = shard.current_event(room, TOMBSTONE, "", prepared.tombstone)
    return None if tombstone is None else orjson.loads(tombstone)["content"].get("replacement_room")


def _is_same(upgrade: UpgradeFact, wish: BeginUpgrade) -> bool:
    return (
        upgrade.user_id == wish.user_id
        and upgrade.room_version == wish.room_version
        and list(upgrade.additional_creators) == list(wish.additional_creators)
    )


def _note(shard: OwnedShard, room_id: str, upgrade: UpgradeFact, batch: Batch) -> None:
    shard.upgrades.put(room_id, upgrade)
    batch.add(Fact(room_id=room_id, upgrade=upgrade))


def _tombstone(new_room_id: str) -> dict[str, Any]:
    return {"body": "This room has been replaced", "replacement_room": new_room_id}


def _set_if_possible(
    shard: OwnedShard, room: RoomInMemory, user_id: str, event_type: str, content: dict[str, Any], batch: Batch
) -> None:
    """Of a type whose events are in memory; nothing if it says the same already, or the user may not."""
    current = room.state_event(event_type, "")
    if current is None or current.content == content or not can_send_state(room.power_levels(), user_id, event_type):
        return
    draft = EventDraft(event_type, "", user_id, content)
    try:
        event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
    except MatrixError:
        return
    append_event(shard, room, event, draft, batch, replaced=room.client_json(event_type, ""))


def _fact(row: RoomUpgradeRow) -> UpgradeFact:
    return UpgradeFact(
        user_id=row.user_id,
        room_version=row.room_version,
        additional_creators=orjson.loads(row.additional_creators_json),
        new_room_id=row.new_room_id,
        origin_server_ts_ms=row.origin_server_ts_ms,
        last_event_id=row.last_event_id,
        began_at_ms=row.began_at_ms,
        completed=row.completed,
        overtaken_room_id=row.overtaken_room_id,
    )
