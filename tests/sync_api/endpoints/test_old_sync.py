"""GET /events, /initialSync and /events/{eventId}, which /sync has replaced; and looking into a room with /events."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from tests.in_process import Client, InProcessServer, running_server

WORLD_READABLE = {
    "type": "m.room.history_visibility",
    "state_key": "",
    "content": {"history_visibility": "world_readable"},
}


async def events(client: Client, query: str = "timeout=0") -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"/events?{query}", expect=200)).json
    return answer


def bodies(answer: dict[str, Any]) -> list[str]:
    return [event["content"]["body"] for event in answer["chunk"] if "body" in event["content"]]


async def waiting(server: InProcessServer, client: Client, query: str) -> asyncio.Task[dict[str, Any]]:
    poll = asyncio.create_task(events(client, query))
    await server.clock.advance(1)
    assert not poll.done()
    return poll


async def test_events_of_all_rooms_come_once_and_in_order() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        answer = await events(bob)
        assert answer["chunk"] == []
        poll = await waiting(server, bob, f"from={answer['end']}&timeout=10000")
        await alice.send(room_id, "first")
        answer = await poll
        assert bodies(answer) == ["first"]
        assert answer["chunk"][0]["room_id"] == room_id
        await alice.send(room_id, "second")
        assert bodies(await events(bob, f"from={answer['end']}&timeout=0")) == ["second"]


async def test_events_without_news_end_in_time() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        poll = await waiting(server, alice, "timeout=5000")
        await server.clock.advance(5)
        assert (await poll)["chunk"] == []


async def test_invite_is_an_event() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        since = (await events(bob))["end"]
        room_id = await alice.create_room(invite=[bob.user_id])
        (invite,) = (await events(bob, f"from={since}&timeout=0"))["chunk"]
        assert (invite["room_id"], invite["content"]["membership"]) == (room_id, "invite")


async def test_bad_token_or_room_is_refused() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        for query in ("from=nonsense", "room_id=nonsense", "timeout=-1"):
            await alice.get(f"/events?{query}", expect=400)


async def test_initial_sync_has_rooms_invites_and_account_data() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id, left_id = [await alice.create_room(preset="public_chat", name=name) for name in ("stays", "left")]
        for joined in (room_id, left_id):
            await bob.join(joined)
        for number in range(5):
            await alice.send(room_id, f"{number}")
        await bob.post(f"/rooms/{quote(left_id)}/leave", expect=200)
        invited_id = await alice.create_room(invite=[bob.user_id])
        answer = (await bob.get("/initialSync?limit=2&archived=true", expect=200)).json
        rooms = {room["room_id"]: room for room in answer["rooms"]}
        assert {name: room["membership"] for name, room in rooms.items()} == {
            room_id: "join",
            left_id: "leave",
            invited_id: "invite",
        }
        assert [event["content"]["body"] for event in rooms[room_id]["messages"]["chunk"]] == ["3", "4"]
        assert "m.room.name" in {event["type"] for event in rooms[room_id]["state"]}
        assert rooms[invited_id]["invite"]["state_key"] == bob.user_id
        assert "m.push_rules" in {event["type"] for event in answer["account_data"]}
        assert left_id not in {room["room_id"] for room in (await bob.get("/initialSync", expect=200)).json["rooms"]}
        await alice.send(room_id, "later")
        assert bodies(await events(bob, f"from={answer['end']}&timeout=0")) == ["later"]


async def test_initial_sync_of_a_ban_says_so() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        await alice.post(f"/rooms/{quote(room_id)}/ban", {"user_id": bob.user_id}, expect=200)
        (room,) = (await bob.get("/initialSync?archived=true", expect=200)).json["rooms"]
        assert room["membership"] == "ban"


async def test_one_event_by_its_id_alone_for_who_may_see_it() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        event_id = await alice.send(await alice.create_room(), "secret")
        assert (await alice.get(f"/events/{quote(event_id)}", expect=200)).json["content"]["body"] == "secret"
        assert (await bob.get(f"/events/{quote(event_id)}", expect=404)).json["errcode"] == "M_NOT_FOUND"
        await alice.get("/events/%24nothing", expect=404)


async def test_who_is_not_in_a_world_readable_room_hears_what_happens_there() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(initial_state=[WORLD_READABLE])
        await alice.send(room_id, "before")
        peek = f"room_id={quote(room_id)}&timeout=10000"
        polls = [await waiting(server, bob, peek) for _ in range(2)]
        await alice.send(room_id, "first")
        for poll in polls:
            answer = await poll
            assert bodies(answer) == ["first"]
        await alice.send(room_id, "second")
        assert bodies(await events(bob, f"{peek}&from={answer['end']}")) == ["second"]
        assert server.sync_api.rooms.users_in(room_id) == set()


async def test_peeking_goes_on_page_by_page() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(initial_state=[WORLD_READABLE])
        since = (await events(bob))["end"]
        for number in range(130):
            await alice.send(room_id, f"{number}")
        told: list[str] = []
        for _ in range(3):
            answer = await events(bob, f"room_id={quote(room_id)}&timeout=0&from={since}")
            told, since = told + bodies(answer), answer["end"]
        assert told == [f"{number}" for number in range(130)]


async def test_nobody_peeks_into_other_rooms_and_not_longer_than_they_may() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        private_id = await alice.create_room()
        await bob.get(f"/events?room_id={quote(private_id)}&timeout=0", expect=403)
        await bob.get("/events?room_id=%21nowhere&timeout=0", expect=403)
        room_id = await alice.create_room(initial_state=[WORLD_READABLE])
        poll = asyncio.create_task(bob.get(f"/events?room_id={quote(room_id)}&timeout=10000", expect=403))
        await server.clock.advance(1)
        path = f"/rooms/{quote(room_id)}/state/m.room.history_visibility"
        await alice.put(path, {"history_visibility": "shared"}, expect=200)
        await alice.send(room_id, "secret")
        await poll


async def test_member_who_asks_for_one_room_hears_of_that_alone() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        one, other = await alice.create_room(), await alice.create_room()
        since = (await events(alice))["end"]
        await alice.send(other, "other")
        await alice.send(one, "one")
        assert bodies(await events(alice, f"room_id={quote(one)}&from={since}&timeout=0")) == ["one"]
