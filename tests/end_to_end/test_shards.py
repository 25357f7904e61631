"""Shards move between workers while clients talk: no request fails, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.load import scene
from tests.end_to_end.server import PlexusServer

pytestmark = pytest.mark.slow
SENDERS = 4
STALL_S_MAX = 3.0
"""Of one send while shards move, on a machine that does other work too; docs/shards.md has what was measured."""


@pytest.fixture
def two_owners(tmp_path: Path) -> Iterator[PlexusServer]:
    """Of this test alone: it moves its shards about."""
    server = PlexusServer(tmp_path, "--processes", "--replicas", "roomserver=2,userserver=2")
    yield server.start()
    server.close()


async def plexus_json(server: PlexusServer, *arguments: str) -> Any:
    done = await asyncio.to_thread(server.plexus, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class StrictLoad:
    """Sends and account data writes without a pause; every one must succeed at the first try."""

    def __init__(self, clients: list[Client], room_ids: list[str]) -> None:
        self._clients = clients
        self._room_ids = room_ids
        self.longest_s = 0.0
        self.sent: dict[str, list[str]] = {room_id: [] for room_id in room_ids}
        self._is_over = False

    async def send(self, number: int) -> None:
        client, count = self._clients[number], 0
        while not self._is_over:
            room_id, text = self._room_ids[count % len(self._room_ids)], f"{number}-{count}"
            started_s = time.monotonic()
            if count % 5 == 4:
                path = f"/user/{client.user_id}/account_data/test.{number}"
                await client.request("PUT", path, {"count": count})
            else:
                await client.send(room_id, text, text)
                self.sent[room_id].append(text)
            self.longest_s = max(self.longest_s, time.monotonic() - started_s)
            count += 1

    async def during(self, act: Any) -> None:
        tasks = [asyncio.create_task(self.send(number)) for number in range(len(self._clients))]
        await act
        self._is_over = True
        await asyncio.gather(*tasks)


async def move_back_and_forth(server: PlexusServer) -> None:
    for name, workers in (("room", "roomserver"), ("user", "userserver")):
        for number in range(4):
            for worker in (f"{workers}-2", workers):
                moved = await plexus_json(server, "shards", "move", f"{name}.{number}", worker)
                assert moved["shards"] == [f"{name}.{number}"]


async def test_no_request_fails_while_shards_move_back_and_forth(two_owners: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(two_owners.base_url)) for _ in range(SENDERS)]
        room_ids = await scene(clients, room_count=8)
        load = StrictLoad(clients, room_ids)
        await load.during(move_back_and_forth(two_owners))
        for room_id, sent in load.sent.items():
            events = await clients[0].all_messages(room_id)
            stored = [event["content"]["body"] for event in events if event["type"] == "m.room.message"]
            assert sorted(stored) == sorted(sent)
        assert load.longest_s < STALL_S_MAX


async def test_a_drained_worker_owns_nothing_and_says_so(two_owners: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(two_owners.base_url)) for _ in range(SENDERS)]
        load = StrictLoad(clients, await scene(clients, room_count=8))

        async def drain() -> None:
            moved = await plexus_json(two_owners, "shards", "drain", "roomserver-2")
            assert len(moved["shards"]) == 4

        await load.during(drain())
    shards = await plexus_json(two_owners, "shards", "list")
    assert {shard["owner"] for shard in shards if shard["shard"].startswith("room.")} == {"roomserver"}
    refused = two_owners.plexus("shards", "drain", "roomserver")
    assert (refused.returncode, "start another first" in refused.stderr) == (1, True)
    refused = two_owners.plexus("shards", "move", "room.0", "roomserver-2")
    assert (refused.returncode, "is drained" in refused.stderr) == (1, True)
    for wrong in (("room.99", "roomserver"), ("x", "roomserver"), ("room.0", "nobody")):
        refused = two_owners.plexus("shards", "move", *wrong)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert two_owners.plexus("shards", "drain", "roomserver-2", "--undo").returncode == 0
