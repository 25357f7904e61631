"""A small world in which every operation can succeed: who asks, of which room, and what stands in its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.administrators import new_admin
from tests.in_process import PASSWORD, InProcessServer

Json = dict[str, Any]


class Scene:
    """alice made a public room, in which bob is; carol is in no room, root is an administrator."""

    def __init__(self, server: InProcessServer) -> None:
        self.server = server
        self.alice = self.bob = self.carol = self.root = self.nobody = server.anonymous()
        self.path: dict[str, str] = {}
        """What stands for the path's parameters; a row's `prepare` may change it."""
        self.query: dict[str, str] = {}
        self.body: Json = {}

    async def set_up(self) -> Scene:
        self.alice = await self.server.register("alice")
        self.bob = await self.server.register("bob")
        self.carol = await self.server.register("carol")
        self.root = await new_admin(self.server)
        room_id = await self.alice.create_room(preset="public_chat", name="Attic")
        await self.bob.join(room_id)
        self.path = {
            "roomId": room_id,
            "roomIdOrAlias": room_id,
            "roomAlias": "#attic:example.org",
            "userId": self.alice.user_id,
            "eventId": await self.alice.send(room_id, "hello"),
            "deviceId": self.alice.device_id,
            "eventType": "m.room.message",
            "txnId": "txn",
            "type": "org.example.type",
            "stateKey": "",
            "receiptType": "m.read",
            "keyName": "displayname",
            "kind": "override",
            "ruleId": ".m.rule.master",
        }
        return self

    @property
    def room_id(self) -> str:
        return self.path["roomId"]

    def auth(self) -> Json:
        """alice's password as user-interactive authentication."""
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        return {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}

    def filled(self, template: str) -> str:
        for name, value in self.path.items():
            template = template.replace("{" + name + "}", quote(value, safe=""))
        query = "&".join(f"{name}={quote(value)}" for name, value in self.query.items())
        return f"{template}?{query}" if query else template


class Row(NamedTuple):
    """How an operation is asked so that it succeeds; what is left out is as in `Scene`."""

    body: Json = {}  # noqa: RUF012
    query: Mapping[str, str] = {}
    path: Mapping[str, str] = {}
    caller: str = "alice"
    """alice, bob, carol, root or nobody."""
    prepare: Callable[[Scene], Awaitable[object]] | None = None
    """What has to happen before, and what is only known then: it may change the scene's path, query and body."""
    settings: Mapping[str, Any] = {}
    """Of the server, where others are needed than the tests' usual ones; then nobody and nothing is there yet."""
    never_succeeds: bool = False
    """What it would do is not supported here, and it says so in the specification's words."""
