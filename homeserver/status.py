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
from dataclasses import asdict, dataclass

from homeserver.data_directory import DataDirectory, RunningProcess
from homeserver.kit import open_store
from service_kit.clock import SystemClock
from service_kit.config import Settings
from service_kit.ledger.append import ShardLedger
from service_kit.ledger.tables import (
    SERVICE_OF_KIND,
    SHARD_OWNERS,
    SHARD_PROGRESS,
    WORKERS,
    ShardOwnerRow,
    WorkerRow,
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
    """`lag`: facts of the ledger that may not be in the tables yet."""

    shard: str
    owner: str
    epoch: int
    owner_is_live: bool
    head: int
    applied_through: int
    lag: int


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
        shards = await _shards(store, settings)
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


async def _shards(store: Store, settings: Settings) -> list[ShardStatus]:
    wanted = ShardMap(settings.cluster.room_shards, settings.cluster.user_shards)
    shards = await read_or_create_shard_map(store, wanted)
    now_ms = SystemClock().now_ms()
    found = []
    for kind in (ROOM, USER):
        owners = {row.number: row for row in await store.scan(SHARD_OWNERS, (kind,), limit=SCAN_ROWS_MAX)}
        workers = await store.scan(WORKERS, (SERVICE_OF_KIND[kind],), limit=SCAN_ROWS_MAX)
        live = {row.worker for row in workers if _is_live(row, now_ms)}
        for shard in shards.all_of(kind):
            found.append(await _shard(store, shard, owners.get(shard.number), live))
    return found


def _is_live(row: WorkerRow, now_ms: int) -> bool:
    return row.expires_at_ms > now_ms


async def _shard(store: Store, shard: Shard, owner: ShardOwnerRow | None, live: set[str]) -> ShardStatus:
    head = await ShardLedger(store, shard).open()
    applied = head  # written in one transaction with the ledger
    if not store.atomic_tables:
        progress = await store.get(SHARD_PROGRESS, (str(shard),))
        applied = progress.applied_through if progress else 0
    worker = owner.worker if owner else ""
    return ShardStatus(str(shard), worker, owner.epoch if owner else 0, worker in live, head, applied, head - applied)


def _table(status: Status) -> str:
    lines = [f"{'PROCESS':<18} {'COMPONENT':<12} {'PID':>7} {'READY':<6} TELEMETRY"]
    for component in status.components:
        ready = "yes" if component.ready else "NO"
        lines.append(
            f"{component.name:<18} {component.component:<12} {component.pid:>7} {ready:<6} {component.telemetry_url}"
        )
    if not status.components:
        lines.append("(no process of this data directory runs)")
    lines += ["", f"{'SHARD':<10} {'OWNER':<18} {'EPOCH':>6} {'HEAD':>10} {'LAG':>6}"]
    for shard in status.shards:
        owner = shard.owner or "-"
        owner += "" if shard.owner_is_live or not shard.owner else " (gone)"
        lines.append(f"{shard.shard:<10} {owner:<18} {shard.epoch:>6} {shard.head:>10} {shard.lag:>6}")
    return "\n".join(lines)
