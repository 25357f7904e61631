"""Events to be sent later outlive whoever was to send them, and are sent once."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.end_to_end.client import Client, bodies
from tests.end_to_end.server import PlexusServer, is_alive, wait_until

pytestmark = pytest.mark.slow

TWO_WORKERS = ("--processes", "--replicas", "roomserver=2,api_gateway=2")
EVENTS = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
ROOMS = 6


async def schedule(client: Client, room_id: str, text: str, delay_ms: int) -> str:
    path = f"/rooms/{quote(room_id)}/send/m.room.message/{quote(text)}?org.matrix.msc4140.delay={delay_ms}"
    return str((await client.request("PUT", path, {"msgtype": "m.text", "body": text}))["delay_id"])


async def sent(client: Client, room_ids: list[str]) -> list[str]:
    return [text for room_id in room_ids for text in bodies(await client.all_messages(room_id))]


async def until_sent(client: Client, room_ids: list[str], wanted: set[str]) -> list[str]:
    async with asyncio.timeout(60):
        while True:
            found = await sent(client, room_ids)
            if wanted <= set(found):
                return found
            await asyncio.sleep(0.3)


async def test_they_are_sent_once_although_the_worker_that_knew_them_was_killed(tmp_path: Path) -> None:
    server = PlexusServer(tmp_path, *TWO_WORKERS)
    try:
        server.start()
        async with AsyncExitStack() as stack:
            alice = await stack.enter_async_context(Client(server.base_url))
            await alice.register("alice")
            room_ids = [await alice.create_room() for _ in range(ROOMS)]
            wanted = {f"later {number}" for number in range(ROOMS)}
            for number, room_id in enumerate(room_ids):
                # Some are due while nobody owns their shard, others after its new owner has it.
                await schedule(alice, room_id, f"later {number}", 1500 + 2500 * (number % 3))
            cancelled = await schedule(alice, room_ids[0], "never", 6000)
            victims = [p["pid"] for p in server.running() if p["component"] == "roomserver" and is_alive(p["pid"])]
            os.kill(victims[0], signal.SIGKILL)
            path = f"{EVENTS}/{cancelled}/cancel"
            await alice.request("POST", path, {}, timeout_s=30)
            found = await until_sent(alice, room_ids, wanted)
            # And everything at once: what is due meanwhile is sent by those who come next.
            await schedule(alice, room_ids[1], "after all", 3000)
            server.kill()
            wait_until("all end", lambda: not any(is_alive(p["pid"]) for p in server.running()))
            await asyncio.sleep(3)
            server.start()
            found = await until_sent(alice, room_ids, wanted | {"after all"})
            await asyncio.sleep(1)
            found = await sent(alice, room_ids)
            assert sorted(found) == sorted(wanted | {"after all"})
            left = await alice.request("GET", EVENTS)
            assert left == {"delayed_events": []}
    finally:
        server.close()
