"""Requests as real clients, browsers and proxies make them, which the specification would word otherwise."""

from __future__ import annotations

import logging
from urllib.parse import quote

import pytest

from service_kit.http.request import CORS_HEADERS
from tests.asgi_client import AsgiClient
from tests.in_process import V3, Client, InProcessServer

CORS = {name.decode() for name, _ in CORS_HEADERS}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/JSON"])
async def test_a_json_body_is_read_whatever_it_says_to_be(alice: Client, room_id: str, content_type: str) -> None:
    headers = {"content_type": content_type} if content_type else {}
    path = f"/rooms/{quote(room_id)}/send/m.room.message/1"
    await alice.request("PUT", path, body=b'{"body":"x","msgtype":"m.text"}', expect=200, **headers)


async def test_a_token_in_the_query_is_as_good_and_is_not_logged(
    server: InProcessServer, alice: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobody = server.anonymous()
    path = f"/account/whoami?access_token={alice.access_token}"
    assert (await nobody.get(path, expect=200)).json["user_id"] == alice.user_id
    assert (await nobody.get(path + "x")).errcode == "M_UNKNOWN_TOKEN"
    assert (await nobody.get(f"/nowhere?access_token={alice.access_token}")).errcode == "M_UNRECOGNIZED"
    assert alice.access_token not in caplog.text


@pytest.mark.parametrize("path", [f"{V3}/sync", f"{V3}/nowhere", "/", "/_matrix/%ff", f"{V3}/rooms/!a/join"])
async def test_a_browsers_preflight_is_answered_everywhere(server: InProcessServer, path: str) -> None:
    client = AsgiClient(server.application)
    answer = await client.request("OPTIONS", path, access_control_request_method="PUT", origin="https://a.example")
    assert answer.status == 204
    assert set(answer.headers) >= CORS
    assert set((await client.request("GET", path)).headers) >= CORS


@pytest.mark.parametrize("prefix", ["/_matrix/client/r0", "//_matrix/client/v3", "/_matrix/client/r0/"])
async def test_other_beginnings_of_a_path_that_clients_have(alice: Client, prefix: str) -> None:
    client = AsgiClient(alice.server.application, {"Authorization": f"Bearer {alice.access_token}"})
    assert (await client.request("GET", f"{prefix.rstrip('/')}/account/whoami/")).status == 200


@pytest.mark.parametrize("state_key", ["a/b", "a+b", "a b", "%2F", "ä", "a?b#c", "."])
async def test_any_state_key_can_be_named(alice: Client, room_id: str, state_key: str) -> None:
    path = f"/rooms/{quote(room_id, safe='')}/state/org.example.type/{quote(state_key, safe='')}"
    await alice.put(path, {"key": state_key}, expect=200)
    assert (await alice.get(path, expect=200)).json == {"key": state_key}
    state = (await alice.get(f"/rooms/{quote(room_id)}/state", expect=200)).json
    assert state_key in [event["state_key"] for event in state if event["type"] == "org.example.type"]


@pytest.mark.parametrize(
    "path", ["/logout", "/rooms/{room}/leave", "/rooms/{room}/join", "/join/{room}", "/createRoom"]
)
async def test_a_body_that_a_client_has_nothing_to_put_into_may_be_missing(
    alice: Client, room_id: str, path: str
) -> None:
    await alice.request("POST", path.replace("{room}", quote(room_id)), body=b"", expect=200)


async def test_head_is_answered_as_get_would_be(alice: Client, server: InProcessServer) -> None:
    assert (await alice.request("HEAD", "/account/whoami")).status == 200
    assert (await server.anonymous().request("HEAD", "/account/whoami")).status == 401
