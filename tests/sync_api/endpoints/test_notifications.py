"""GET /notifications."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.in_process import Client, running_server


async def page(client: Client, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"/notifications?{query}", expect=200)).json
    return answer


def bodies(answer: dict[str, Any]) -> list[str]:
    return [one["event"]["content"]["body"] for one in answer["notifications"]]


async def test_notifications_of_all_rooms_come_newest_first_page_by_page() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        rooms = [await alice.create_room(preset="public_chat") for _ in range(3)]
        for room_id in rooms:
            await bob.join(room_id)
        for number in range(12):
            await server.clock.advance(1)
            await alice.send(rooms[number % 3], f"{number}")
        await bob.send(rooms[0], "my own")
        told: list[str] = []
        answer = await page(bob, "limit=5")
        while True:
            told += bodies(answer)
            if "next_token" not in answer:
                break
            answer = await page(bob, f"limit=5&from={quote(answer['next_token'])}")
        assert told == [f"{number}" for number in reversed(range(12))]
        assert await page(alice) | {"notifications": []} == {"notifications": []}


async def test_notification_tells_its_actions_and_whether_it_was_read() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        await bob.join(room_id)
        first = await alice.send(room_id, "first")
        mention = {"msgtype": "m.text", "body": "second", "m.mentions": {"user_ids": [bob.user_id]}}
        await alice.put(f"/rooms/{quote(room_id)}/send/m.room.message/t", mention, expect=200)
        await bob.post(f"/rooms/{quote(room_id)}/receipt/m.read/{quote(first)}", expect=200)
        second, read = (await page(bob))["notifications"]
        assert (read["read"], second["read"]) == (True, False)
        assert {"set_tweak": "highlight", "value": True} in [
            {**one, "value": one.get("value", True)} for one in second["actions"] if isinstance(one, dict)
        ]
        assert read["actions"][0] == "notify"
        assert second["room_id"] == room_id
        assert bodies(await page(bob, "only=highlight")) == ["second"]


async def test_notifications_look_further_back_than_memory_but_not_before_the_join() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        room_id = await alice.create_room(preset="public_chat")
        for number in range(20):
            await alice.send(room_id, f"before {number}")
        await bob.join(room_id)
        for number in range(60):
            await server.clock.advance(0.01)
            await alice.send(room_id, f"{number}")
        assert bodies(await page(bob, "limit=100")) == [f"{number}" for number in reversed(range(60))]


async def test_token_of_somebody_else_is_refused() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        for token in ("s1", "n", "nbm9uc2Vuc2U=", "n" + "A" * 2000, "nWzEsMl0="):
            answer = await alice.get(f"/notifications?from={token}", expect=400)
            assert answer.json["errcode"] == "M_INVALID_PARAM"
