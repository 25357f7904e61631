"""The services of one cluster as processes: started, killed, paused, drained, started again.

A place (`Place`) is what an operator asks for ("a roomserver"); the process in it now is a `Node`, new in each life.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import roomserver.tables
import userserver.tables
from api_gateway.service import ApiGateway
from roomserver.service import RoomserverService
from service_kit.bus.interface import Bus
from service_kit.bus.local_first import LocalFirstBus
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.application import HttpApplication
from service_kit.ledger.directory import OwnerDirectory
from service_kit.ledger.leases import clear_leases
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.lifecycle import Service
from service_kit.rpc.local import local_asker
from service_kit.rpc.queries import ROOM_QUESTIONS, Asker, Question
from service_kit.shards import ROOM, USER, Shard, ShardMap
from service_kit.store.interface import StoreError
from service_kit.third_party_ids import ValidationCodes
from sync_api.service import SyncApi
from tests.factories.users import signing_key_of
from tests.in_process import lenient_settings
from tests.simulation.bus import Hub
from tests.simulation.loop import Process, SimulatedClock, State, VirtualLoop
from tests.simulation.questions import SimulatedAsker
from tests.simulation.store import Database
from tests.simulation.trace import Trace
from userserver.service import UserserverService

TABLES = (*LEDGER_TABLES, *roomserver.tables.TABLES, *userserver.tables.TABLES)
OWNERS = ("roomserver", "userserver")
FRONTS = ("api_gateway", "sync_api")
TOPOLOGIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "each for itself": (("roomserver",), ("userserver",), ("api_gateway",), ("sync_api",)),
    "in pairs": (("roomserver", "api_gateway"), ("userserver", "sync_api")),
    "all in one": ((*OWNERS, *FRONTS),),
}
DRAIN_S = 12.0
RESTART_AFTER_FAILURE_S = 0.5


class Node:
    """One life of a process."""

    def __init__(self, cluster: Cluster, place: Place, worker: str, life: int) -> None:
        self.cluster = cluster
        self.place = place
        self.worker = worker
        self.address = f"{worker}#{life}"
        self.process = Process(cluster.loop, self.address)
        self.clock = SimulatedClock(self.process)
        self.line = cluster.hub.connect(self.process)
        self.store = cluster.database.connect(self.process)
        self.services: list[Service] = []
        self.application: HttpApplication | None = None
        self.asked_by: list[asyncio.Future[Any]] = []
        """answers that others wait for: they hear of it if this process dies"""
        self.is_ready = False
        self._servicers: dict[str, tuple[object, Callable[[Shard], bool]]] = {}
        self.process.run(self._compose, life)

    def _compose(self, life: int) -> None:
        """As `homeserver.components` does."""
        names = self.place.components
        self._bus: Bus = self.line if len(names) == 1 else LocalFirstBus(self.line)
        rooms = self._add_roomserver() if "roomserver" in names else None
        users = self._add_userserver() if "userserver" in names else None
        if users is None and not set(FRONTS) & set(names):
            return
        asker = self._new_asker(rooms, users)
        if users is not None:
            users.work_in_rooms(asker)
        if not set(FRONTS) & set(names):
            return
        applications = []
        if "api_gateway" in names:
            applications.append(self._add_api_gateway(asker))
        if "sync_api" in names:
            applications.append(self._add_sync_api(asker, life))
        self.application = applications[0] if len(applications) == 1 else HttpApplication.merge(applications)

    def _grpc_address(self) -> str:
        return "" if set(OWNERS) <= set(self.place.components) else self.address

    def _add_roomserver(self) -> RoomserverService:
        rooms = RoomserverService(
            self._bus,
            self.store,
            self.clock,
            shards=self.cluster.shards,
            worker=self.worker,
            settings=self.cluster.settings.rooms,
            hosted_servers=self.cluster.hosted_servers,
            grpc_address=self._grpc_address(),
        )
        self._servicers["room"] = (rooms.queries, rooms.holder.owns)
        self.services.append(rooms)
        return rooms

    def _add_userserver(self) -> UserserverService:
        users = UserserverService(
            self._bus,
            self.store,
            self.clock,
            shards=self.cluster.shards,
            worker=self.worker,
            settings=self.cluster.settings.passwords,
            codes=ValidationCodes.of_cluster(self.cluster.hosted_servers),
            grpc_address=self._grpc_address(),
        )
        self._servicers["user"] = (users.queries, users.holder.owns)
        self.services.append(users)
        return users

    def _new_asker(self, rooms: RoomserverService | None, users: UserserverService | None) -> Asker:
        shards = self.cluster.shards
        if rooms is not None and users is not None:
            services = {ROOM: (rooms.queries, rooms.holder), USER: (users.queries, users.holder)}
            return local_asker(services, shards, self.clock)
        return SimulatedAsker(self.cluster, self, OwnerDirectory(self.store, self.clock), shards)

    def _add_api_gateway(self, asker: Asker) -> HttpApplication:
        gateway = ApiGateway(
            settings=self.cluster.settings,
            hosted_servers=self.cluster.hosted_servers,
            bus=self._bus,
            asker=asker,
            shards=self.cluster.shards,
            clock=self.clock,
        )
        self.services.append(gateway)
        return gateway.application

    def _add_sync_api(self, asker: Asker, life: int) -> HttpApplication:
        sync = SyncApi(
            settings=self.cluster.settings,
            bus=self._bus,
            store=self.store,
            asker=asker,
            shards=self.cluster.shards,
            clock=self.clock,
            worker=f"{self.worker}-{life}",
        )
        self.services.append(sync)
        return sync.application

    def servicer_of(self, question: Question[Any, Any]) -> tuple[object, Callable[[Shard], bool]]:
        return self._servicers["room" if question in ROOM_QUESTIONS else "user"]

    async def serve(self) -> None:
        """The process's main task: start, and look after requests that are overdue."""
        try:
            if set(OWNERS) <= set(self.place.components):
                await clear_leases(self.store)
            owners = [service for service in self.services if service.name in OWNERS]
            await asyncio.gather(*(service.start() for service in owners))
            for service in self.services:
                if service.name in FRONTS:
                    await service.start()
        except Exception as error:
            self.cluster.trace.add("process", f"{self.address} could not start: {error!r}")
            self.cluster.loop.outside(0.0, self.cluster.exited, self)
            return
        self.cluster.trace.add("process", f"{self.address} serves")
        self.is_ready = True
        while self.application is not None:
            await asyncio.sleep(1.0)
            self.application.cancel_overdue()

    async def drain(self) -> None:
        """SIGTERM."""
        self.is_ready = False
        try:
            async with asyncio.timeout(DRAIN_S):
                fronts = [service for service in self.services if service.name in FRONTS]
                await asyncio.gather(*(service.drain() for service in fronts))
                await asyncio.sleep(0.05)
                owners = [service for service in self.services if service.name in OWNERS]
                await asyncio.gather(*(service.drain() for service in owners))
                for service in reversed(self.services):
                    await service.stop()
        except (StoreError, TimeoutError, OSError) as error:
            self.cluster.trace.add("process", f"{self.address} ends out of order: {error!r}")
        self.cluster.loop.outside(0.0, self.cluster.exited, self)


