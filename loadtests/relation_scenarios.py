"""Threads, relations and what is bundled, in a room of 1,000 threads, and one thread of 500 replies."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from loadtests.client import RequestFailed, User
from loadtests.scenarios import Bench, in_parallel

V1 = "/_matrix/client/v1"
THREADS, REPLIES, PAGES = 1000, 500, 40


class _Room:
    def __init__(self, room_id: str) -> None:
        self.path = f"/rooms/{quote(room_id)}"
        self.token = ""
        self._numbers = iter(range(10**9))

    async def send(self, user: User, rel_type: str = "", parent: str = "", key: str = "") -> str:
        number = next(self._numbers)
        content: dict[str, Any] = {"msgtype": "m.text", "body": f"message {number}"}
        if rel_type:
            content["m.relates_to"] = {"rel_type": rel_type, "event_id": parent}
        if rel_type == "m.replace":
            content["m.new_content"] = {"msgtype": "m.text", "body": "edited"}
        if key:
            content["m.relates_to"]["key"] = key
        event_type = "m.reaction" if key else "m.room.message"
        answer = await user.call("PUT", f"{self.path}/send/{event_type}/r{number}", content)
        return str(answer["event_id"])

    async def page(self, user: User, path: str, pages: int = 5) -> None:
        """The next page, from the beginning again after so many."""
        start = f"&from={quote(self.token)}" if self.token else ""
        status, answer = await user.connection.request("GET", V1 + self.path + path + start, token=user.token)
        if status != 200 or not answer["chunk"]:
            raise RequestFailed(f"{path} -> {status} {answer}")
        self.token = answer.get("next_batch", "") if next(self._numbers) % pages else ""


async def relations(bench: Bench) -> None:
    users = await bench.users(4)
    room = _Room(await bench.room(users[0], users[1:]))
    busy = await room.send(users[0])

    async def thread(n: int) -> None:
        user, other = users[n % 4], users[(n + 1) % 4]
        root = await room.send(user)
        await room.send(other, "m.thread", root)
        if n % 10 == 0:
            await room.send(user, "m.replace", root)

    async def reply(n: int) -> None:
        sent = await room.send(users[n % 4], "m.thread", busy)
        if n % 2:
            await room.send(users[n % 4], "m.annotation", sent, "+1")

    await in_parallel(4, [partial(thread, n) for n in range(THREADS)])
    await in_parallel(4, [partial(reply, n) for n in range(REPLIES)])
    for name, path in (
        ("threads_page_of_20", "/threads?limit=20"),
        ("threads_participated_page_of_20", "/threads?limit=20&include=participated"),
        ("relations_page_of_50", f"/relations/{quote(busy)}/m.thread?limit=50"),
        ("relations_recursive_page_of_50", f"/relations/{quote(busy)}?recurse=true&limit=50"),
    ):
        room.token = ""
        await bench.measure(name, in_parallel(1, [partial(room.page, users[0], path)] * PAGES))
    for name, direction in (("messages_page_of_100_replies", "b"), ("messages_page_of_100_threads", "f")):
        page = partial(users[0].call, "GET", f"{room.path}/messages?dir={direction}&limit=100")
        await bench.measure(name, in_parallel(1, [page] * PAGES))
    replies = [partial(room.send, users[n % 4], "m.thread", busy) for n in range(400)]
    await bench.measure("reply_in_thread", in_parallel(4, replies))
    reactions = [partial(room.send, users[n % 4], "m.annotation", busy, f"key {n}") for n in range(400)]
    await bench.measure("react", in_parallel(4, reactions))
