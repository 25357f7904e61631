"""What must hold when all is quiet again. The truth is the ledger; everything else is held against it."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import orjson

from roomserver.input.rows import rows_of
from service_kit.ledger.tables import BUCKET_POSITIONS, LEDGER, LEDGER_TABLES
from service_kit.rpc.pb.delayed_events_pb2 import FinalisedDelayedEvent
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import ROOM, USER, Shard, ShardMap
from service_kit.store.memory import MemoryStore
from tests.simulation.clients import Client
from tests.simulation.cluster import TABLES
from tests.simulation.store import Database, run_now
from tests.simulation.trace import Trace
from userserver.tables import writes_for


class StoredEvent(NamedTuple):
    position: int
    event_id: str
    type: str
    state_key: str | None
    sender: str
    device_id: str
    client_txn_id: str
    membership: str
    text: str


class Truth:
    """Every ledger, read through."""

    def __init__(self, database: Database, shards: ShardMap) -> None:
        self.facts: dict[Shard, list[tuple[int, Fact]]] = {}
        self.rooms: dict[str, list[StoredEvent]] = {}
        for shard in (*shards.all_of(ROOM), *shards.all_of(USER)):
            rows = database.memory._tables[LEDGER.name].get((str(shard), 0))
            found = [] if rows is None else [rows.rows[key] for key in rows.keys]
            assert all(row[2] < BUCKET_POSITIONS for row in found)  # type: ignore[operator]
            facts = self.facts[shard] = [(row[2], Fact.FromString(row[4])) for row in found]  # type: ignore[misc,arg-type]
            for position, fact in facts:
                if fact.WhichOneof("body") == "room_event":
                    self.rooms.setdefault(fact.room_id, []).append(_stored(position, fact))

    def state(self, room_id: str) -> dict[tuple[str, str], str]:
        return {(e.type, e.state_key): e.event_id for e in self.rooms[room_id] if e.state_key is not None}

    def is_joined(self, room_id: str, user_id: str) -> bool:
        of_user = [e for e in self.rooms[room_id] if e.type == "m.room.member" and e.state_key == user_id]
        return bool(of_user) and of_user[-1].membership == "join"


def _stored(position: int, fact: Fact) -> StoredEvent:
    event = fact.room_event
    return StoredEvent(
        position,
        event.event_id,
        event.type,
        event.state_key if event.HasField("state_key") else None,
        event.sender,
        event.device_id,
        event.client_txn_id,
        event.membership,
        orjson.loads(event.client_json)["content"].get("body", "") if event.type == "m.room.message" else "",
    )


def check_acknowledged(truth: Truth, clients: list[Client], trace: Trace) -> None:
    """No acknowledged event is lost, none is there twice, and a transaction made one event."""
    for room_id, events in truth.rooms.items():
        for event_id, times in Counter(event.event_id for event in events).items():
            if times > 1:
                trace.violation("no event is there twice", f"{event_id} is {times} times in {room_id}")
        transactions = Counter((e.sender, e.device_id, e.type, e.client_txn_id) for e in events if e.client_txn_id)
        for transaction, times in transactions.items():
            if times > 1:
                trace.violation("one event for a transaction", f"{transaction} made {times} events in {room_id}")
    for client in clients:
        for done in client.acknowledged:
            there = [e for e in truth.rooms.get(done.room_id, ()) if e.event_id == done.event_id]
            if len(there) != 1:
                trace.violation("no acknowledged event is lost", f"{client.name}: {done}")
            elif done.client_txn_id and there[0].client_txn_id != done.client_txn_id:
                trace.violation("a reply is that of its command", f"{client.name}: {done} is {there[0]}")


def difference_of(truth: Truth, client: Client) -> str:
    """What this client's view lacks, or has and should not; "" = nothing."""
    if client.counter_seen != client.counter:
        return f"account data: sees {client.counter_seen}, has set {client.counter}"
    for room_id, events in truth.rooms.items():
        if not truth.is_joined(room_id, client.user_id):
            continue
        seen = client.seen.get(room_id)
        if seen is None or not seen.is_joined:
            return f"{room_id}: joined, and not told so"
        all_ids = [event.event_id for event in events]
        if not seen.event_ids:
            return f"{room_id}: no events"
        if seen.event_ids[0] not in all_ids:
            return f"{room_id}: begins with an event that is not there, {seen.event_ids[0]}"
        expected = all_ids[all_ids.index(seen.event_ids[0]) :]
        if seen.event_ids != expected:
            missing = [e for e in expected if e not in seen.known]
            return (
                f"{room_id}: timeline has {len(seen.event_ids)} of {len(expected)} events, "
                f"missing {missing[:5]}, first difference at {_first_difference(seen.event_ids, expected)}"
            )
        state = truth.state(room_id)
        if seen.state != state:
            wrong = sorted(key for key in seen.state.keys() | state.keys() if seen.state.get(key) != state.get(key))
            return f"{room_id}: state differs in {wrong[:5]}"
    return ""


