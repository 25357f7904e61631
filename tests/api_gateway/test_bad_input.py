"""Whatever comes in, no endpoint answers with an error of ours, and every answer is as the specification says."""

from __future__ import annotations

import asyncio
import json
import typing
from collections.abc import AsyncIterator
from functools import cache
from typing import Any, get_type_hints
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api_gateway.endpoints
import sync_api.endpoints
from service_kit.http.endpoint import Endpoint, collect
from service_kit.http.router import parameters_of
from tests.asgi_client import HttpAnswer
from tests.in_process import Client, InProcessServer, running_server

ENDPOINTS = [*collect(api_gateway.endpoints), *collect(sync_api.endpoints)]
EXAMPLES_MAX = 20
LONG_POLL_S = 0.02
"""Then the client goes away."""

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "\x00", "\ud800", "@alice:example.org", "!x:example.org", "$x", "m.room.message", "x" * 300]),
    st.sampled_from(["m.room.member", "m.room.power_levels", "m.room.create", "m.login.password", "m.login.dummy"]),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**53, 2**63, 2**64, -1, 0]), st.floats(), TEXTS
)
COMMON_NAMES = [
    "membership",
    "users",
    "alias",
    "join_rule",
    "redacts",
    "type",
    "content",
    "state_key",
    "user",
    "session",
]


class Scene:
    """A server with one user and one room, and what of them may stand in a path."""

    def __init__(self, server: InProcessServer) -> None:
        self.server = server
        self.number = 0
        self.client = server.anonymous()
        self.values: dict[str, str] = {}

    async def renew(self) -> None:
        """A new user: the last one may have been logged out or deactivated."""
        self.number += 1
        self.client = await self.server.register(f"user{self.number}")
        alias_name = f"room{self.number}"
        room_id = await self.client.create_room(preset="public_chat", room_alias_name=alias_name)
        event_id = await self.client.send(room_id, "x")
        self.values = {
            "roomId": room_id,
            "roomIdOrAlias": room_id,
            "roomAlias": f"%23{alias_name}:example.org",
            "userId": self.client.user_id,
            "eventId": event_id,
            "deviceId": self.client.device_id,
            "stateKey": self.client.user_id,
            "receiptType": "m.read",
            "keyName": "displayname",
        }


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running_server() as server:
        made = Scene(server)
        await made.renew()
        yield made


def names_of(declared: Endpoint, parameter: str) -> list[str]:
    """The members that a body or query may have, nested ones too."""
    hint = get_type_hints(declared.handler).get(parameter)
    names: list[str] = []
    queue = [hint]
    while queue:
        wanted = queue.pop()
        queue += typing.get_args(wanted)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            names += [field.encode_name for field in msgspec.structs.fields(wanted)]
            queue += [field.type for field in msgspec.structs.fields(wanted)]
    return names


@cache
def bodies(declared: Endpoint) -> st.SearchStrategy[bytes]:
    names = st.sampled_from([*names_of(declared, "body"), *COMMON_NAMES])
    values = st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | TEXTS, inner, max_size=4),
        max_leaves=8,
    )
    objects = st.dictionaries(names, values, max_size=6)
    # Surrogates, NaN and infinity go out as Python writes them.
    as_json = objects.map(lambda value: json.dumps(value).encode())
    return st.one_of(as_json, as_json, values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40))


@cache
def queries(declared: Endpoint) -> st.SearchStrategy[str]:
    names = st.sampled_from([*names_of(declared, "query"), "access_token", "kind", "user_id"])
    known = st.sampled_from(["t1", "s", "b", "f", "join", "true", "10", "0", '{"limit":1}', "%ff", "sAAAAAA"])
    pair = st.tuples(names, known | TEXTS.map(encoded)).map("=".join)
    return st.lists(pair, max_size=4).map("&".join)


def encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@cache
def path_values(declared: Endpoint) -> st.SearchStrategy[dict[str, str | None]]:
    """What stands for each parameter; None: something of the scene."""
    return st.fixed_dictionaries({name: st.none() | TEXTS.map(encoded) for name in parameters_of(declared.path)})


async def ask(scene: Scene, declared: Endpoint, path: str, body: bytes | None) -> HttpAnswer | None:
    asking = asyncio.ensure_future(scene.client.request(declared.method, path, body=body))
    if declared.long_poll:
        await asyncio.wait({asking}, timeout=LONG_POLL_S)
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking})
            return None
    return await asking


async def is_logged_in(client: Client) -> bool:
    return (await client.get("/account/whoami")).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("declared", ENDPOINTS, ids=lambda declared: declared.operation)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_input_makes_an_error_of_ours(scene: Scene, declared: Endpoint, data: st.DataObject) -> None:
    path = declared.path
    for name, value in data.draw(path_values(declared)).items():
        known = scene.values.get(name, "x") if value is None else value
        path = path.replace("{" + name + "}", known)
    path += "?" + data.draw(queries(declared))
    body = data.draw(bodies(declared)) if declared.method != "GET" else None
    answer: HttpAnswer | None = await ask(scene, declared, path, body)
    if answer is not None:
        assert answer.status < 500, (answer.body, caller_of(path, body))
        if declared.operation != "sync" and not await is_logged_in(scene.client):
            await scene.renew()


def caller_of(path: str, body: Any) -> str:
    return f"{path} {body!r}"
