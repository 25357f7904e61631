"""Table rows from facts: few, and the same whenever they are made."""

from __future__ import annotations

from collections import Counter
from typing import Any

from roomserver.input.rows import rows_of
from roomserver.tables import BUCKET_EVENTS_MAX, TABLES, TIMELINE_BUCKETS_BY_ROOM, TIMELINE_BY_ROOM
from service_kit.ledger.append import read_shard
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import ROOM
from service_kit.store.interface import Put
from service_kit.store.memory import MemoryStore
from tests.roomserver.scene import ALICE, BOB, SHARDS, Action, Scene


async def last_fact(scene: Scene, room_id: str) -> tuple[int, Fact]:
    row = (await read_shard(scene.store, scene.shard_of(room_id), 0, 500))[-1]
    return row.position, Fact.FromString(row.fact)


async def rows_of_last(scene: Scene, room_id: str) -> Counter[str]:
    position, fact = await last_fact(scene, room_id)
    return Counter(write.table.name for write in rows_of(scene.shard_of(room_id), position, fact))


async def test_a_message_makes_four_rows(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.send(ALICE, room_id)
    assert await rows_of_last(scene, room_id) == Counter(
        ["timeline_by_room", "events_by_id", "room_heads", "event_by_client_txn"]
    )


async def test_a_member_event_makes_eight_rows(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    assert await rows_of_last(scene, room_id) == Counter(
        [
            "timeline_by_room",
            "events_by_id",
            "room_heads",
            "current_state_by_room",
            "state_columns_by_room",
            "state_history_by_room",
            "state_deltas_by_room",
            "rooms_by_user",
        ]
    )


async def a_lot_happens(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", invite=[BOB])
    await scene.join(BOB, room_id)
    first, second = await scene.send(BOB, room_id), await scene.send(ALICE, room_id)
    await scene.receipt(BOB, room_id, second)
    await scene.typing(BOB, room_id, True)
    name = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"})
    await scene.redact(ALICE, room_id, name)
    await scene.redact(BOB, room_id, first)
    for key in ("m.annotation", "m.thread", "m.thread"):
        relates_to = {"rel_type": key, "event_id": second, "key": "+1"}
        related = await scene.send(BOB, room_id, {"body": "related", "m.relates_to": relates_to})
    await scene.send(ALICE, room_id, {"m.relates_to": {"rel_type": "m.annotation", "event_id": related, "key": "+1"}})
    await scene.redact(BOB, room_id, related)
    await scene.typing(BOB, room_id, False)
    await scene.change(Action.BAN, ALICE, BOB, room_id)
    await scene.settle()
    await scene.forget(BOB, room_id)
    await scene.settle()


async def dump(store: Any) -> dict[str, Any]:
    """All rows of all tables."""
    found: dict[str, Any] = {}
    for table in TABLES:
        partitions = store._tables[table.name]
        found[table.name] = {key: dict(partition.rows) for key, partition in partitions.items() if partition.rows}
    return found


async def test_redoing_the_ledger_gives_the_same_tables(scene: Scene) -> None:
    """From the beginning, and from any point again: rows are idempotent."""
    await a_lot_happens(scene)
    expected = await dump(scene.store)
    fresh = MemoryStore(TABLES, clock=scene.clock)
    for shard in SHARDS.all_of(ROOM):
        rows = await read_shard(scene.store, shard, 0, 500)
        for start in (0, len(rows) // 2, 0):
            for row in rows[start:]:
                await fresh.write(list(rows_of(shard, row.position, Fact.FromString(row.fact))))
    assert await dump(fresh) == expected


async def test_a_bucket_is_full_at_its_limit(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.send(ALICE, room_id)
    position, fact = await last_fact(scene, room_id)
    fact.room_event.timeline_index = BUCKET_EVENTS_MAX
    fact.room_event.bucket = 1
    writes = rows_of(scene.shard_of(room_id), position, fact)
    assert Put(TIMELINE_BUCKETS_BY_ROOM, (room_id, 1, position)) in writes
    assert writes[0].table is TIMELINE_BY_ROOM
