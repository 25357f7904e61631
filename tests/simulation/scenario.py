"""One seed: a cluster, its clients, its misfortunes, a quiet end, and the checks.

    0 s      the cluster starts, users register, rooms are made           (nothing goes wrong yet)
    …        everybody writes and syncs, and things go wrong              (FAULTS_S)
    …        all is repaired; everybody finishes what they were at
    quiet    views converge within CONVERGE_S, then everything is compared

Spec of determinism: all chance comes from the seed, also what services ask of the operating system.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from zlib import crc32

from roomserver.state import client_transactions
from service_kit.ledger import interest
from service_kit.shards import ShardMap
from sync_api.user_view import UserView
from sync_api.waiter import Waiter
from tests.simulation.bus import BusRates
from tests.simulation.checks import (
    Truth,
    check_acknowledged,
    check_aliases,
    check_put_off,
    check_tables,
    difference_of,
)
from tests.simulation.clients import LATER_MS_MAX, Client
from tests.simulation.cluster import Cluster, Node
from tests.simulation.faults import KINDS, Misfortunes
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.store import SLOW_S, StoreRates
from tests.simulation.trace import ENTRIES_KEPT_MAX, Trace

FAULTS_S = (12.0, 25.0)
FINISH_S = 120.0
CONVERGE_S = 60.0
LATE_S = 10.0
"""So much later than it was to be, at most, is an event sent that was put off, when all is quiet."""


@dataclass
class Profile:
    """What a seed decides before anything begins."""

    topology: str
    atomic_tables: bool
    shards: ShardMap
    clients: int
    rooms: int
    faults_s: float
    pause_s: float
    """between two acts of a client, on average"""
    misfortunes: list[str]
    every_s: float
    bus: BusRates
    store: StoreRates
    transactions_max: int
    """that a shard's owner remembers: few, so that it forgets some in the short time of a run"""

    @classmethod
    def of(cls, rng: random.Random) -> Profile:
        def sometimes(most: float) -> float:
            return rng.choice((0.0, 0.0, most / 10, most))

        topology = rng.choice(("each for itself", "each for itself", "in pairs", "all in one"))
        return cls(
            topology=topology,
            atomic_tables=rng.random() < 0.6,
            shards=ShardMap(rng.choice((1, 2, 3)), rng.choice((1, 2))),
            clients=rng.choice((2, 3, 4)),
            rooms=rng.choice((1, 2, 3)),
            faults_s=rng.uniform(*FAULTS_S),
            pause_s=rng.choice((0.1, 0.4, 1.0)),
            misfortunes=[kind for kind in KINDS if rng.random() < 0.45],
            every_s=rng.choice((0.7, 1.5, 4.0)),
            bus=BusRates(drop=sometimes(0.05), double=sometimes(0.1), delay=sometimes(0.05)),
            store=StoreRates(unavailable=sometimes(0.05), unknown=sometimes(0.1), slow=sometimes(0.02)),
            transactions_max=rng.choice((12, 8000)),
        )


@dataclass
class Outcome:
    seed: int
    violations: list[str]
    fingerprint: str
    last_entries: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    profile: Profile | None = None


