"""The gateway's account endpoints over a real userserver; rooms are a list that remembers what it was told."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from api_gateway.email_validation import EmailValidation
from api_gateway.login_identifiers import LoginIdentifiers
from api_gateway.openid_tokens import OpenIdTokens
from api_gateway.passed_stages import StagesAtUserserver
from api_gateway.password_reset import PasswordReset
from api_gateway.password_stage import PasswordAuth
from api_gateway.registration_stages import RegistrationStages
from api_gateway.registration_tokens import RegistrationTokens
from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_interactive_auth import UserInteractiveAuth
from service_kit.bus import streams
from service_kit.bus.interface import Message
from service_kit.clock import Clock
from service_kit.config import PasswordSettings, RegistrationSettings, Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.application import HttpApplication
from service_kit.http.authentication import Authentication
from service_kit.http.endpoint import Endpoint, declarations_of
from service_kit.http.rate_limits import RateLimits
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomReply
from service_kit.rpc.pb.room_queries_pb2 import RoomOfUser, RoomsOfUserChunk, RoomsOfUserRequest
from service_kit.rpc.queries import GET_ROOMS_OF_USER, Question, RoomQueries
from service_kit.shards import ShardMap
from tests.factories.users import signing_key_of
from tests.spec.conformance import Exchange, check_exchange
from tests.userserver.cluster import CODES, SHARDS, UserCluster

SERVER = "a.example"
MODULES = (
    "account_data",
    "account_deactivation",
    "admin",
    "administrative_contact",
    "capabilities",
    "device_management",
    "email_validation",
    "filter",
    "login",
    "login_token",
    "logout",
    "openid",
    "operator_registration",
    "password_management",
    "profile",
    "pushrules",
    "refresh",
    "registration",
    "tags",
    "support",
    "to_device",
    "versions",
    "voip",
    "wellknown",
    "whoami",
)

JsonObject = dict[str, Any]


class Answer(NamedTuple):
    status: int
    body: JsonObject
    headers: dict[str, str]


class Session(NamedTuple):
    user_id: str
    device_id: str
    token: str


class RecordedRooms:
    """The rooms that a user is in, and the membership changes that were asked for."""

    def __init__(self) -> None:
        self.memberships: dict[str, str] = {}
        """of whoever asks, by room ID"""
        self.changes: list[tuple[str, ChangeMembership]] = []

    async def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]:
        for room_id, membership in self.memberships.items():
            yield RoomsOfUserChunk(rooms=[RoomOfUser(room_id=room_id, membership=membership)])

    async def answer(self, message: Message) -> None:
        command = Command.FromString(message.payload)
        self.changes.append((command.key, command.room.change_membership))
        await message.reply(Reply(room=RoomReply()).SerializeToString())


class RoomsAsker:
    """Tells a userserver what `RecordedRooms` has."""

    def __init__(self, rooms: RecordedRooms) -> None:
        self._rooms = rooms

    def stream(self, question: Question[Any, Any], request: Any) -> AsyncIterator[Any]:
        assert question is GET_ROOMS_OF_USER
        return self._rooms.get_rooms_of_user(request)

    async def single(self, question: Question[Any, Any], request: Any) -> Any:
        raise NotImplementedError(question.method)


class AccountGateway:
    """One gateway process."""

    def __init__(self, cluster: UserCluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings
        self.rooms = RecordedRooms()
        self.bus = cluster.hub.connect()
        commands = CommandClient(self.bus, SHARDS, cluster.clock)
        self.authentication = Authentication(commands, self.bus, SHARDS, cluster.clock)
        names = [settings.server_name, *(server.server_name for server in settings.further_servers)]
        hosted = HostedServers(settings.server_name, {name: signing_key_of(name) for name in names})
        limits = settings.rate_limits
        rates = {name: getattr(limits, name) for name in ("login", "registration", "other")}
        self.rate_limits = RateLimits(rates, cluster.clock, enabled=limits.enabled)
        interactive_auth = UserInteractiveAuth.of_cluster(hosted, cluster.clock, StagesAtUserserver(commands))
        registration_tokens = RegistrationTokens(settings.registration, commands, cluster.clock)
        third_party_ids = ThirdPartyIds(commands, cluster.clock, per_user_max=settings.email.addresses_max)
        validation = EmailValidation(settings, commands, third_party_ids, CODES)
        identifiers = LoginIdentifiers(third_party_ids)
        providers: dict[Any, object] = {
            Authentication: self.authentication,
            Clock: cluster.clock,
            CommandClient: commands,
            OpenIdTokens: OpenIdTokens(hosted, cluster.clock),
            RoomQueries: self.rooms,
            Settings: settings,
            ShardMap: SHARDS,
            EmailValidation: validation,
            HostedServers: hosted,
            LoginIdentifiers: identifiers,
            PasswordReset: PasswordReset(validation, third_party_ids),
            ThirdPartyIds: third_party_ids,
            RegistrationStages: RegistrationStages(settings.registration, registration_tokens, validation),
            RegistrationTokens: registration_tokens,
            UserInteractiveAuth: interactive_auth,
            PasswordAuth: PasswordAuth(interactive_auth, commands, self.rate_limits, identifiers),
        }
        self.application = HttpApplication(
            _endpoints(), providers, self.authentication, self.rate_limits, clock=cluster.clock
        )

    async def start(self) -> None:
        for worker in self.cluster.workers:
            worker.work_in_rooms(RoomsAsker(self.rooms))
        await self.authentication.start()
        await self.bus.subscribe(streams.command(SHARDS.of_room("!any")), self.rooms.answer)

    async def call(self, method: str, path: str, body: object = None, *, token: str = "", host: str = SERVER) -> Answer:
        """`body` bytes are sent as they are, anything else as JSON. `path` may have a query."""
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        headers = [(b"host", host.encode())]
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": raw_path,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": ("192.0.2.1", 1000),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        answer_headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        check_exchange(
            Exchange(
                method, path, None if content is body else body, sent[0]["status"], answer_headers, sent[1]["body"]
            )
        )
        return Answer(sent[0]["status"], orjson.loads(sent[1]["body"]), answer_headers)

    async def post(self, path: str, body: object = None, *, token: str = "", host: str = SERVER) -> Answer:
        return await self.call(
            "POST", f"/_matrix/client/v3/{path}", {} if body is None else body, token=token, host=host
        )

    async def get(self, path: str, *, token: str = "", host: str = SERVER) -> Answer:
        return await self.call("GET", f"/_matrix/client/v3/{path}", token=token, host=host)

    async def put(self, path: str, body: object, *, token: str = "") -> Answer:
        return await self.call("PUT", f"/_matrix/client/v3/{path}", body, token=token)

    async def delete(self, path: str, body: object = None, *, token: str = "") -> Answer:
        return await self.call("DELETE", f"/_matrix/client/v3/{path}", body, token=token)

    async def register(self, username: str = "alice", password: str = "correct horse", **more: object) -> Session:
        body = {"username": username, "password": password, "auth": {"type": "m.login.dummy"}, **more}
        answer = await self.post("register", body)
        assert answer.status == 200, answer
        return Session(answer.body["user_id"], answer.body["device_id"], answer.body["access_token"])

    async def login(self, user: str = "alice", password: str = "correct horse", **more: object) -> Answer:
        identifier = {"type": "m.id.user", "user": user}
        return await self.post(
            "login", {"type": "m.login.password", "identifier": identifier, "password": password, **more}
        )


def open_settings(**changes: Any) -> Settings:
    """Open registration, cheap passwords, no limits."""
    defaults: dict[str, Any] = {
        "server_name": SERVER,
        "registration": RegistrationSettings(mode="open"),
        "passwords": PasswordSettings(length_min=8, argon2_memory_kib=8, argon2_iterations=1),
        "rate_limits": {"enabled": False},
    }
    return Settings(**{**defaults, **changes})


def password_auth(user_id: str, password: str = "correct horse", session: str | None = None) -> JsonObject:
    auth: JsonObject = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user_id}}
    return auth | {"password": password} | ({"session": session} if session else {})


def quoted(text: str) -> str:
    return quote(text, safe="")


def _endpoints() -> list[Endpoint]:
    modules = [importlib.import_module(f"api_gateway.endpoints.{name}") for name in MODULES]
    return [
        declared
        for module in modules
        for value in vars(module).values()
        if getattr(value, "__module__", None) == module.__name__
        for declared in declarations_of(value)
    ]
