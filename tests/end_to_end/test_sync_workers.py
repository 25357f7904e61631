"""Two sync workers over real processes: unread notifications, old endpoints and tokens, whichever worker answers."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.load import scene
from tests.end_to_end.server import PlexusServer, is_alive, wait_until

pytestmark = pytest.mark.slow
THREADS = quote('{"room":{"timeline":{"limit":3,"unread_thread_notifications":true}}}')


def sync_workers(server: PlexusServer) -> list[str]:
    return server.addresses("sync_api")


async def send(client: Client, room_id: str, txn_id: str, **content: Any) -> str:
    path = f"/rooms/{quote(room_id)}/send/m.room.message/{txn_id}"
    body = {"msgtype": "m.text", "body": txn_id, **content}
    return str((await client.request("PUT", path, body))["event_id"])


async def unread_at(client: Client, worker: str, room_id: str) -> Any:
    """(notifications, highlights) of the main timeline, and notifications by thread."""
    client.base_url, at = worker, client.base_url
    try:
        room = (await client.request("GET", f"/sync?filter={THREADS}"))["rooms"]["join"][room_id]
    finally:
        client.base_url = at
    main = room["unread_notifications"]
    threads = room.get("unread_thread_notifications", {})
    by_thread = {root: counts["notification_count"] for root, counts in threads.items()}
    return main["notification_count"], main["highlight_count"], by_thread


async def test_unread_notifications_are_the_same_at_every_worker_and_at_one_that_was_started_anew(
    two_of_each: PlexusServer,
) -> None:
    async with AsyncExitStack() as stack:
        alice, bob = [await stack.enter_async_context(Client(two_of_each.base_url)) for _ in range(2)]
        [room_id] = await scene([alice, bob], room_count=1)
        root = await send(alice, room_id, "root")
        relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
        for number in range(3):
            await send(alice, room_id, f"reply {number}", **relation)
        sent = [await send(alice, room_id, f"message {number}") for number in range(4)]
        mention = {"m.mentions": {"user_ids": [bob.user_id]}}
        await send(alice, room_id, "mention", **mention)
        for worker in sync_workers(two_of_each):
            assert await unread_at(bob, worker, room_id) == (6, 1, {root: 3})
        await bob.request(
            "POST", f"/rooms/{quote(room_id)}/receipt/m.read.private/{quote(sent[-1])}", {"thread_id": "main"}
        )
        await alice.request("PUT", f"/rooms/{quote(room_id)}/redact/{quote(sent[0])}/redact", {})
        listed = (await bob.request("GET", "/notifications?only=highlight"))["notifications"]
        assert [(one["event"]["content"]["body"], one["read"]) for one in listed] == [("mention", False)]
        for worker in sync_workers(two_of_each):
            assert await unread_at(bob, worker, room_id) == (1, 1, {root: 3})
        victim = next(p["pid"] for p in two_of_each.running() if p["component"] == "sync_api" and is_alive(p["pid"]))
        os.kill(victim, signal.SIGKILL)

        def is_there_again() -> bool:
            alive = [p["pid"] for p in two_of_each.running() if p["component"] == "sync_api" and is_alive(p["pid"])]
            return len(alive) == 2 and victim not in alive

        await asyncio.to_thread(wait_until, "the killed worker is started again", is_there_again)
        await send(alice, room_id, "later")
        for worker in sync_workers(two_of_each):
            assert await unread_at(bob, worker, room_id) == (2, 1, {root: 3})


async def test_old_endpoints_go_on_from_any_workers_tokens(two_of_each: PlexusServer) -> None:
    async with AsyncExitStack() as stack:
        alice, bob = [await stack.enter_async_context(Client(two_of_each.base_url)) for _ in range(2)]
        [room_id] = await scene([alice, bob], room_count=1)
        visibility = {"history_visibility": "world_readable"}
        peeked_id = await alice.create_room(
            initial_state=[{"type": "m.room.history_visibility", "state_key": "", "content": visibility}]
        )
        at = bob.base_url
        since = (await bob.request("GET", "/initialSync?limit=1"))["end"]
        told: list[str] = []
        for number, worker in enumerate(sync_workers(two_of_each) * 2):
            await send(alice, room_id, f"news {number}")
            await send(alice, peeked_id, f"peeked {number}")
            bob.base_url = worker
            peek = f"/events?from={quote(since)}&timeout=10000&room_id={quote(peeked_id)}"
            answers = [await bob.request("GET", peek)]
            answers.append(await bob.request("GET", f"/events?from={quote(since)}&timeout=10000"))
            since = answers[-1]["end"]
            told += [event["content"]["body"] for answer in answers for event in answer["chunk"]]
        bob.base_url = at
        assert told == [f"{what} {number}" for number in range(4) for what in ("peeked", "news")]
