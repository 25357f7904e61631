"""To-device messages while the shards of users move and their owners die: each is told once, in the sender's order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.server import PlexusServer, is_alive

pytestmark = pytest.mark.slow
RECEIVERS = 4
LAST = -1
"""The number of the message after which no other comes."""


@pytest.fixture
def two_of_each_alone(tmp_path: Path) -> Iterator[PlexusServer]:
    """Of this test alone: its shards are moved about, and a worker is killed."""
    server = PlexusServer(tmp_path, "--processes", "--replicas", "userserver=2,api_gateway=2,sync_api=2")
    yield server.start()
    server.close()


async def send_until_acknowledged(sender: Client, receivers: list[Client], number: int) -> None:
    """The same transaction until there is an answer, as clients do; a 200 means that it is there, for everybody."""
    body = {"messages": {receiver.user_id: {"*": {"number": number}} for receiver in receivers}}
    async with asyncio.timeout(60):
        while True:
            try:
                await sender.request("PUT", f"/sendToDevice/m.test/t{number}", body)
                return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
            except Refused as refused:
                if refused.status < 500:
                    raise
                await asyncio.sleep(0.05)


async def listen(receiver: Client) -> list[int]:
    """What a sync loop hears that goes on from the last token that it has got an answer with."""
    heard: list[int] = []
    since = ""
    while LAST not in heard:
        try:
            answer = await receiver.sync(since, timeout_ms=1000)
        except (aiohttp.ClientError, Refused):
            await asyncio.sleep(0.05)
            continue
        heard += [event["content"]["number"] for event in answer.get("to_device", {}).get("events", [])]
        since = answer["next_batch"]
    assert "to_device" not in await receiver.sync(since)
    return heard


def userservers(server: PlexusServer) -> list[int]:
    return [p["pid"] for p in server.running() if p["component"] == "userserver" and is_alive(p["pid"])]


async def disturb(server: PlexusServer) -> None:
    """Shards of users go to one worker and to the other, then one of the workers is killed."""
    for worker in ("userserver-2", "userserver"):
        for number in range(3):
            moved = await asyncio.to_thread(server.plexus, "shards", "move", f"user.{number}", worker)
            assert moved.returncode == 0, moved.stderr
    os.kill(userservers(server)[0], signal.SIGKILL)
    await asyncio.sleep(2)


async def test_no_message_is_lost_or_doubled_while_user_shards_move_and_an_owner_is_killed(
    two_of_each_alone: PlexusServer,
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(two_of_each_alone.base_url)) for _ in range(RECEIVERS + 1)]
        for number, client in enumerate(clients):
            await client.register(f"user{number}")
        sender, *receivers = clients
        listening = [asyncio.create_task(listen(receiver)) for receiver in receivers]
        disturbing = asyncio.create_task(disturb(two_of_each_alone))
        sent = 0
        while not disturbing.done():
            await send_until_acknowledged(sender, receivers, sent)
            sent += 1
        await disturbing
        await send_until_acknowledged(sender, receivers, LAST)
        async with asyncio.timeout(60):
            for heard in await asyncio.gather(*listening):
                assert heard == [*range(sent), LAST]
        assert sent > 50
