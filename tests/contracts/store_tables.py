"""Tables for the store's contract: every column type, nullable or not, and each way of writing."""

from __future__ import annotations

from typing import NamedTuple

from service_kit.store.schema import Table


class Fact(NamedTuple):
    shard: str
    bucket: int
    position: int
    batch_id: str
    fact: bytes


class TimelineEntry(NamedTuple):
    room_id: str
    bucket: int
    position: int
    event_id: str
    state_key: str | None
    is_redacted: bool | None
    depth: int | None
    client_json: bytes | None


class StateEntry(NamedTuple):
    room_id: str
    event_type: str
    state_key: str
    position: int
    is_outlier: bool


class Room(NamedTuple):
    room_id: str
    version: str


class Lease(NamedTuple):
    shard: str
    worker: str
    epoch: int
    is_draining: bool


class Cordon(NamedTuple):
    service: str
    worker: str


class Receipt(NamedTuple):
    user_id: str
    txn_id: str
    event_id: str


LEDGER = Table("ledger", Fact, partition_key=2, clustering_key=1, writer="tests", conditional=True)
TIMELINE = Table("timeline_by_room", TimelineEntry, partition_key=2, clustering_key=1, writer="tests")
STATE = Table("state_by_room", StateEntry, partition_key=1, clustering_key=2, writer="tests")
ROOMS = Table("rooms", Room, partition_key=1, clustering_key=0, writer="tests")
LEASES = Table("leases", Lease, partition_key=1, clustering_key=0, writer="tests", conditional=True)
CORDONS = Table("cordons", Cordon, partition_key=1, clustering_key=1, writer="tests", conditional=True)
EVENT_BY_TXN = Table("event_by_txn", Receipt, partition_key=1, clustering_key=1, writer="tests", ttl_s=3600)

TABLES = (LEDGER, TIMELINE, STATE, ROOMS, LEASES, CORDONS, EVENT_BY_TXN)


def fact(position: int, *, shard: str = "room.1", bucket: int = 0, batch_id: str = "a", size: int = 3) -> Fact:
    return Fact(shard, bucket, position, batch_id, b"x" * size)


def entry(position: int, *, room_id: str = "!r", bucket: int = 0) -> TimelineEntry:
    return TimelineEntry(room_id, bucket, position, f"$e{position}", None, None, None, b"{}")


def state(event_type: str, state_key: str, position: int = 1, *, room_id: str = "!r") -> StateEntry:
    return StateEntry(room_id, event_type, state_key, position, False)
