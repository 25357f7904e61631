"""Relations over real processes, two of each: what any gateway and any sync worker tells, also after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from tests.end_to_end.client import Client, Json, Refused
from tests.end_to_end.load import scene
from tests.end_to_end.server import PlexusServer, is_alive, wait_until

pytestmark = pytest.mark.slow
V1 = "/_matrix/client/v1"
LIMITED = quote('{"room":{"timeline":{"limit":4}}}')


class Relating:
    """What one client sends into one room, again until it is acknowledged."""

    def __init__(self, client: Client, room_id: str) -> None:
        self.client = client
        self.path = f"/rooms/{quote(room_id)}"

    async def put(self, path: str, content: Json) -> str:
        path = f"{self.path}/{path}/{uuid4().hex}"
        async with asyncio.timeout(60):
            while True:
                try:
                    return str((await self.client.request("PUT", path, content))["event_id"])
                except aiohttp.ClientError:
                    pass
                except Refused as refused:
                    if refused.status < 500:
                        raise
                await asyncio.sleep(0.05)

    async def relate(self, rel_type: str, parent: str, **more: str) -> str:
        content: Json = {"msgtype": "m.text", "body": "text", "m.relates_to": {"rel_type": rel_type, **more}}
        content["m.relates_to"]["event_id"] = parent
        if rel_type == "m.replace":
            content["m.new_content"] = {"msgtype": "m.text", "body": "new"}
        return await self.put("send/m.reaction" if "key" in more else "send/m.room.message", content)

    async def redact(self, event_id: str) -> None:
        await self.put(f"redact/{quote(event_id)}", {})


async def related(client: Client, room_id: str, parent: str, query: str = "") -> list[str]:
    """All of them, page by page, newest first."""
    path = f"{V1}/rooms/{quote(room_id)}/relations/{quote(parent)}{query or '?limit=7'}"
    page, found = await client.request("GET", path), []
    while True:
        found += [event["event_id"] for event in page["chunk"]]
        if "next_batch" not in page:
            return found
        page = await client.request("GET", f"{path}&from={quote(page['next_batch'])}")


async def bundled(client: Client, room_id: str, event_id: str) -> Json:
    event = await client.request("GET", f"/rooms/{quote(room_id)}/event/{quote(event_id)}")
    relations: Json = event["unsigned"].get("m.relations", {})
    return relations


async def test_what_is_bundled_is_the_same_everywhere(two_of_each: PlexusServer) -> None:
    addresses = [two_of_each.addresses(name) for name in ("api_gateway", "sync_api")]
    assert [len(found) for found in addresses] == [2, 2]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(two_of_each.base_url)) for _ in range(2)]
        [room_id] = await scene(clients, room_count=1)
        alice, bob = [Relating(client, room_id) for client in clients]
        root = await clients[0].send(room_id, "root", "root")
        edit = await alice.relate("m.replace", root)
        reply = await bob.relate("m.thread", root)
        await bob.relate("m.annotation", root, key="+1")
        with pytest.raises(Refused, match="M_DUPLICATE_ANNOTATION"):
            await bob.relate("m.annotation", root, key="+1")
        seen: list[Any] = []
        for gateway in addresses[0]:
            clients[1].base_url = gateway
            seen.append(await bundled(clients[1], room_id, root))
            page = await clients[1].request("GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=9")
            seen += [e["unsigned"]["m.relations"] for e in page["chunk"] if e["event_id"] == root]
            [listed] = (await clients[1].request("GET", f"{V1}/rooms/{quote(room_id)}/threads"))["chunk"]
            seen.append(listed["unsigned"]["m.relations"])
        for worker in addresses[1]:
            clients[1].base_url = worker
            answer = await clients[1].request("GET", f"/sync?filter={LIMITED}")
            events = answer["rooms"]["join"][room_id]["timeline"]["events"]
            seen += [event["unsigned"]["m.relations"] for event in events if event["event_id"] == root]
        assert len(seen) == 8
        for relations in seen:
            assert relations["m.replace"]["event_id"] == edit
            thread = relations["m.thread"]
            assert (thread["count"], thread["latest_event"]["event_id"]) == (1, reply)
            assert thread["current_user_participated"] is True


async def test_a_killed_roomserver_loses_no_relation_and_doubles_none(two_of_each: PlexusServer) -> None:
    await assert_relations_survive_a_killed_roomserver(two_of_each)
    wait_until(
        "the killed worker is started again",
        lambda: sum(p["component"] == "roomserver" and is_alive(p["pid"]) for p in two_of_each.running()) == 2,
    )


async def assert_relations_survive_a_killed_roomserver(server: PlexusServer) -> None:
    """Of two roomservers, while several clients reply, react and redact in several rooms."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server.base_url)) for _ in range(4)]
        room_ids = await scene(clients, room_count=4)
        roots = {room_id: await clients[0].send(room_id, "root", "root") for room_id in room_ids}
        replies: dict[str, list[str]] = {room_id: [] for room_id in room_ids}
        stop = asyncio.Event()

        async def talk(client: Client) -> None:
            count = 0
            while not stop.is_set():
                room_id = room_ids[count % len(room_ids)]
                relating = Relating(client, room_id)
                sent = await relating.relate("m.thread", roots[room_id])
                if count % 3 == 2:
                    await relating.redact(sent)
                else:
                    replies[room_id].append(sent)
                await relating.relate("m.annotation", roots[room_id], key=f"{client.user_id} {count}")
                count += 1

        tasks = [asyncio.create_task(talk(client)) for client in clients]
        await asyncio.sleep(1)
        victims = [process["pid"] for process in server.running() if process["component"] == "roomserver"]
        os.kill(next(pid for pid in victims if is_alive(pid)), signal.SIGKILL)
        before = sum(map(len, replies.values()))
        await asyncio.to_thread(
            wait_until, "they go on in every room", lambda: sum(map(len, replies.values())) > before + 40, 60
        )
        stop.set()
        await asyncio.gather(*tasks)
        for room_id, root in roots.items():
            found = await related(clients[1], room_id, root, "/m.thread?limit=7")
            assert sorted(found) == sorted(replies[room_id])
            thread = (await bundled(clients[1], room_id, root))["m.thread"]
            assert (thread["count"], thread["latest_event"]["event_id"]) == (len(found), found[0])
            [listed] = (await clients[2].request("GET", f"{V1}/rooms/{quote(room_id)}/threads"))["chunk"]
            assert listed["event_id"] == root
            reactions = await related(clients[0], room_id, root, "/m.annotation?limit=50")
            assert len(reactions) == len(set(reactions))
