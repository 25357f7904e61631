"""Search with two of everything: a killed search worker, or a killed server, misses nothing and finds nothing twice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.load import Load, scene
from tests.end_to_end.server import PlexusServer, is_alive, wait_until

pytestmark = pytest.mark.slow
SENDERS = 4
FOUND_WITHIN_S = 20.0


async def page(client: Client, term: str, token: str) -> dict[str, Any]:
    query = f"?next_batch={token}" if token else ""
    criteria = {"search_term": term, "order_by": "recent", "filter": {"limit": 100}}
    body = {"search_categories": {"room_events": criteria}}
    try:
        answer = await client.request("POST", f"/search{query}", body)
    except aiohttp.ServerDisconnectedError:  # a connection to the server before it was killed
        answer = await client.request("POST", f"/search{query}", body)
    found: dict[str, Any] = answer["search_categories"]["room_events"]
    return found


async def found_event_ids(client: Client, term: str) -> list[str]:
    """All that is found, page by page."""
    event_ids: list[str] = []
    token = ""
    while True:
        found = await page(client, term, token)
        event_ids += [result["result"]["event_id"] for result in found["results"]]
        token = found.get("next_batch", "")
        if not token:
            return event_ids


async def assert_all_are_found_once(client: Client, load: Load) -> None:
    """Once the index has come up with what was sent; nothing is ever found twice meanwhile."""
    acknowledged = {event_id for texts in load.acknowledged.values() for event_id in texts.values()}
    loop = asyncio.get_running_loop()
    end_s = loop.time() + FOUND_WITHIN_S
    while True:
        counted = Counter(
            [event_id for sender in range(SENDERS) for event_id in await found_event_ids(client, str(sender))]
        )
        missing = acknowledged - counted.keys()
        if not missing:
            return
        assert loop.time() < end_s, f"{len(missing)} of {len(acknowledged)} messages are not found"
        await asyncio.sleep(0.2)


async def assert_none_is_found_twice(client: Client) -> None:
    for sender in range(SENDERS):
        event_ids = await found_event_ids(client, str(sender))
        assert len(event_ids) == len(set(event_ids))


def search_workers(server: PlexusServer) -> list[int]:
    return [p["pid"] for p in server.running() if p["component"] == "search" and is_alive(p["pid"])]


def lose_index(directory: Path) -> None:
    indexes = list(directory.rglob("search/room.*.sqlite3"))
    assert indexes
    shutil.rmtree(indexes[0].parent)


async def test_search_worker_killed_under_load_misses_nothing(two_of_each: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(two_of_each.base_url)) for _ in range(SENDERS)]
        load = Load(await scene(clients), clients).start()
        await load.reach(60)
        os.kill(search_workers(two_of_each)[0], signal.SIGKILL)
        await load.reach(load.count + 100)
        await load.finish()
        await assert_all_are_found_once(clients[0], load)
        await assert_none_is_found_twice(clients[0])
    wait_until("the killed worker is started again", lambda: len(search_workers(two_of_each)) == 2)


async def test_server_killed_or_its_index_lost_finds_everything_once(new_server: PlexusServer, tmp_path: Path) -> None:
    new_server.start()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(new_server.base_url)) for _ in range(SENDERS)]
        load = Load(await scene(clients), clients).start()
        await load.reach(100)
        new_server.kill()
        await load.abandon()
        new_server.start()
        await assert_all_are_found_once(clients[0], load)
        await assert_none_is_found_twice(clients[0])
        new_server.kill()
        lose_index(tmp_path)
        new_server.start()
        await assert_all_are_found_once(clients[0], load)
        await assert_none_is_found_twice(clients[0])


async def test_people_are_found_through_any_gateway(two_of_each: PlexusServer) -> None:
    async with Client(two_of_each.base_url) as asker, Client(two_of_each.base_url) as friend:
        await asker.register("searching")
        await friend.register("zacharias")
        room_id = await asker.create_room(preset="public_chat")
        await friend.join(room_id)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + FOUND_WITHIN_S
        seen = 0
        while seen < 4:  # gateways and search workers take turns
            answer = await asker.request("POST", "/user_directory/search", {"search_term": "zach"})
            seen = seen + 1 if [user["user_id"] for user in answer["results"]] == [friend.user_id] else 0
            assert loop.time() < end_s
            await asyncio.sleep(0.05)