class Scenario:
    def __init__(self, seed: int, loop: VirtualLoop, prepare: Callable[[Cluster], None] | None = None) -> None:
        self.loop = loop
        self.trace = Trace(loop)
        self.rng = random.Random(seed)
        self.profile = profile = Profile.of(self.rng)
        self.cluster = Cluster(
            loop,
            self.rng,
            self.trace,
            shards=profile.shards,
            topology=profile.topology,
            atomic_tables=profile.atomic_tables,
            reads_at_once=profile.atomic_tables and self.rng.random() < 0.7,
        )
        if prepare is not None:
            prepare(self.cluster)
        self.clients = [Client(self.cluster, self.trace, self.rng, f"user{n}") for n in range(profile.clients)]
        self.rooms: list[str] = []
        self._is_ending = False

    async def run(self) -> None:
        profile, trace = self.profile, self.trace
        await self._begin()
        misfortunes = Misfortunes(self.cluster, trace, self.rng, chosen=profile.misfortunes, every_s=profile.every_s)
        self.cluster.hub.rates, self.cluster.database.rates = profile.bus, profile.store
        writers = [self.loop.create_task(self._write(client)) for client in self.clients]
        readers = [self.loop.create_task(self._read(client)) for client in self.clients]
        await misfortunes.happen(self.loop.time() + profile.faults_s)
        self.cluster.hub.rates, self.cluster.database.rates = BusRates(), StoreRates()
        misfortunes.end()
        trace.add("scenario", "all is repaired")
        self._is_ending = True
        try:
            async with asyncio.timeout(FINISH_S):
                await asyncio.gather(*writers)
        except TimeoutError:
            trace.violation("every client gets its answer", "a request was not answered long after all was repaired")
            return
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await asyncio.sleep(LATER_MS_MAX / 1000 + LATE_S)
        await self._converge()
        await self._compare()

    async def _begin(self) -> None:
        for place in self.cluster.places:
            self.cluster.start(place)
        async with asyncio.timeout(60.0):
            for client in self.clients:
                await client.register()
            for number in range(self.profile.rooms):
                self.rooms.append(await self.clients[number % len(self.clients)].create_room())
            for client in self.clients:
                for room_id in self.rooms:
                    await client.join(room_id)
        self.trace.add("scenario", "the misfortunes begin")

    # --- clients

    async def _write(self, client: Client) -> None:
        rng = self.rng
        while not self._is_ending and not self.trace.violations:
            room_id = rng.choice(self.rooms)
            chance = rng.random()
            if chance < 0.6:
                await client.send(room_id)
            elif chance < 0.65:
                await client.send_later(room_id)
            elif chance < 0.75:
                await client.set_topic(room_id)
            elif chance < 0.83:
                await client.count()
            elif chance < 0.88:
                await client.leave(room_id)
            elif chance < 0.91:
                await client.kick(room_id, rng.choice(self.clients).user_id)
            elif chance < 0.95:
                await client.join(room_id)
            elif chance < 0.98:
                await client.claim(room_id)
            else:
                await client.show(room_id)
            await asyncio.sleep(rng.expovariate(1 / self.profile.pause_s))

    async def _read(self, client: Client) -> None:
        while not self.trace.violations:
            try:
                await client.sync(self.rng.choice((0, 1000, 5000)))
            except (ConnectionError, TimeoutError) as error:
                self.trace.add("client", f"{client.name} syncs again: {error!r}")
                await asyncio.sleep(0.2)
            if self.rng.random() < 0.02:
                client.begin_anew()
            await asyncio.sleep(self.rng.uniform(0.0, 0.5))

    # --- the end

    async def _converge(self) -> None:
        """Every client sees all that is there, soon, through whatever worker."""
        deadline_s = self.loop.time() + CONVERGE_S
        while not self.trace.violations:
            truth = Truth(self.cluster.database, self.profile.shards)
            behind = [client for client in self.clients if difference_of(truth, client)]
            if not behind:
                return
            if self.loop.time() > deadline_s:
                client = behind[0]
                difference = difference_of(truth, client)
                self.trace.violation("every view converges", f"{client.name} ({client.user_id}): {difference}")
                return
            for client in behind:
                try:
                    await client.sync(1000)
                except (ConnectionError, TimeoutError):
                    await asyncio.sleep(0.2)

    async def _compare(self) -> None:
        await asyncio.sleep(SLOW_S[1] + 1.0)  # tables are written behind, and some writes were slow on their way
        truth = Truth(self.cluster.database, self.profile.shards)
        check_acknowledged(truth, self.clients, self.trace)
        check_put_off(truth, self.clients, self.trace)
        check_aliases(truth, self.clients, self.trace)
        check_tables(truth, self.cluster.database, self.trace)


# --- one seed, from beginning to end


class _Inline:
    """In place of a thread pool."""

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def submit(self, call: Callable[..., Any], *args: Any) -> None:
        call(*args)

    def shutdown(self, **options: Any) -> None:
        pass


def _fixed_hash(attribute: str) -> Callable[[Any], int]:
    """The order of objects in a set must not depend on where in memory they lie."""

    def of(thing: Any) -> int:
        value = getattr(thing, attribute)
        return crc32(value if isinstance(value, bytes) else value.encode())

    return of


@contextmanager
def _chance_from(seed: int) -> Iterator[None]:
    """What services ask of the operating system comes from the seed too."""
    source = random.Random(f"operating system {seed}")
    with (
        patch.object(os, "urandom", source.randbytes),
        patch.object(random, "_urandom", source.randbytes),
        patch("userserver.passwords.ThreadPoolExecutor", _Inline),
        patch.object(interest._Consumer, "__hash__", _fixed_hash("name")),
        patch.object(Waiter, "__hash__", _fixed_hash("token_sha256")),
        patch.object(UserView, "__hash__", _fixed_hash("user_id")),
    ):
        yield


def _transactions_max(shard: int) -> AbstractContextManager[object]:
    limits = {
        "LOADED_TRANSACTIONS_MAX": min(shard // 2, client_transactions.LOADED_TRANSACTIONS_MAX),
        "DEVICE_TRANSACTIONS_MAX": shard // 2,
        "SHARD_TRANSACTIONS_MAX": shard,
    }
    return patch.multiple(client_transactions, **limits)


def run_seed(seed: int, prepare: Callable[[Cluster], None] | None = None) -> Outcome:
    """Run one seed to its end; `prepare` may build a flaw in."""
    loop = VirtualLoop()
    gc.disable()  # what is collected may run code, and when that is would not be the seed's doing
    try:
        with _chance_from(seed):
            scenario = Scenario(seed, loop, prepare)
            with _transactions_max(scenario.profile.transactions_max):
                try:
                    loop.run_until_complete(scenario.run())
                except Deadlock as error:
                    scenario.trace.violation("nothing waits for ever", str(error))
                _end(loop, scenario.cluster.all_nodes())
    finally:
        loop.close()
        gc.enable()
    trace = scenario.trace
    return Outcome(
        seed, trace.violations, trace.fingerprint, trace.last(ENTRIES_KEPT_MAX), dict(trace.counts), scenario.profile
    )


def _end(loop: VirtualLoop, nodes: list[Node]) -> None:
    """Take everything apart, the dead too; nothing reaches the bus or the store any more."""
    for node in nodes:
        node.line.is_connected = False
        node.store.is_cut_off = True
        node.process.come_to_an_end()
    for _ in range(20):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