class Place:
    def __init__(self, components: tuple[str, ...], number: int) -> None:
        self.components = components
        self.name = f"{components[0]}-{number}"
        self.lives = 0
        self.node: Node | None = None


class Cluster:
    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        trace: Trace,
        *,
        shards: ShardMap,
        topology: str,
        atomic_tables: bool,
        reads_at_once: bool,
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.shards = shards
        self.settings: Settings = lenient_settings()
        self.hosted_servers = HostedServers(
            self.settings.server_name, {self.settings.server_name: signing_key_of(self.settings.server_name)}, {}
        )
        self.hub = Hub(loop, rng, trace)
        self.database = Database(loop, rng, trace, TABLES, atomic_tables=atomic_tables, reads_at_once=reads_at_once)
        self.places: list[Place] = []
        for components in TOPOLOGIES[topology]:
            copies = 1 if len(components) == 4 else rng.choice((2, 2, 3))
            self.places.extend(Place(components, number + 1) for number in range(copies))
        self._graveyard: list[Node] = []
        self._by_address: dict[str, Node] = {}

    # --- lives

    def start(self, place: Place, *, under_another_name: bool = False) -> None:
        if place.node is not None:
            return
        place.lives += 1
        worker = f"{place.name}.{place.lives}" if under_another_name else place.name
        node = place.node = Node(self, place, worker, place.lives)
        self._by_address[node.address] = node
        node.process.create_task(node.serve())

    def kill(self, place: Place) -> None:
        """kill -9: what was sent goes on, what was not never will be."""
        node, place.node = place.node, None
        if node is None:
            return
        node.process.kill()
        node.is_ready = False
        self.hub.forget(node.line)
        self._by_address.pop(node.address, None)
        self._graveyard.append(node)
        asked, node.asked_by = node.asked_by, []
        for answer in asked:
            if not answer.done():
                answer.set_exception(ConnectionError(f"{node.address} is gone"))

    def exited(self, node: Node) -> None:
        """It ended by itself: its supervisor starts it again."""
        if node.place.node is node:
            self.kill(node.place)
            self.loop.outside(RESTART_AFTER_FAILURE_S, self.start, node.place)

    def node_at(self, address: str) -> Node | None:
        return self._by_address.get(address)

    def fronts(self, component: str) -> list[Node]:
        """The processes that the proxy sends requests to: it does not know which of them hang."""
        return [p.node for p in self.places if p.node is not None and component in p.components and p.node.is_ready]

    # --- requests from outside

    async def request(
        self, node: Node, method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]
    ) -> tuple[int, bytes]:
        """Raises ConnectionError if the process dies meanwhile."""
        answer: asyncio.Future[tuple[int, bytes]] = self.loop.create_future()

        def begin() -> None:
            if node.process.state is not State.DEAD:
                node.process.create_task(self._serve(node, method, path, body, headers, answer))

        self.loop.outside(self.rng.uniform(0.0002, 0.002), begin)
        node.asked_by.append(answer)
        try:
            return await answer
        finally:
            if answer in node.asked_by:
                node.asked_by.remove(answer)

    async def _serve(
        self,
        node: Node,
        method: str,
        path: str,
        body: bytes,
        headers: list[tuple[bytes, bytes]],
        answer: asyncio.Future[tuple[int, bytes]],
    ) -> None:
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": ("192.0.2.1", 50000),
        }
        bodies = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return bodies.pop() if bodies else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        assert node.application is not None
        await node.application(scope, receive, send)
        if sent:
            result = (sent[0]["status"], b"".join(message["body"] for message in sent[1:]))
            self.loop.outside(self.rng.uniform(0.0002, 0.002), _set, answer, result)

    # --- the end

    def all_nodes(self) -> list[Node]:
        return [*self._graveyard, *(place.node for place in self.places if place.node is not None)]


def _set(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)
