"""Which component needs what, and in which order they begin and end.

What faces clients begins last and ends first: while it finishes its requests,
the owners of shards must still be there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from homeserver.kit import Kit
from service_kit.config import split_address
from service_kit.http.server import HttpApplication
from service_kit.lifecycle import Service
from service_kit.rpc.local import Owned, local_asker
from service_kit.rpc.queries import ROOM_QUESTIONS, SEARCH_QUESTIONS, USER_QUESTIONS, Asker
from service_kit.shards import DIRECTORY, ROOM, SEARCH, USER

if TYPE_CHECKING:
    from roomserver.service import RoomserverService
    from service_kit.rpc.grpc_client import GrpcAsker
    from service_kit.rpc.grpc_server import GrpcServer
    from userserver.service import UserserverService

OWNERS = ("roomserver", "userserver")
SATELLITES = ("search",)
FRONTS = ("api_gateway", "sync_api")
ALL = (*OWNERS, *SATELLITES, *FRONTS)


class Composition:
    """The components of one process, put together from what they need and nothing else."""

    def __init__(self, kit: Kit, names: Sequence[str], worker: str) -> None:
        self._kit = kit
        self._worker = worker
        self._grpc: GrpcServer | None = None
        self._asker: GrpcAsker | None = None
        self.owners: list[Service] = []
        self.satellites: list[Service] = []
        self.fronts: list[Service] = []
        self.applications: list[HttpApplication] = []
        self._grpc_address = "" if set(OWNERS) <= set(names) else _grpc_address(kit)
        roomserver = self._add_roomserver() if "roomserver" in names else None
        userserver = self._add_userserver() if "userserver" in names else None
        if userserver is None and not {*SATELLITES, *FRONTS} & set(names):
            return
        self._services: dict[str, tuple[object, Owned]] = {}
        asker = self._new_asker(roomserver, userserver)
        if "userserver" in names:
            self._add_profiles(asker)
        if "search" in names:
            self._add_search(asker)
        if userserver is not None:
            userserver.work_in_rooms(asker)
        if "api_gateway" in names:
            self._add_api_gateway(asker)
        if "sync_api" in names:
            self._add_sync_api(asker)

    def readiness(self) -> dict[str, bool]:
        return {service.name: service.is_ready() for service in (*self.owners, *self.satellites, *self.fronts)}

    async def start(self) -> None:
        if self._grpc is not None:
            await self._grpc.start(self._grpc_address)
        await asyncio.gather(*(service.start() for service in self.owners))
        for service in (*self.satellites, *self.fronts):
            await service.start()

    async def drain_fronts(self) -> None:
        await asyncio.gather(*(service.drain() for service in self.fronts))

    async def drain_owners(self) -> None:
        await asyncio.gather(*(service.drain() for service in self.satellites))
        await asyncio.gather(*(service.drain() for service in self.owners))
        if self._grpc is not None:
            await self._grpc.stop(self._kit.settings.http.drain_timeout_s)

    async def stop(self) -> None:
        """Release everything, whatever state it is in."""
        if self._grpc is not None:
            await self._grpc.stop(0)
        if self._asker is not None:
            await self._asker.close()
        for service in (*reversed(self.fronts), *self.satellites, *self.owners):
            await service.stop()

    # --- one function a component

    def _add_roomserver(self) -> RoomserverService:
        from roomserver.service import RoomserverService
        from service_kit.kernel_warm_up import KernelWarmUp

        kit = self._kit
        service = RoomserverService(
            kit.bus,
            kit.store,
            kit.clock,
            shards=kit.shards,
            worker=self._worker,
            hosted_servers=kit.hosted_servers,
            settings=kit.settings.rooms,
            notices_localpart=kit.settings.server_notices.localpart,
            retention=kit.settings.retention,
            grpc_address=self._grpc_address,
            kernels=KernelWarmUp(),
        )
        self.owners.append(service)
        if self._grpc_address:
            self._grpc_server().add(ROOM_QUESTIONS, service.queries, service.holder.owns)
        return service

    def _add_userserver(self) -> UserserverService:
        from service_kit.third_party_ids import ValidationCodes
        from userserver.service import UserserverService

        kit = self._kit
        service = UserserverService(
            kit.bus,
            kit.store,
            kit.clock,
            shards=kit.shards,
            worker=self._worker,
            settings=kit.settings.passwords,
            codes=ValidationCodes.of_cluster(kit.hosted_servers),
            email=kit.settings.email,
            presence=kit.settings.presence if kit.settings.presence_servers else None,
            grpc_address=self._grpc_address,
        )
        self.owners.append(service)
        if self._grpc_address:
            self._grpc_server().add(USER_QUESTIONS, service.queries, service.holder.owns)
        return service

    def _add_profiles(self, asker: Asker) -> None:
        from satellites.profiles.service import ProfileService

        kit = self._kit
        service = ProfileService(kit.bus, kit.store, kit.clock, shards=kit.shards, worker=self._worker, asker=asker)
        self.satellites.append(service)

    def _add_search(self, asker: Asker) -> None:
        from satellites.search.indexes import index_maker
        from satellites.search.service import SearchService

        kit = self._kit
        service = SearchService(
            kit.bus,
            kit.store,
            kit.clock,
            shards=kit.shards,
            worker=self._worker,
            settings=kit.settings.search,
            asker=asker,
            make_index=index_maker(kit.settings, kit.store),
            grpc_address=self._grpc_address,
        )
        self.satellites.append(service)
        if self._grpc_address:
            self._grpc_server().add(SEARCH_QUESTIONS, service.queries, service.owns)
        else:
            self._services[SEARCH] = self._services[DIRECTORY] = (service.queries, service)

    def _add_api_gateway(self, asker: Asker) -> None:
        from api_gateway.service import ApiGateway

        kit = self._kit
        gateway = ApiGateway(
            settings=kit.settings,
            hosted_servers=kit.hosted_servers,
            bus=kit.bus,
            asker=asker,
            shards=kit.shards,
            clock=kit.clock,
        )
        self.fronts.append(gateway)
        self.applications.append(gateway.application)

    def _add_sync_api(self, asker: Asker) -> None:
        from sync_api.service import SyncApi

        kit = self._kit
        sync = SyncApi(
            settings=kit.settings,
            bus=kit.bus,
            store=kit.store,
            asker=asker,
            shards=kit.shards,
            clock=kit.clock,
            # Another name in each life: what was published for the former one is not for this one.
            worker=f"{self._worker}-{secrets.token_hex(4)}",
        )
        self.fronts.append(sync)
        self.applications.append(sync.application)

    # --- questions

    def _new_asker(self, roomserver: RoomserverService | None, userserver: UserserverService | None) -> Asker:
        """Asks in this process if it owns all shards, else over gRPC."""
        kit = self._kit
        if roomserver is not None and userserver is not None:
            self._services[ROOM] = (roomserver.queries, roomserver.holder)
            self._services[USER] = (userserver.queries, userserver.holder)
            return local_asker(self._services, kit.shards, kit.clock)
        from service_kit.ledger.directory import OwnerDirectory
        from service_kit.rpc.grpc_client import GrpcAsker

        self._asker = GrpcAsker(OwnerDirectory(kit.store, kit.clock), kit.shards, kit.clock)
        return self._asker

    def _grpc_server(self) -> GrpcServer:
        if self._grpc is None:
            from service_kit.rpc.grpc_server import GrpcServer

            self._grpc = GrpcServer(self._kit.shards, self._kit.clock)
        return self._grpc


def _grpc_address(kit: Kit) -> str:
    from homeserver.processes import free_port

    host, port = split_address(kit.settings.rpc.listen)
    return f"{kit.settings.rpc.advertise_host or host}:{port or free_port()}"
