"""Which live worker should own which shard: a pure function, so that all workers agree without talking.

Left to itself, rendezvous hashing spreads the shards. Two kinds of rows change that, both written by
`plexus shards`, read by every worker once a second and whenever it is nudged:

    shard_pins         room.3 -> worker B        `plexus shards move`
    cordoned_workers   worker A owns nothing     `plexus shards drain`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from service_kit.ledger.tables import (
    CORDONED_WORKERS,
    SERVICE_OF_KIND,
    SHARD_PINS,
    CordonedWorkerRow,
    ShardPinRow,
)
from service_kit.shards import Shard
from service_kit.store.interface import SCAN_ROWS_MAX, OutcomeUnknown, Store

WRITE_TRIES_MAX = 5


@dataclass(frozen=True)
class Placement:
    """What operators want of the shards of one kind."""

    pins: Mapping[Shard, str] = field(default_factory=dict)
    cordoned: frozenset[str] = frozenset()


BY_ITSELF = Placement()


def wanted_owners(
    shards: Sequence[Shard], workers: Iterable[str], placement: Placement = BY_ITSELF
) -> dict[Shard, str]:
    """Who should own each shard. When a worker comes or goes, little else moves.

    A pin to a worker that is dead or cordoned holds nothing up: the shard goes where it would without it. Were every
    live worker cordoned, nobody would serve: then cordons don't count. Who was not given more by pins stays at or below
    the even share.
    """
    live = set(workers)
    names = sorted(live - placement.cordoned) or sorted(live)
    if not names:
        return {}
    wanted = {shard: worker for shard in shards if (worker := placement.pins.get(shard, "")) in names}
    loads = dict.fromkeys(names, 0)
    for worker in wanted.values():
        loads[worker] += 1
    share = -(-len(shards) // len(names))
    for shard in shards:
        if shard not in wanted:
            open_to_it = [name for name in names if loads[name] < share]
            best = max(open_to_it, key=lambda name: _weight(shard, name))
            wanted[shard] = best
            loads[best] += 1
    return wanted


def _weight(shard: Shard, worker: str) -> bytes:
    return blake2b(f"{shard}\n{worker}".encode(), digest_size=8).digest()


async def read_placement(store: Store, kind: str) -> Placement:
    """Raises StoreError."""
    pins: dict[Shard, str] = {}
    async for page in store.pages(SHARD_PINS, (kind,)):
        pins.update((Shard(row.kind, row.number), row.worker) for row in page if row.worker)
    cordoned = await store.scan(CORDONED_WORKERS, (SERVICE_OF_KIND[kind],), limit=SCAN_ROWS_MAX)
    if not pins and not cordoned:
        return BY_ITSELF
    return Placement(pins, frozenset(row.worker for row in cordoned))


async def pin(store: Store, shard: Shard, worker: str) -> None:
    """From now on the shard belongs to this worker; "" = where it falls by itself. Raises StoreError."""
    row = ShardPinRow(shard.kind, shard.number, worker) if worker else None
    for _ in range(WRITE_TRIES_MAX):
        standing = await store.get_settled(SHARD_PINS, (shard.kind, shard.number))
        if standing == row:
            return
        try:
            await store.replace_if(SHARD_PINS, (shard.kind, shard.number), standing, row)
        except OutcomeUnknown:
            continue  # the next read tells
    raise OutcomeUnknown(f"the pin of shard {shard} could not be written")


async def cordon(store: Store, service: str, worker: str, *, is_cordoned: bool) -> None:
    """From now on the worker owns nothing, or may own again. Raises StoreError."""
    row = CordonedWorkerRow(service, worker) if is_cordoned else None
    for _ in range(WRITE_TRIES_MAX):
        standing = await store.get_settled(CORDONED_WORKERS, (service, worker))
        if standing == row:
            return
        try:
            await store.replace_if(CORDONED_WORKERS, (service, worker), standing, row)
        except OutcomeUnknown:
            continue  # the next read tells
    raise OutcomeUnknown(f"the cordon of {worker} could not be written")
