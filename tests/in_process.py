"""A whole server in one event loop: memory store and bus, a clock that stands still, requests straight into ASGI.

    async with running_server() as server:
        alice = await server.register("alice")
        room_id = (await alice.post("/createRoom", {"preset": "public_chat"})).json["room_id"]

Paths without `/_matrix` get `/_matrix/client/v3` before them. Every answer, and
every request that succeeded, is checked against the specification's OpenAPI files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import quote

import roomserver.tables
import satellites.search.tables
import userserver.tables
from api_gateway.service import ApiGateway
from roomserver.service import RoomserverService
from satellites.profiles.service import ProfileService
from satellites.search.service import SearchService
from satellites.search.table_index import TableMessageIndex
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.config import PasswordSettings, PresenceSettings, RateLimitSettings, RegistrationSettings, Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.application import HttpApplication
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.lifecycle import Service
from service_kit.rpc.local import Owned, local_asker
from service_kit.shards import DIRECTORY, ROOM, SEARCH, USER, ShardMap
from service_kit.store.memory import MemoryStore
from service_kit.third_party_ids import ValidationCodes
from sync_api.service import SyncApi
from tests.asgi_client import AsgiClient, HttpAnswer
from tests.factories.users import DEFAULT_SERVER, signing_key_of
from tests.spec.conformance import Exchange, check_exchange
from userserver.service import UserserverService

V3 = "/_matrix/client/v3"
TABLES = (*LEDGER_TABLES, *roomserver.tables.TABLES, *userserver.tables.TABLES, *satellites.search.tables.TABLES)
SHARDS = ShardMap(room_shards=4, user_shards=4)
PASSWORD = "correct horse battery"


def lenient_settings(**more: Any) -> Settings:
    """Registration is open, nothing is limited, passwords are hashed cheaply."""
    given: dict[str, Any] = {
        "server_name": DEFAULT_SERVER,
        "registration": RegistrationSettings(mode="open"),
        "rate_limits": RateLimitSettings(enabled=False),
        "presence": PresenceSettings(enabled=False),  # what tests of it switch on
        "passwords": PasswordSettings(argon2_memory_kib=8, argon2_iterations=1),
    }
    return Settings(**(given | more))


class InProcessServer:
    """One of each component."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = ManualClock()
        self.store = MemoryStore(TABLES, clock=self.clock)
        self.hub = MemoryBus(clock=self.clock)
        names = [settings.server_name, *(server.server_name for server in settings.further_servers)]
        hosts = {host: server.server_name for server in settings.further_servers for host in server.hosts}
        self.hosted_servers = HostedServers(names[0], {name: signing_key_of(name) for name in names}, hosts)
        self.roomserver = RoomserverService(
            self.hub.connect(),
            self.store,
            self.clock,
            shards=SHARDS,
            worker="roomserver-1",
            settings=settings.rooms,
            notices_localpart=settings.server_notices.localpart,
            retention=settings.retention,
            hosted_servers=self.hosted_servers,
        )
        self.userserver = UserserverService(
            self.hub.connect(),
            self.store,
            self.clock,
            shards=SHARDS,
            worker="userserver-1",
            settings=settings.passwords,
            codes=ValidationCodes.of_cluster(self.hosted_servers),
            email=settings.email,
            presence=settings.presence if settings.presence_servers else None,
        )
        rooms = (self.roomserver.queries, self.roomserver.holder)
        users = (self.userserver.queries, self.userserver.holder)
        services: dict[str, tuple[object, Owned]] = {ROOM: rooms, USER: users}
        self.asker = local_asker(services, SHARDS, self.clock)
        self.profiles = ProfileService(
            self.hub.connect(), self.store, self.clock, shards=SHARDS, worker="userserver-1", asker=self.asker
        )
        self.search = SearchService(
            self.hub.connect(),
            self.store,
            self.clock,
            shards=SHARDS,
            worker="search-1",
            settings=settings.search,
            asker=self.asker,
            make_index=lambda shard: TableMessageIndex(self.store, shard.number),
        )
        services[SEARCH] = services[DIRECTORY] = (self.search.queries, self.search)
        self.userserver.work_in_rooms(self.asker)
        self.gateway = ApiGateway(
            settings=settings,
            hosted_servers=self.hosted_servers,
            bus=self.hub.connect(),
            asker=self.asker,
            shards=SHARDS,
            clock=self.clock,
        )
        self.sync_api = SyncApi(
            settings=settings,
            bus=self.hub.connect(),
            store=self.store,
            asker=self.asker,
            shards=SHARDS,
            clock=self.clock,
            worker="sync_api-1",
        )
        self.application = HttpApplication.merge([self.gateway.application, self.sync_api.application])
        self._numbers = count(1)

    @property
    def services(self) -> list[Service]:
        """In the order in which they start."""
        return [self.userserver, self.roomserver, self.profiles, self.search, self.gateway, self.sync_api]

    async def register(self, localpart: str, *, server_name: str = "", **more: object) -> Client:
        """A new account, logged in; `more` goes into the body of the request."""
        host = server_name or self.settings.server_name
        client = Client(self, host)
        body = {"username": localpart, "password": PASSWORD, "auth": {"type": "m.login.dummy"}, **more}
        return client.logged_in_as((await client.post("/register", body, expect=200)).json)

    async def log_in(self, localpart: str, **more: object) -> Client:
        """Another device of an account that `register` made."""
        client = Client(self, self.settings.server_name)
        identifier = {"type": "m.id.user", "user": localpart}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, **more}
        return client.logged_in_as((await client.post("/login", body, expect=200)).json)

    def anonymous(self) -> Client:
        return Client(self, self.settings.server_name)