def _first_difference(seen: list[str], expected: list[str]) -> str:
    for index, (left, right) in enumerate(zip(seen, expected, strict=False)):
        if left != right:
            return f"{index}: {left} for {right}"
    return f"{min(len(seen), len(expected))}: the end"


def check_put_off(truth: Truth, clients: list[Client], trace: Trace) -> None:
    """What was to be sent later was sent once, or was refused, or cancelled; and what the client was told holds."""
    outcomes: dict[str, list[FinalisedDelayedEvent]] = {}
    for _, fact in (pair for facts in truth.facts.values() for pair in facts):
        if fact.WhichOneof("body") == "delayed_event_finalised":
            body = fact.delayed_event_finalised
            outcomes.setdefault(body.event.delay_id, []).append(body)
    texts = Counter(text for events in truth.rooms.values() for text in (event.text for event in events) if text)
    for client in clients:
        for put_off in client.put_off:
            found = outcomes.get(put_off.delay_id, [])
            if len(found) != 1:
                trace.violation("what was put off is done once", f"{put_off} has {len(found)} outcomes")
            elif texts[put_off.text] != bool(found[0].event_id):
                trace.violation("what was put off is sent once", f"{put_off} is {texts[put_off.text]} times there")
            elif put_off.action and (put_off.action == "send") != bool(found[0].event_id):
                trace.violation("what was said of it holds", f"{put_off}: {found[0]}")


def check_aliases(truth: Truth, clients: list[Client], trace: Trace) -> None:
    """An alias goes from no room to one and back, in one ledger; who was told that they have it, had it."""
    pointing: dict[str, str] = {}
    had: set[tuple[str, str, str]] = set()
    for shard, facts in truth.facts.items():
        for position, fact in facts:
            if fact.WhichOneof("body") != "alias":
                continue
            body = fact.alias
            if body.former_room_id != pointing.get(body.alias, ""):
                words = f"{body.alias} at {shard} {position} was {pointing.get(body.alias)}, not {body.former_room_id}"
                trace.violation("an alias points to one room", words)
            pointing[body.alias] = body.room_id
            had.add((body.alias, body.room_id, body.creator))
    for client in clients:
        for claimed in client.claimed:
            if claimed not in had:
                trace.violation("no acknowledged alias is lost", f"{client.name}: {claimed}")


def check_tables(truth: Truth, database: Database, trace: Trace) -> None:
    """Tables made again from the ledger are the tables that are there."""
    again = MemoryStore(TABLES, atomic_tables=False, clock=database.memory._clock)
    for shard, facts in truth.facts.items():
        rows = rows_of if shard.kind == ROOM else writes_for
        for position, fact in facts:
            run_now(again.write(rows(shard, position, fact)))
    of_ledger = {table.name for table in LEDGER_TABLES}
    for table in TABLES:
        if table.name in of_ledger:
            continue
        there, expected = _contents(database.memory, table.name), _contents(again, table.name)
        if there != expected:
            wrong = sorted(k for k in there.keys() | expected.keys() if there.get(k) != expected.get(k))
            key = wrong[0]
            trace.violation(
                "tables follow from the ledger",
                f"{table.name}: {len(wrong)} rows differ, first {key}: "
                f"{str(there.get(key))[:300]} for {str(expected.get(key))[:300]}",
            )


def _contents(store: MemoryStore, name: str) -> dict[Any, Any]:
    return {
        (*partition, *clustering): row
        for partition, rows in store._tables[name].items()
        for clustering, row in rows.rows.items()
    }
