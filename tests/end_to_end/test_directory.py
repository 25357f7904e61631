"""Rooms are found and entered with two of each component, while shards move and workers die."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from tests.end_to_end.client import Client, Json, Refused
from tests.end_to_end.server import PlexusServer, is_alive
from tests.end_to_end.test_shards import plexus_json

pytestmark = pytest.mark.slow
ROOMS = 12
UPGRADES = 4
KILLED_AFTER_S_MAX = 0.06
"""An upgrade takes about half of it."""


@pytest.fixture
def two_of_own(tmp_path: Path) -> Iterator[PlexusServer]:
    """Of one test alone: its shards move, and its workers are killed."""
    server = PlexusServer(tmp_path, "--processes", "--replicas", "roomserver=2,api_gateway=2")
    yield server.start()
    server.close()


@asynccontextmanager
async def users(server: PlexusServer, *names: str) -> AsyncIterator[list[Client]]:
    clients = [Client(server.base_url) for _ in names]
    async with asyncio.timeout(120):
        for client, name in zip(clients, names, strict=True):
            await client.__aenter__()
            await client.register(f"{name}{os.urandom(4).hex()}")
        try:
            yield clients
        finally:
            for client in clients:
                await client.__aexit__(None, None, None)


async def until_answered(act: Callable[[], Awaitable[Json]]) -> Json:
    """As a client does on bad lines: the same again, until there is an answer."""
    while True:
        try:
            return await act()
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
        except Refused as refused:
            if refused.status < 500:
                raise
            await asyncio.sleep(0.05)


async def room_of(client: Client, alias: str) -> str:
    answer = await until_answered(lambda: client.request("GET", f"/directory/room/{quote(alias)}"))
    return str(answer["room_id"])


async def published(client: Client, term: str) -> list[str]:
    """All pages of a search."""
    room_ids: list[str] = []
    wish: Json = {"limit": 5, "filter": {"generic_search_term": term}}
    while True:
        answer = await until_answered(lambda: client.request("POST", "/publicRooms", wish))
        room_ids += [room["room_id"] for room in answer["chunk"]]
        if "next_batch" not in answer:
            return room_ids
        wish["since"] = answer["next_batch"]


async def find_and_enter(alice: Client, bob: Client) -> None:
    """Each step at once after the one that it depends on."""
    term = f"find {os.urandom(4).hex()}"
    names = [f"{term.replace(' ', '-')}-{number}" for number in range(ROOMS)]
    made = [
        alice.create_room(name=f"{term} {number}", room_alias_name=name, visibility="public")
        for number, name in enumerate(names)
    ]
    room_ids = await asyncio.gather(*made)
    server_name = alice.user_id.partition(":")[2]
    for room_id, name in zip(room_ids, names, strict=True):
        assert await room_of(bob, f"#{name}:{server_name}") == room_id
    # Joined by alias, as many as the room's number says: the directory has those with most members first.
    answer = await bob.request("POST", f"/join/{quote(f'#{names[3]}:{server_name}')}", {})
    assert answer["room_id"] == room_ids[3]
    found = await published(bob, term)
    assert (found[0], sorted(found)) == (room_ids[3], sorted(room_ids))
    allow = [{"type": "m.room_membership", "room_id": room_ids[3]}]
    rule = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    restricted = await alice.create_room(preset="private_chat", name="restricted", initial_state=[rule])
    children = [
        {"type": "m.space.child", "state_key": room_id, "content": {"via": [server_name], "order": f"{number:03}"}}
        for number, room_id in enumerate([*room_ids, restricted])
    ]
    space = await alice.create_room(creation_content={"type": "m.space"}, initial_state=children)
    path = f"/_matrix/client/v1/rooms/{quote(space)}/hierarchy?limit=5"
    walked, page = [], await bob.request("GET", path)
    walked += page["rooms"]
    while "next_batch" in page:
        page = await bob.request("GET", f"{path}&from={page['next_batch']}")
        walked += page["rooms"]
    assert [room["room_id"] for room in walked] == [space, *room_ids, restricted]
    await bob.join(restricted)
    summary = await bob.request("GET", f"/_matrix/client/v1/room_summary/{quote(restricted)}")
    assert (summary["membership"], summary["num_joined_members"]) == ("join", 2)
    mutual = await bob.request("GET", f"/_matrix/client/v1/mutual_rooms?user_id={quote(alice.user_id)}")
    assert {room_ids[3], restricted} <= set(mutual["joined"])
    assert mutual["count"] == len(mutual["joined"])


async def test_rooms_are_found_and_entered(two_of_each: PlexusServer) -> None:
    async with users(two_of_each, "alice", "bob") as (alice, bob):
        await find_and_enter(alice, bob)


async def test_a_knock_is_answered(two_of_each: PlexusServer) -> None:
    async with users(two_of_each, "alice", "bob") as (alice, bob):
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        room_id = await alice.create_room(preset="private_chat", name="Club", initial_state=[rule])
        since = (await bob.sync())["next_batch"]
        await bob.request("POST", f"/knock/{quote(room_id)}", {"reason": "please"})
        knocked = (await bob.sync(since, timeout_ms=10_000))["rooms"]["knock"][room_id]["knock_state"]["events"]
        assert {"type": "m.room.name", "content": {"name": "Club"}}.items() <= {
            key: value for event in knocked if event["type"] == "m.room.name" for key, value in event.items()
        }.items()
        await alice.request("POST", f"/rooms/{quote(room_id)}/invite", {"user_id": bob.user_id})
        await bob.join(room_id)


async def test_aliases_and_the_directory_outlive_moves_and_a_killed_roomserver(two_of_own: PlexusServer) -> None:
    async with users(two_of_own, "alice", "bob", "carol") as clients:
        alice, server_name = clients[0], clients[0].user_id.partition(":")[2]
        room_ids: dict[str, str] = {}

        async def make(number: int) -> None:
            """Several want each alias at once; one gets it."""
            name = f"n{number}"
            path = f"/directory/room/{quote(f'#{name}:{server_name}')}"
            rooms = [await client.create_room(name="moving", visibility="public") for client in clients]
            wishes = [
                client.request("PUT", path, {"room_id": room_id})
                for client, room_id in zip(clients, rooms, strict=True)
            ]
            results = await asyncio.gather(*wishes, return_exceptions=True)
            winners = [room_id for room_id, result in zip(rooms, results, strict=True) if isinstance(result, dict)]
            assert len(winners) == 1, results
            room_ids[f"#{name}:{server_name}"] = winners[0]

        async def check() -> None:
            for alias, room_id in list(room_ids.items()):
                assert await room_of(alice, alias) == room_id
            assert len(set(await published(alice, "moving"))) == 3 * len(room_ids)

        async def move() -> None:
            """All shards to one worker, then to the other."""
            for worker in ("roomserver-2", "roomserver"):
                assert (await plexus_json(two_of_own, "shards", "drain", worker))["shards"]
                await plexus_json(two_of_own, "shards", "drain", worker, "--undo")

        await make(0)
        moving = asyncio.create_task(move())
        while not moving.done():
            await make(len(room_ids))
            await check()
        await moving
        victim = next(each["pid"] for each in two_of_own.running() if each["component"] == "roomserver")
        os.kill(victim, signal.SIGKILL)
        await check()
        await make(len(room_ids))
        await check()


async def test_an_upgrade_whose_gateway_is_killed_leaves_one_successor(two_of_own: PlexusServer) -> None:
    async with users(two_of_own, "alice") as (alice,):
        server_name = alice.user_id.partition(":")[2]
        dice = random.Random(1)
        for number in range(UPGRADES):
            name, version = f"up{number}", ("11", "12")[number % 2]
            old = await alice.create_room(name=name, room_alias_name=name, visibility="public")

            async def upgrade(old: str = old, version: str = version) -> Json:
                return await alice.request("POST", f"/rooms/{quote(old)}/upgrade", {"new_version": version})

            asking = asyncio.create_task(until_answered(upgrade))
            await asyncio.sleep(dice.uniform(0, KILLED_AFTER_S_MAX))
            gateways = [each["pid"] for each in two_of_own.running() if each["component"] == "api_gateway"]
            os.kill(next(pid for pid in gateways if is_alive(pid)), signal.SIGKILL)
            successor = (await asking)["replacement_room"]
            path = f"/rooms/{quote(old)}/state/m.room.tombstone"
            tombstone = await until_answered(lambda path=path: alice.request("GET", path))
            assert tombstone["replacement_room"] == successor
            assert await room_of(alice, f"#{name}:{server_name}") == successor
            assert await published(alice, name) == [successor]
        joined = await until_answered(lambda: alice.request("GET", "/joined_rooms"))
        assert len(joined["joined_rooms"]) == 2 * UPGRADES
