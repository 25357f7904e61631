"""The tables of the ledger and of shard ownership."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from service_kit.shards import FOLLOWED_KIND, ROOM, USER, ShardMap
from service_kit.store.interface import OutcomeUnknown, Store
from service_kit.store.schema import Table

BUCKET_POSITIONS = 10_000
"""Positions in one ledger partition: 10,000 facts of 1 to 4 KB stay well below Cassandra's advised 100 MB."""

SERVICE_OF_KIND = {ROOM: "roomserver", USER: "userserver", **{group: group for group in FOLLOWED_KIND}}
"""Under which name the workers that have the shards of a kind keep their leases (where to look for an owner's address):
a service, or a group of consumers."""

TAKEN_FIRST, TAKEN_PLANNED, TAKEN_LEASE, TAKEN_AGAIN = "first", "planned", "lease ran out", "taken again"
TAKEN_BECAUSE = (TAKEN_FIRST, TAKEN_PLANNED, TAKEN_LEASE, TAKEN_AGAIN)
"""Why a worker took a shard: nobody ever had it; its owner released it; the owner's lease was gone; it was its own."""


class LedgerRow(NamedTuple):
    shard: str
    bucket: int
    position: int
    batch_id: bytes
    """the append that wrote it: how a writer recognises its own batch after a lost answer"""
    fact: bytes


class ShardOwnerRow(NamedTuple):
    kind: str
    number: int
    worker: str
    """"" = released, free to take"""
    epoch: int
    """grows by one with each taking"""
    since_ms: int | None = None
    """when the worker began to serve it; released: when the worker stopped; None: it is still taking over"""
    cause: str | None = None
    """why it was taken, one of `TAKEN_BECAUSE`"""
    stall_ms: int | None = None
    """how long nobody served it before that, as far as the clocks agree; None: not known"""


class ShardPinRow(NamedTuple):
    kind: str
    number: int
    worker: str
    """who is to own the shard while it lives"""


class CordonedWorkerRow(NamedTuple):
    """A worker that is to own nothing."""

    service: str
    worker: str


class WorkerRow(NamedTuple):
    service: str
    worker: str
    expires_at_ms: int
    grpc_address: str
    started_at_ms: int


class ShardProgressRow(NamedTuple):
    shard: str
    applied_through: int
    """the tables hold every fact through this position, perhaps more"""


class ConsumerPositionRow(NamedTuple):
    """How far a group of consumers is in a ledger: it has done everything that follows from the facts through there."""

    shard: str
    """whose ledger"""
    group: str
    position: int
    recorded_at_ms: int


class ClusterRow(NamedTuple):
    name: str
    value: str


LEDGER = Table("ledger", LedgerRow, partition_key=2, clustering_key=1, writer="shard owner", conditional=True)
SHARD_OWNERS = Table(
    "shard_owners", ShardOwnerRow, partition_key=1, clustering_key=1, writer="shard owner", conditional=True
)
SHARD_PINS = Table("shard_pins", ShardPinRow, partition_key=1, clustering_key=1, writer="operators", conditional=True)
CORDONED_WORKERS = Table(
    "cordoned_workers", CordonedWorkerRow, partition_key=1, clustering_key=1, writer="operators", conditional=True
)
WORKERS = Table("workers", WorkerRow, partition_key=1, clustering_key=1, writer="the worker itself", conditional=True)
SHARD_PROGRESS = Table("shard_progress", ShardProgressRow, partition_key=1, clustering_key=0, writer="shard owner")
CONSUMER_POSITIONS = Table(
    "consumer_positions", ConsumerPositionRow, partition_key=1, clustering_key=1, writer="groups of consumers"
)
CLUSTER = Table("cluster", ClusterRow, partition_key=1, clustering_key=0, writer="first start", conditional=True)

LEDGER_TABLES: tuple[Table[Any], ...] = (
    LEDGER,
    SHARD_OWNERS,
    SHARD_PINS,
    CORDONED_WORKERS,
    WORKERS,
    SHARD_PROGRESS,
    CONSUMER_POSITIONS,
    CLUSTER,
)


def bucket_of(position: int) -> int:
    return position // BUCKET_POSITIONS


async def read_or_create_shard_map(store: Store, wanted: ShardMap) -> ShardMap:
    """How many shards this cluster has: as it was created, or `wanted` if this is the first start.

    The first writer wins; whoever comes later, or at the same time with other wishes, takes what is there.
    """
    return ShardMap(
        room_shards=await _read_or_create(store, "room_shards", wanted.room_shards),
        user_shards=await _read_or_create(store, "user_shards", wanted.user_shards),
    )


async def _read_or_create(store: Store, name: str, wanted: int) -> int:
    if wanted < 1:
        raise ValueError(f"{name} must be at least 1, not {wanted}")
    row = await store.get(CLUSTER, (name,))
    if row is None:
        with contextlib.suppress(OutcomeUnknown):  # the settled read tells
            await store.insert_all_if_absent(CLUSTER, [ClusterRow(name, str(wanted))])
        row = await store.get_settled(CLUSTER, (name,))
    if row is None:
        raise OutcomeUnknown(f"cluster value {name} could not be written")
    return int(row.value)
