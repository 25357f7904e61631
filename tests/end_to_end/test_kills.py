"""Processes die at any moment: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.load import Load, scene
from tests.end_to_end.server import PlexusServer, is_alive, read_url, wait_until

pytestmark = pytest.mark.slow
SENDERS = 6


async def test_after_kill_9_every_acknowledged_event_is_there_once(new_server: PlexusServer) -> None:
    new_server.start()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(new_server.base_url)) for _ in range(SENDERS)]
        room_ids = await scene(clients)
        for _ in range(2):
            load = Load(room_ids, clients).start()
            await load.reach(200)
            new_server.kill()
            await load.abandon()
            new_server.start()
            await load.assert_everything_is_there_once(clients[0])
            # The same transactions again, as a client does that got no answer: nothing is sent twice.
            for room_id, acknowledged in load.acknowledged.items():
                for text, event_id in list(acknowledged.items())[-5:]:
                    sender = clients[int(text.partition("-")[0])]
                    assert await sender.send(room_id, text, text) == event_id
            await load.assert_everything_is_there_once(clients[1])
            # The next round sends under names of its own.
            room_ids = [await clients[0].create_room()]
            for client in clients[1:]:
                await client.join(room_ids[0])


@pytest.mark.parametrize("options", [(), ("--processes",)], ids=["one_process", "processes"])
def test_nothing_of_a_killed_server_stays_behind(tmp_path: Path, options: tuple[str, ...]) -> None:
    server = PlexusServer(tmp_path, *options)
    try:
        server.start()
        children = server.children("")
        assert len(children) >= (6 if options else 1)
        server.kill()
        wait_until("all end with the server", lambda: not any(is_alive(pid) for pid in children))
    finally:
        server.close()


@pytest.mark.parametrize("component", ["roomserver", "userserver", "api_gateway", "sync_api"])
async def test_one_of_two_workers_killed_under_load_loses_and_doubles_nothing(
    two_of_each: PlexusServer, component: str
) -> None:
    server = two_of_each
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server.base_url)) for _ in range(SENDERS)]
        room_ids = await scene(clients)
        since = (await clients[1].sync())["next_batch"]
        load = Load(room_ids, clients).start()
        await load.reach(100)
        victim = live_workers(server, component)[0]
        os.kill(victim, signal.SIGKILL)
        await load.reach(load.count + 200)
        await load.finish()
        await load.assert_everything_is_there_once(clients[0])
        await assert_a_long_poll_sees(clients[1], since, room_ids[0], clients[0])
    wait_until("the killed worker is started again", lambda: len(live_workers(server, component)) == 2)


def live_workers(server: PlexusServer, component: str) -> list[int]:
    return [p["pid"] for p in server.running() if p["component"] == component and is_alive(p["pid"])]


async def test_nats_server_killed_under_load_loses_nothing(new_server: PlexusServer) -> None:
    new_server.start()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(new_server.base_url)) for _ in range(SENDERS)]
        room_ids = await scene(clients)
        since = (await clients[1].sync())["next_batch"]
        load = Load(room_ids, clients).start()
        for _ in range(2):
            await load.reach(load.count + 100)
            killed = new_server.children("nats-server")
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            wait_until(
                "nats-server is started again", lambda gone=killed: set(new_server.children("nats-server")) - set(gone)
            )
            await load.reach(load.count + 100)
        await load.finish()
        await load.assert_everything_is_there_once(clients[0])
        await assert_a_long_poll_sees(clients[1], since, room_ids[0], clients[0])


async def test_sigterm_ends_long_polls_with_an_answer_and_exits_with_0(new_server: PlexusServer) -> None:
    new_server.start()
    async with Client(new_server.base_url) as client:
        await client.register("alice")
        since = (await client.sync())["next_batch"]
        waiting = asyncio.create_task(client.sync(since, timeout_ms=30_000))
        metrics_url = new_server.running()[0]["telemetry_url"] + "/metrics"
        waits = "plexus_syncs_waiting 1.0"
        await asyncio.to_thread(wait_until, "the long poll waits", lambda: waits in read_url(metrics_url)[1])
        status = await asyncio.to_thread(new_server.stop)
        assert status == 0
        assert (await waiting)["next_batch"]


async def test_a_restarted_server_goes_on_where_it_was(new_server: PlexusServer) -> None:
    new_server.start()
    async with Client(new_server.base_url) as client:
        await client.register("alice")
        room_id = await client.create_room(name="Attic")
        sent = [await client.send(room_id, f"before {number}", str(number)) for number in range(3)]
        since = (await client.sync())["next_batch"]
        assert await asyncio.to_thread(new_server.stop) == 0
        new_server.start()
        assert await client.send(room_id, "before 2", "2") == sent[2]
        after = await client.send(room_id, "after", "after")
        answer = await client.sync(since)
        events = answer["rooms"]["join"][room_id]["timeline"]["events"]
        assert [event["event_id"] for event in events] == [after]
        assert (await client.request("GET", f"/rooms/{room_id}/state/m.room.name/"))["name"] == "Attic"


async def assert_a_long_poll_sees(reader: Client, since: str, room_id: str, sender: Client) -> None:
    """From the old token on, nothing is lost to a consumer either: it catches up and is woken by what is new."""
    answer = await reader.sync(since)
    last = await sender.send_until_acknowledged(room_id, "the last one", "last")
    async with asyncio.timeout(30):
        while True:
            events = answer.get("rooms", {}).get("join", {}).get(room_id, {}).get("timeline", {}).get("events", [])
            if last in {event["event_id"] for event in events}:
                return
            answer = await reader.sync(answer["next_batch"], timeout_ms=5_000)
