"""Two users talk, with matrix-nio as their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import nio
import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.server import PlexusServer

# matrix-nio 0.26 uses what its own dependencies have deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@asynccontextmanager
async def nio_user(server: PlexusServer, name: str) -> AsyncIterator[nio.AsyncClient]:
    """A new account, logged in."""
    client = nio.AsyncClient(server.base_url, f"@{name}:localhost")
    try:
        answer = await client.register(name, f"secret of {name}")
        assert isinstance(answer, nio.RegisterResponse), answer
        yield client
    finally:
        await client.close()


def texts(answer: nio.SyncResponse, room_id: str) -> list[str]:
    joined = answer.rooms.join.get(room_id)
    return [event.body for event in joined.timeline.events if isinstance(event, nio.RoomMessageText)] if joined else []


async def synced(client: nio.AsyncClient, timeout_ms: int = 0) -> nio.SyncResponse:
    answer = await client.sync(timeout=timeout_ms)
    assert isinstance(answer, nio.SyncResponse), answer
    return answer


async def test_two_users_chat(server: PlexusServer) -> None:
    suffix = uuid4().hex[:8]
    async with nio_user(server, f"alice-{suffix}") as alice, nio_user(server, f"bob-{suffix}") as bob:
        created = await alice.room_create(name="Tea", invite=[bob.user_id])
        assert isinstance(created, nio.RoomCreateResponse), created
        room_id = created.room_id
        invited = await synced(bob, 10_000)
        assert room_id in invited.rooms.invite
        assert isinstance(await bob.join(room_id), nio.JoinResponse)
        await synced(alice)
        await synced(bob)

        sent = await alice.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": "Two sugars?"})
        assert isinstance(sent, nio.RoomSendResponse), sent
        assert texts(await synced(bob, 10_000), room_id) == ["Two sugars?"]
        await bob.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": "None."})
        answers: list[str] = []
        while "None." not in answers:
            answers += texts(await synced(alice, 10_000), room_id)

        members = await bob.joined_members(room_id)
        assert {member.user_id for member in members.members} == {alice.user_id, bob.user_id}
        page = await bob.room_messages(room_id, start="", limit=50)
        assert isinstance(page, nio.RoomMessagesResponse), page
        assert [event.body for event in page.chunk if isinstance(event, nio.RoomMessageText)] == [
            "None.",
            "Two sugars?",
        ]


async def test_typing_and_receipts_reach_the_other(server: PlexusServer) -> None:
    suffix = uuid4().hex[:8]
    async with nio_user(server, f"carol-{suffix}") as carol, nio_user(server, f"dave-{suffix}") as dave:
        created = await carol.room_create(visibility=nio.RoomVisibility.public)
        room_id = created.room_id
        await dave.join(room_id)
        sent = await carol.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": "hello"})
        await synced(carol)
        await dave.room_typing(room_id, typing_state=True)
        await dave.update_receipt_marker(room_id, sent.event_id)
        seen: set[str] = set()
        while not {"typing", "receipt"} <= seen:
            joined = (await synced(carol, 10_000)).rooms.join.get(room_id)
            for event in joined.ephemeral if joined else []:
                if isinstance(event, nio.TypingNoticeEvent) and dave.user_id in event.users:
                    seen.add("typing")
                if isinstance(event, nio.ReceiptEvent):
                    assert [(r.user_id, r.event_id) for r in event.receipts] == [(dave.user_id, sent.event_id)]
                    seen.add("receipt")


async def test_a_waiting_sync_is_woken_by_a_message(server: PlexusServer) -> None:
    suffix = uuid4().hex[:8]
    async with Client(server.base_url) as erin, Client(server.base_url) as frank:
        await erin.register(f"erin-{suffix}")
        await frank.register(f"frank-{suffix}")
        room_id = await erin.create_room()
        await frank.join(room_id)
        since = (await frank.sync())["next_batch"]
        event_id = await erin.send(room_id, "wake up", "1")
        answer = await frank.sync(since, timeout_ms=20_000)
        events = answer["rooms"]["join"][room_id]["timeline"]["events"]
        assert [event["event_id"] for event in events] == [event_id]


async def test_a_sent_transaction_repeated_gives_the_same_event(server: PlexusServer) -> None:
    async with Client(server.base_url) as client:
        await client.register(f"grace-{uuid4().hex[:8]}")
        room_id = await client.create_room()
        first = await client.send(room_id, "once", "same")
        assert await client.send(room_id, "once", "same") == first
        messages = [e for e in await client.all_messages(room_id) if e["type"] == "m.room.message"]
        assert [event["event_id"] for event in messages] == [first]


async def test_after_logout_the_token_is_dead_everywhere(server: PlexusServer) -> None:
    async with Client(server.base_url) as client:
        await client.register(f"heidi-{uuid4().hex[:8]}")
        for _ in range(4):  # every gateway has it in its cache
            await client.request("GET", "/account/whoami")
        await client.sync()
        await client.request("POST", "/logout", {})
        refusals = 0
        async with asyncio.timeout(10):  # the others hear of it before the logout is answered, but not in no time
            while refusals < 6:
                refusals = refusals + 1 if await is_refused(client, "/account/whoami") else 0
            while not await is_refused(client, "/sync"):
                pass


async def is_refused(client: Client, path: str) -> bool:
    try:
        await client.request("GET", path)
    except Refused as refused:
        return (refused.status, refused.errcode) == (401, "M_UNKNOWN_TOKEN")
    return False
