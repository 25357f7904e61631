"""Presence in answers of /sync, against the whole server in one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service_kit.config import PresenceSettings
from sync_api.presence import spread
from tests.asgi_client import AsgiClient
from tests.in_process import Client, InProcessServer, lenient_settings, running_server
from tests.sync_api.test_in_process import another_worker, sync


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server(lenient_settings(presence=PresenceSettings())) as started:
        yield started


def told(answer: dict[str, Any]) -> dict[str, str]:
    return {e["sender"]: e["content"]["presence"] for e in answer.get("presence", {}).get("events", [])}


async def pass_time(server: InProcessServer, seconds: float) -> None:
    for _ in range(int(seconds)):
        await server.clock.advance(1)


async def in_a_room(server: InProcessServer, *names: str) -> tuple[str, list[Client]]:
    clients = [await server.register(name) for name in names]
    room_id = await clients[0].create_room(preset="public_chat")
    for client in clients[1:]:
        await client.join(room_id)
    await pass_time(server, 3)
    return room_id, clients


async def test_who_shares_a_room_is_told_and_nobody_else(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    carol = await server.register("carol")
    since = {client: (await sync(client))["next_batch"] for client in (alice, bob, carol)}
    await pass_time(server, 3)
    first = await sync(alice, since[alice])
    assert told(first) == {alice.user_id: "online", bob.user_id: "online"}
    assert told(await sync(alice, since[alice])) == told(first)
    assert told(await sync(alice, first["next_batch"])) == {}
    assert told(await sync(carol, since[carol])) == {carol.user_id: "online"}
    assert told(await sync(alice))[bob.user_id] == "online"


async def test_a_waiting_client_is_woken_by_a_change_and_told_what_was_said(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    await sync(alice)
    await pass_time(server, 3)
    since = (await sync(alice))["next_batch"]
    waiting = asyncio.create_task(sync(alice, since, timeout=30_000))
    body = {"presence": "unavailable", "status_msg": "baking"}
    await bob.put(f"/presence/{bob.user_id}/status", body, expect=200)
    await pass_time(server, 3)
    (event,) = (await waiting)["presence"]["events"]
    assert (event["type"], event["sender"]) == ("m.presence", bob.user_id)
    content = event["content"]
    assert (content["presence"], content["status_msg"], content["currently_active"]) == ("unavailable", "baking", False)


async def test_a_token_of_before_anything_was_known_loses_nobody(server: InProcessServer) -> None:
    """As in the first second of a server, or when presence has just been switched on."""
    alice, bob = await server.register("alice"), await server.register("bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    since = (await sync(alice))["next_batch"]
    waiting = asyncio.create_task(sync(alice, since, timeout=5_000))
    await sync(bob)
    await pass_time(server, 8)
    first = await waiting
    later = await sync(alice, first["next_batch"])
    assert {**told(first), **told(later)}[bob.user_id] == "online"


async def test_who_comes_into_a_room_after_being_seen_elsewhere_is_seen_there_too(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    carol = await server.register("carol")
    other = await carol.create_room(preset="public_chat")
    await sync(carol)
    await sync(alice)
    await sync(bob)  # his rooms are remembered, the other is not among them
    await pass_time(server, 3)
    await bob.join(other)
    since = (await sync(carol))["next_batch"]
    await bob.put(f"/presence/{bob.user_id}/status", {"presence": "unavailable"}, expect=200)
    await pass_time(server, 3)
    seen = await sync(carol, since)
    assert told(seen)[bob.user_id] == "unavailable"
    await bob.post(f"/rooms/{other}/leave", {}, expect=200)
    await bob.put(f"/presence/{bob.user_id}/status", {"presence": "online"}, expect=200)
    await pass_time(server, 3)
    assert bob.user_id not in told(await sync(carol, seen["next_batch"]))


async def test_set_presence_decides_what_a_sync_says_of_its_user(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    for wanted, expected in (("offline", {}), ("unavailable", {bob.user_id: "unavailable"})):
        since = (await sync(alice))["next_batch"]
        await sync(bob, set_presence=wanted)
        await pass_time(server, 3)
        got = told(await sync(alice, since))
        got.pop(alice.user_id, None)
        assert got == expected


async def test_the_last_sync_of_a_device_is_forgotten_after_a_while_although_its_worker_died(
    server: InProcessServer,
) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    doomed = await another_worker(server, "doomed")
    since = (await sync(alice))["next_batch"]
    assert doomed.presence is not None
    doomed.presence.reports.begin(bob.user_id, bob.device_id, "online")
    await pass_time(server, 2)
    answer = await sync(alice, since)
    assert told(answer)[bob.user_id] == "online"
    await doomed.stop()
    await pass_time(server, 50)
    assert bob.user_id not in told(await sync(alice, answer["next_batch"]))
    await pass_time(server, 20)
    assert told(await sync(alice, answer["next_batch"]))[bob.user_id] == "offline"


async def test_sending_keeps_a_user_online(server: InProcessServer) -> None:
    room_id, (alice, bob) = await in_a_room(server, "alice", "bob")
    since = (await sync(bob))["next_batch"]
    states = []
    for minute in range(14):
        if minute < 6:
            await bob.send(room_id, "here")
        since = (await sync(bob, since))["next_batch"]
        await pass_time(server, 30)
        since = (await sync(bob, since))["next_batch"]
        await pass_time(server, 30)
        states.append((await bob.get(f"/presence/{bob.user_id}/status", expect=200)).json["presence"])
    assert states[:9] == ["online"] * 9
    assert states[-1] == "unavailable"
    assert (await alice.get(f"/presence/{bob.user_id}/status", expect=200)).json["currently_active"] is False


async def test_a_token_of_another_worker_goes_on_where_it_was(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    await sync(alice)
    await pass_time(server, 3)
    since = (await sync(alice))["next_batch"]
    second = await another_worker(server, "sync_api-2")
    await pass_time(server, 3)
    await bob.put(f"/presence/{bob.user_id}/status", {"presence": "unavailable"}, expect=200)
    await pass_time(server, 3)
    http = AsgiClient(second.application, {"Authorization": f"Bearer {alice.access_token}"})
    answer = (await http.request("GET", f"/_matrix/client/v3/sync?since={since}")).json
    assert told(answer) == {bob.user_id: "unavailable"}
    assert told(await sync(alice, answer["next_batch"])) == {}
    await second.drain()
    await second.stop()


async def test_a_new_owner_brings_nobody_back_and_loses_nobody(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    await sync(bob)
    await pass_time(server, 3)
    since = (await sync(alice))["next_batch"]
    for owner in list(server.userserver.holder._owners.values()):
        server.userserver.holder._on_lost(owner)
    await pass_time(server, 120)
    answer = await sync(alice, since)
    assert told(answer)[bob.user_id] == "offline"
    await sync(bob)
    await pass_time(server, 3)
    assert told(await sync(alice, answer["next_batch"]))[bob.user_id] == "online"


async def test_large_rooms_tell_nobody(server: InProcessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "PRESENCE_ROOM_MEMBERS_MAX", 2)
    _, (alice, bob, _carol) = await in_a_room(server, "alice", "bob", "carol")
    since = (await sync(alice))["next_batch"]
    await sync(bob)
    await pass_time(server, 3)
    assert bob.user_id not in told(await sync(alice, since))


async def test_filters_and_ignored_users_are_respected(server: InProcessServer) -> None:
    _, (alice, bob, carol) = await in_a_room(server, "alice", "bob", "carol")
    since = (await sync(alice))["next_batch"]
    for client in (bob, carol):
        await sync(client)
    await pass_time(server, 3)
    nobody = '{"presence":{"types":[]}}'
    assert told(await sync(alice, since, filter=nobody)) == {}
    not_bob = json.dumps({"presence": {"not_senders": [bob.user_id]}})
    assert set(told(await sync(alice, since, filter=not_bob))) == {alice.user_id, carol.user_id}
    ignored = {"ignored_users": {carol.user_id: {}}}
    await alice.put(f"/user/{alice.user_id}/account_data/m.ignored_user_list", ignored, expect=200)
    assert set(told(await sync(alice, since))) == {alice.user_id, bob.user_id}


async def test_presence_of_strangers_and_of_nobody_is_not_told(server: InProcessServer) -> None:
    _, (alice, bob) = await in_a_room(server, "alice", "bob")
    carol = await server.register("carol")
    path = f"/presence/{bob.user_id}/status"
    assert (await alice.get(path, expect=200)).json == {"presence": "offline", "currently_active": False}
    assert (await carol.get(path)).json["errcode"] == "M_FORBIDDEN"
    assert (await carol.put(path, {"presence": "online"})).json["errcode"] == "M_FORBIDDEN"
    assert (await carol.get("/presence/@nobody:elsewhere.example/status")).status == 404
    long = {"presence": "online", "status_msg": "x" * 2000}
    assert (await bob.put(path, long)).json["errcode"] == "M_TOO_LARGE"


async def test_where_it_is_switched_off_nothing_is_told_or_kept() -> None:
    async with running_server() as server:
        _, (alice, bob) = await in_a_room(server, "alice", "bob")
        answer = await sync(bob)
        await pass_time(server, 3)
        assert "presence" not in await sync(alice)
        assert answer["next_batch"] == (await sync(bob, answer["next_batch"]))["next_batch"]
        path = f"/presence/{bob.user_id}/status"
        assert (await alice.get(path)).status == 404
        assert (await bob.put(path, {"presence": "online"})).json["errcode"] == "M_FORBIDDEN"
        assert server.sync_api.presence is None
