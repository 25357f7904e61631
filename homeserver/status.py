"""`plexus status`: which processes live, who owns which shard, and how far the tables are behind.

Processes say themselves where they are (run/ in the data directory); shards,
owners and positions come from the store, so that this works when no process
answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from homeserver.data_directory import DataDirectory, RunningProcess
from homeserver.kit import open_store
from service_kit.clock import SystemClock
from service_kit.config import Settings
from service_kit.ledger.append import ShardLedger
from service_kit.ledger.placement import read_placement
from service_kit.ledger.tables import (
    SERVICE_OF_KIND,
    SHARD_OWNERS,
    SHARD_PROGRESS,
    WORKERS,
    ShardOwnerRow,
    read_or_create_shard_map,
)
from service_kit.shards import ROOM, USER, Shard, ShardMap
from service_kit.store.interface import SCAN_ROWS_MAX, Store, StoreError

ASK_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class ComponentStatus:
    """One component of one process."""

    name: str
    component: str
    pid: int
    ready: bool
    telemetry_url: str


@dataclass(frozen=True)
class ShardStatus:
    """`lag`: facts of the ledger that may not be in the tables yet. `moves`: how often it changed hands since it first
    had an owner. The last four tell of its last change of hands, and of the operator's wishes (`plexus shards`)."""

    shard: str
    owner: str
    epoch: int
    owner_is_live: bool
    head: int
    applied_through: int
    lag: int
    moves: int
    since_ms: int | None
    cause: str
    stall_ms: int | None
    pinned_to: str


@dataclass(frozen=True)
class Status:
    components: list[ComponentStatus]
    shards: list[ShardStatus]


def print_status(settings: Settings, *, as_json: bool) -> int:
    """The exit status is 0 only if every component is ready and every shard has a live owner."""
    try:
        status = asyncio.run(_read(settings))
    except StoreError as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(status), indent=2) if as_json else _table(status))
    is_well = all(component.ready for component in status.components) and bool(status.components)
    return 0 if is_well and all(shard.owner_is_live for shard in status.shards) else 1


async def _read(settings: Settings) -> Status:
    directory = DataDirectory(settings.data_dir)
    if settings.store.engine == "sqlite" and not settings.store_path.exists():
        raise StoreError(f"{settings.store_path} does not exist: name the --data-dir of a server")
    processes = directory.running_processes()
    answers = await asyncio.gather(*(asyncio.to_thread(_ask, process) for process in processes))
    store = await open_store(settings)
    try:
        shards = await read_shards(store, settings)
    finally:
        await store.close()
    return Status([component for answer in answers for component in answer], shards)


def _ask(process: RunningProcess) -> list[ComponentStatus]:
    """Each component of a process, from its /readyz."""
    readiness: dict[str, bool] = {process.component: False}
    try:
        with urllib.request.urlopen(f"{process.telemetry_url}/readyz", timeout=ASK_TIMEOUT_S) as answer:
            readiness = json.load(answer)["components"]
    except urllib.error.HTTPError as error:
        with error:
            readiness = json.load(error).get("components", readiness)
    except OSError:
        pass  # it lives and does not answer: not ready
    return [
        ComponentStatus(process.name, component, process.pid, ready, process.telemetry_url)
        for component, ready in readiness.items()
    ]


async def read_shards(store: Store, settings: Settings) -> list[ShardStatus]:
    """Every shard of the cluster. Raises StoreError."""
    wanted = ShardMap(settings.cluster.room_shards, settings.cluster.user_shards)
    shards = await read_or_create_shard_map(store, wanted)
    now_ms = SystemClock().now_ms()
    found = []
    for kind in (ROOM, USER):
        owners = {row.number: row for row in await store.scan(SHARD_OWNERS, (kind,), limit=SCAN_ROWS_MAX)}
        live = await live_workers(store, kind, now_ms)
        pins = (await read_placement(store, kind)).pins
        for shard in shards.all_of(kind):
            found.append(await _shard(store, shard, owners.get(shard.number), live, pins.get(shard, "")))
    return found


async def live_workers(store: Store, kind: str, now_ms: int) -> set[str]:
    """Those that may own shards of this kind, and whose lease holds."""
    rows = await store.scan(WORKERS, (SERVICE_OF_KIND[kind],), limit=SCAN_ROWS_MAX)
    return {row.worker for row in rows if row.expires_at_ms > now_ms}


async def _shard(
    store: Store, shard: Shard, owner: ShardOwnerRow | None, live: set[str], pinned_to: str
) -> ShardStatus:
    head = await ShardLedger(store, shard).open()
    applied = head  # written in one transaction with the ledger
    if not store.atomic_tables:
        progress = await store.get(SHARD_PROGRESS, (str(shard),))
        applied = progress.applied_through if progress else 0
    worker = owner.worker if owner else ""
    return ShardStatus(
        str(shard),
        worker,
        owner.epoch if owner else 0,
        worker in live,
        head,
        applied,
        head - applied,
        owner.epoch - 1 if owner else 0,
        owner.since_ms if owner else None,
        (owner.cause or "") if owner else "",
        owner.stall_ms if owner else None,
        pinned_to,
    )


def _table(status: Status) -> str:
    lines = [f"{'PROCESS':<18} {'COMPONENT':<12} {'PID':>7} {'READY':<6} TELEMETRY"]
    for component in status.components:
        ready = "yes" if component.ready else "NO"
        lines.append(
            f"{component.name:<18} {component.component:<12} {component.pid:>7} {ready:<6} {component.telemetry_url}"
        )
    if not status.components:
        lines.append("(no process of this data directory runs)")
    return "\n".join([*lines, "", shard_table(status.shards)])


def shard_table(shards: Sequence[ShardStatus]) -> str:
    """For people. LAST MOVE: why the owner took it, and for how long nobody served it then."""
    lines = [f"{'SHARD':<10} {'OWNER':<22} {'EPOCH':>6} {'MOVES':>6} {'HEAD':>10} {'LAG':>6}  LAST MOVE"]
    for shard in shards:
        owner = shard.owner or "-"
        owner += "" if shard.owner_is_live or not shard.owner else " (gone)"
        last = shard.cause + ("" if shard.stall_ms is None else f", {shard.stall_ms} ms")
        last += f", pinned to {shard.pinned_to}" if shard.pinned_to else ""
        lines.append(
            f"{shard.shard:<10} {owner:<22} {shard.epoch:>6} {shard.moves:>6} {shard.head:>10} {shard.lag:>6}  {last}"
        )
    return "\n".join(lines)