class Client:
    """A device (or nobody yet) that asks the server."""

    def __init__(self, server: InProcessServer, host: str) -> None:
        self.server = server
        self.user_id = self.device_id = self.access_token = ""
        self._http = AsgiClient(server.application, {"Host": host})
        self._txn_ids = count(1)

    def logged_in_as(self, session: dict[str, Any]) -> Client:
        self.user_id = session["user_id"]
        self.device_id = session["device_id"]
        self.access_token = session["access_token"]
        self._http.headers["Authorization"] = f"Bearer {self.access_token}"
        return self

    async def request(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        body: bytes | None = None,
        expect: int | None = None,
        **headers: str,
    ) -> HttpAnswer:
        """`expect`: the HTTP status that the test relies on."""
        full_path = path if path.startswith(("/_matrix", "/.", "/_plexus")) else V3 + path
        answer = await self._http.request(method, full_path, json, body=body, **headers)
        check_exchange(Exchange(method, full_path, json, *answer))
        if expect is not None and answer.status != expect:
            raise AssertionError(f"{method} {path} answered {answer.status}: {answer.body[:500]!r}")
        return answer

    async def get(self, path: str, **more: Any) -> HttpAnswer:
        return await self.request("GET", path, **more)

    async def post(self, path: str, json: object = None, **more: Any) -> HttpAnswer:
        return await self.request("POST", path, {} if json is None else json, **more)

    async def put(self, path: str, json: object = None, **more: Any) -> HttpAnswer:
        return await self.request("PUT", path, {} if json is None else json, **more)

    # What most tests begin with

    async def create_room(self, **wish: object) -> str:
        room_id: str = (await self.post("/createRoom", wish, expect=200)).json["room_id"]
        return room_id

    async def join(self, room_id: str) -> None:
        await self.post(f"/rooms/{quote(room_id)}/join", expect=200)

    async def send(self, room_id: str, text: str, *, txn_id: str = "") -> str:
        """Returns the event ID."""
        txn_id = txn_id or f"txn{next(self._txn_ids)}"
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{txn_id}"
        answer = await self.put(path, {"msgtype": "m.text", "body": text}, expect=200)
        event_id: str = answer.json["event_id"]
        return event_id


@asynccontextmanager
async def running_server(settings: Settings | None = None) -> AsyncIterator[InProcessServer]:
    server = InProcessServer(settings or lenient_settings())
    async with AsyncExitStack() as stack:
        for service in server.services:
            stack.push_async_callback(service.stop)
            await service.start()
        yield server
        for service in reversed(server.services):
            await service.drain()
