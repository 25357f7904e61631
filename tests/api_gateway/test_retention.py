"""Messages whose time is over are shown to nobody, and nothing is left of them a little later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from roomserver.tables import TIMELINE_BY_ROOM
from service_kit.retention_settings import RetentionSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server

HOUR_S = 3600
SETTINGS = RetentionSettings(enabled=True, max_lifetime_min_s=HOUR_S, purge_interval_s=600)


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server(lenient_settings(retention=SETTINGS)) as running:
        yield running


async def forgetful_room(client: Client, lifetime_s: int = 2 * HOUR_S) -> str:
    retention = {"type": "m.room.retention", "state_key": "", "content": {"max_lifetime": lifetime_s * 1000}}
    return await client.create_room(preset="public_chat", initial_state=[retention])


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["content"].get("body", "?") for event in events if event["type"] == "m.room.message"]


async def shown(client: Client, room_id: str) -> dict[str, list[str]]:
    """The texts by the ways on which a client gets them."""
    messages = (await client.get(f"/rooms/{quote(room_id)}/messages?dir=b&limit=50", expect=200)).json["chunk"]
    synced = (await client.get("/sync", expect=200)).json["rooms"]["join"][room_id]["timeline"]["events"]
    return {"messages": sorted(texts(messages)), "sync": sorted(texts(synced))}


async def stored(server: InProcessServer, room_id: str) -> bytes:
    rows: list[bytes] = []
    async for page in server.store.pages(TIMELINE_BY_ROOM, (room_id, 0)):
        rows += [row.client_json + row.federation_json for row in page]
    return b"".join(rows)


async def test_what_has_expired_is_on_no_way_to_a_client(server: InProcessServer, alice: Client) -> None:
    room_id = await forgetful_room(alice)
    old = await alice.send(room_id, "old")
    await server.clock.advance(HOUR_S)
    new = await alice.send(room_id, "new")
    assert await shown(alice, room_id) == {"messages": ["new", "old"], "sync": ["new", "old"]}
    await server.clock.advance(HOUR_S + 60)
    assert await shown(alice, room_id) == {"messages": ["new"], "sync": ["new"]}
    for path in ("event", "context"):
        refused = await alice.get(f"/rooms/{quote(room_id)}/{path}/{quote(old)}")
        assert (refused.status, refused.errcode) in ((404, "M_NOT_FOUND"), (404, "M_UNRECOGNIZED"))
    await alice.get(f"/rooms/{quote(room_id)}/event/{quote(new)}", expect=200)
    # State stays, and the room goes on.
    assert (await alice.get(f"/rooms/{quote(room_id)}/state/m.room.retention", expect=200)).json
    await alice.send(room_id, "newest")
    assert (await shown(alice, room_id))["messages"] == ["new", "newest"]


async def test_nothing_is_left_of_it_after_the_next_purge(server: InProcessServer, alice: Client) -> None:
    room_id = await forgetful_room(alice)
    for number in range(250):
        await alice.send(room_id, f"secret {number}")
    await server.clock.advance(HOUR_S)
    await alice.send(room_id, "kept")
    assert b"secret 0" in await stored(server, room_id)
    await server.clock.advance(HOUR_S + 700)
    left = await stored(server, room_id)
    assert b"secret" not in left
    assert b"kept" in left
    assert b"m.room.retention" in left
    assert await shown(alice, room_id) == {"messages": ["kept"], "sync": ["kept"]}
    await server.clock.advance(HOUR_S)
    assert b"kept" not in await stored(server, room_id)


async def test_a_room_that_says_nothing_keeps_everything(server: InProcessServer, alice: Client) -> None:
    room_id = await alice.create_room()
    await alice.send(room_id, "kept")
    await server.clock.advance(3 * HOUR_S)
    assert await shown(alice, room_id) == {"messages": ["kept"], "sync": ["kept"]}
    assert b"kept" in await stored(server, room_id)


async def test_the_server_may_have_a_default(alice: Client) -> None:
    settings = RetentionSettings(enabled=True, default_max_lifetime_s=HOUR_S, purge_interval_s=600)
    async with running_server(lenient_settings(retention=settings)) as server:
        bob = await server.register("bob")
        room_id = await bob.create_room()
        await bob.send(room_id, "secret")
        await server.clock.advance(HOUR_S + 700)
        assert await shown(bob, room_id) == {"messages": [], "sync": []}
        assert b"secret" not in await stored(server, room_id)


async def test_without_it_switched_on_rooms_keep_everything() -> None:
    async with running_server() as server:
        bob = await server.register("bob")
        room_id = await forgetful_room(bob, lifetime_s=1)
        await bob.send(room_id, "kept")
        await server.clock.advance(HOUR_S)
        assert (await shown(bob, room_id))["messages"] == ["kept"]
