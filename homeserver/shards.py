"""`plexus shards`: who owns what, and moving it while clients go on talking.

    list                 every shard, its owner, how it came there
    move SHARD WORKER    pin the shard to a worker, and wait until that worker serves it; WORKER `auto`: unpin it
    drain WORKER         have the worker give all its shards away, and wait until it did; --undo: let it own again

What is asked for is a row in the store, so that it outlives this command and every worker; a nudge over the bus
has the workers look at once. Without the bus they look within a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import NamedTuple

from homeserver.data_directory import DataDirectory
from homeserver.kit import connect_bus, open_store
from homeserver.status import live_workers, read_shards, shard_table
from service_kit.bus import streams
from service_kit.bus.interface import Bus, BusError
from service_kit.clock import SystemClock
from service_kit.config import Settings
from service_kit.ledger.placement import cordon, pin, read_placement
from service_kit.ledger.tables import SERVICE_OF_KIND, SHARD_OWNERS, ShardOwnerRow, read_or_create_shard_map
from service_kit.rpc.pb.facts_pb2 import OwnerAnnouncement
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import Store, StoreError

AUTO = "auto"
LOOK_EVERY_S = 0.02


class CannotDoThat(Exception):
    """Told to the operator as it is."""


class Moved(NamedTuple):
    """What a move or a drain came to."""

    what: str
    shards: list[str]
    seconds: float
    """from the request until the last of them was served by its new owner"""
    stall_ms_max: int
    """for how long nobody served the one that was worst off"""


def run_shards_action(settings: Settings, options: argparse.Namespace) -> int:
    """The exit status; 1 if it could not be done, or was not done in time."""
    actions: dict[str, Callable[[_Cluster, argparse.Namespace], Awaitable[None]]] = {
        "list": _list,
        "move": _move,
        "drain": _drain,
    }
    try:
        asyncio.run(_with_cluster(settings, options, actions[options.action]))
    except (CannotDoThat, StoreError) as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    return 0


class _Cluster:
    """The store of a running cluster and, if there is one, its bus."""

    def __init__(self, settings: Settings, store: Store, shards: ShardMap, bus: Bus | None) -> None:
        self.settings = settings
        self.store = store
        self.shards = shards
        self._bus = bus

    async def nudge(self, kind: str) -> None:
        """Have the workers look at once."""
        if self._bus is None:
            return
        try:
            await self._bus.publish(streams.owner_announcements(kind), OwnerAnnouncement().SerializeToString())
            await self._bus.flush()
        except BusError:
            pass  # they look within a second

    async def owner_rows(self, kind: str) -> dict[Shard, ShardOwnerRow]:
        found: dict[Shard, ShardOwnerRow] = {}
        async for page in self.store.pages(SHARD_OWNERS, (kind,)):
            found.update((Shard(row.kind, row.number), row) for row in page)
        return found


async def _with_cluster(
    settings: Settings, options: argparse.Namespace, act: Callable[[_Cluster, argparse.Namespace], Awaitable[None]]
) -> None:
    if settings.store.engine == "sqlite" and not settings.store_path.exists():
        raise CannotDoThat(f"{settings.store_path} does not exist: name the --data-dir of a server")
    async with AsyncExitStack() as stack:
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        wanted = ShardMap(settings.cluster.room_shards, settings.cluster.user_shards)
        shards = await read_or_create_shard_map(store, wanted)
        bus = None if options.action == "list" else await _connect(settings, stack)
        await act(_Cluster(settings, store, shards, bus), options)


async def _connect(settings: Settings, stack: AsyncExitStack) -> Bus | None:
    running = DataDirectory(settings.data_dir).running_server()
    servers = list(settings.nats.servers) or (running.bus_servers if running else [])
    if not servers:
        return None
    try:
        bus = await connect_bus(settings, servers, "plexus shards")
    except BusError:
        return None
    stack.push_async_callback(bus.close)
    return bus


async def _list(cluster: _Cluster, options: argparse.Namespace) -> None:
    shards = await read_shards(cluster.store, cluster.settings)
    print(json.dumps([asdict(shard) for shard in shards], indent=2) if options.json else shard_table(shards))


async def _move(cluster: _Cluster, options: argparse.Namespace) -> None:
    shard = _shard_named(options.shard, cluster.shards)
    live = await live_workers(cluster.store, shard.kind, SystemClock().now_ms())
    target = "" if options.worker == AUTO else options.worker
    if target and target not in live:
        raise CannotDoThat(f"{target} is no live {SERVICE_OF_KIND[shard.kind]}; there are: {_names(live)}")
    if target in (await read_placement(cluster.store, shard.kind)).cordoned:
        raise CannotDoThat(f"{target} is drained: let it own shards again first (plexus shards drain {target} --undo)")
    began_s = time.monotonic()
    await pin(cluster.store, shard, target)
    await cluster.nudge(shard.kind)
    if not target:
        _tell(options, f"shard {shard} goes where it falls by itself", None)
        return
    rows = await _wait(cluster, [shard], lambda row: row.worker == target, began_s + options.timeout)
    _tell(options, "", _moved(f"{shard} is served by {target}", rows, began_s))


async def _drain(cluster: _Cluster, options: argparse.Namespace) -> None:
    worker = options.worker
    for kind, service in SERVICE_OF_KIND.items():
        live = await live_workers(cluster.store, kind, SystemClock().now_ms())
        rows = await cluster.owner_rows(kind)
        placement = await read_placement(cluster.store, kind)
        if worker not in live | placement.cordoned | {row.worker for row in rows.values()}:
            continue
        others = live - placement.cordoned - {worker}
        if not options.undo and not others:
            raise CannotDoThat(f"{worker} is the only live {service} that may own shards: start another first")
        began_s = time.monotonic()
        await cordon(cluster.store, service, worker, is_cordoned=not options.undo)
        await cluster.nudge(kind)
        if options.undo:
            _tell(options, f"{worker} may own shards again", None)
            return
        owned = [shard for shard, row in rows.items() if row.worker == worker]
        moved = await _wait(cluster, owned, lambda row: row.worker not in ("", worker), began_s + options.timeout)
        _tell(options, "", _moved(f"{worker} owns nothing any more", moved, began_s))
        return
    raise CannotDoThat(f"there is no worker {worker}")


async def _wait(
    cluster: _Cluster, shards: list[Shard], is_there: Callable[[ShardOwnerRow], bool], deadline_s: float
) -> dict[Shard, ShardOwnerRow]:
    """Until all of these shards are served as wanted."""
    while True:
        rows = await cluster.owner_rows(shards[0].kind) if shards else {}
        waiting = [shard for shard in shards if not is_there(rows[shard]) or rows[shard].since_ms is None]
        if not waiting:
            return {shard: rows[shard] for shard in shards}
        if time.monotonic() > deadline_s:
            raise CannotDoThat(f"asked for, but not done yet: {', '.join(map(str, waiting))} (see plexus shards list)")
        await asyncio.sleep(LOOK_EVERY_S)


def _moved(what: str, rows: dict[Shard, ShardOwnerRow], began_s: float) -> Moved:
    stall_ms = max((row.stall_ms or 0 for row in rows.values()), default=0)
    return Moved(what, [str(shard) for shard in rows], round(time.monotonic() - began_s, 3), stall_ms)


def _tell(options: argparse.Namespace, text: str, moved: Moved | None) -> None:
    if options.json:
        print(json.dumps(moved._asdict() if moved else {"what": text}))
    elif moved is None:
        print(text)
    else:
        shards = "1 shard" if len(moved.shards) == 1 else f"{len(moved.shards)} shards"
        print(f"{moved.what}: {shards} in {moved.seconds:.2f} s, not served for {moved.stall_ms_max} ms at most")


def _shard_named(name: str, shards: ShardMap) -> Shard:
    kind, _, number = name.partition(".")
    if kind in SERVICE_OF_KIND and number.isdecimal() and len(number) <= 4:
        shard = Shard(kind, int(number))
        if shard in shards.all_of(kind):
            return shard
    raise CannotDoThat(f"{name} is no shard of this cluster: they are called room.0, user.0 and so on")


def _names(workers: set[str]) -> str:
    return ", ".join(sorted(workers)) or "none"
