"""The scenarios of the speed bench, each a closed load whose operations are counted and timed.

Each scenario prepares its users and rooms first; only what happens inside
`measure` is counted.
"""

from __future__ import annotations

import asyncio
import json
import random
import string
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from urllib.parse import quote

from loadtests.client import CLIENT, Connection, RequestFailed, User, register
from loadtests.cpu import ServerProcesses

CPU_IDLE_S_PER_HALF_SECOND = 0.03
SETTLE_S_MAX = 60


@dataclass
class Options:
    host: str
    port: int
    seconds: float = 8
    listeners: int = 60
    rooms: int = 30
    big_room_members: int = 500
    search_events: int = 5000
    many_rooms: int = 500
    huge_room_members: int = 10_000
    room_version: str = "10"
    label: str = ""


class Bench:
    """One run against one server; prints a JSON line a scenario and keeps the rows."""

    def __init__(self, options: Options, processes: ServerProcesses) -> None:
        self.options, self.processes = options, processes
        self.rows: list[dict[str, object]] = []
        self._run = "".join(random.choices(string.ascii_lowercase, k=6))
        self._numbers = count()

    def connection(self) -> Connection:
        return Connection(self.options.host, self.options.port)

    def new_name(self) -> str:
        return f"{self._run}{next(self._numbers)}"

    async def users(self, number: int) -> list[User]:
        gate = asyncio.Semaphore(4)

        async def one() -> User:
            async with gate:
                return await register(self.options.host, self.options.port, f"u{self._run}{next(self._numbers)}")

        return list(await asyncio.gather(*(one() for _ in range(number))))

    async def room(self, creator: User, members: list[User] | None = None) -> str:
        body = {"preset": "public_chat", "room_version": self.options.room_version}
        room_id = str((await creator.call("POST", "/createRoom", body))["room_id"])
        await in_parallel(8, [partial(member.join, room_id) for member in members or []])
        return room_id

    async def settle(self) -> bool:
        """Wait until the server is idle: one that answers first and works later pays in its own scenario."""
        started = time.perf_counter()
        before = self.processes.cpu_s()
        while self.processes.root_pids and time.perf_counter() - started < SETTLE_S_MAX:
            await asyncio.sleep(0.5)
            now = self.processes.cpu_s()
            if now - before < CPU_IDLE_S_PER_HALF_SECOND:
                return True
            before = now
        return False

    async def measure(self, scenario: str, load: Awaitable[list[float]]) -> None:
        """Run a load that answers the seconds of each operation; print CPU ms an operation and times."""
        await self.settle()
        cpu_before, started = self.processes.cpu_s(), time.perf_counter()
        seconds = sorted(await load)
        elapsed = time.perf_counter() - started
        settled = await self.settle()
        cpu = self.processes.cpu_s() - cpu_before
        pss, _ = self.processes.memory_mib()
        operations = max(1, len(seconds))
        row: dict[str, object] = {
            "server": self.options.label,
            "scenario": scenario,
            "operations": len(seconds),
            "cpu_ms_per_operation": round(cpu / operations * 1000, 3),
            "per_s": round(operations / elapsed, 1),
            "p50_ms": round(percentile(seconds, 0.5) * 1000, 2),
            "p99_ms": round(percentile(seconds, 0.99) * 1000, 2),
            "pss_mib": round(pss),
            "settled": settled,
        }
        self.rows.append(row)
        print(json.dumps(row), flush=True)

    async def send(
        self, users: list[User], rooms: list[str], clients: int, *, seconds: float = 0, number: int = 0
    ) -> list[float]:
        """`clients` closed loops, for so many seconds or so many messages."""
        times: list[float] = []
        sent = count()
        end = time.perf_counter() + seconds

        async def client(index: int) -> None:
            user, connection = users[index % len(users)], self.connection()
            while (n := next(sent)) < number if number else time.perf_counter() < end:
                n = n if number else next(sent)
                started = time.perf_counter()
                txn_id = f"{self._run}{next(self._numbers)}"
                await user.send(rooms[n % len(rooms)], txn_id, f"hello {n}", connection)
                times.append(time.perf_counter() - started)
            connection.close()

        await asyncio.gather(*(client(index) for index in range(clients)))
        return times


async def in_parallel(clients: int, calls: Sequence[Callable[[], Awaitable[object]]]) -> list[float]:
    """Do the calls with so many at once; answers the seconds of each."""
    times: list[float] = []
    waiting = iter(calls)

    async def client() -> None:
        for call in waiting:
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def percentile(ordered: list[float], fraction: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else 0.0


def sync_path(number: int, *, limit: int = 10, lazy: bool = False) -> str:
    """An initial /sync; the unused not_types makes each filter another one (Synapse keeps answers by filter)."""
    room = {"timeline": {"limit": limit}, "state": {"lazy_load_members": lazy}}
    sync_filter = {"presence": {"not_types": [f"x.{number}"]}, "room": room}
    return "/sync?timeout=0&filter=" + quote(json.dumps(sync_filter, separators=(",", ":")))


async def register_users(bench: Bench) -> None:
    async def one() -> None:
        await bench.users(1)

    await bench.measure("register", in_parallel(1, [one] * 20))


async def create_room(bench: Bench) -> None:
    users = await bench.users(4)
    calls = [partial(bench.room, users[n % 4]) for n in range(40)]
    await bench.measure("create_room", in_parallel(4, calls))


async def send_1_client(bench: Bench) -> None:
    users = await bench.users(2)
    rooms = [await bench.room(users[0], users[1:])]
    await bench.send(users, rooms, 1, seconds=1)
    await bench.measure("send_1_client", bench.send(users, rooms, 1, seconds=3))


async def send_one_room(bench: Bench) -> None:
    users = await bench.users(8)
    rooms = [await bench.room(users[0], users[1:])]
    await bench.send(users, rooms, 4, seconds=1.5)
    await bench.measure("send_64_clients_one_room", bench.send(users, rooms, 64, seconds=bench.options.seconds))


async def send_many_rooms(bench: Bench) -> None:
    users = await bench.users(8)
    rooms = [await bench.room(users[0], users[1:]) for _ in range(20)]
    await bench.send(users, rooms, 4, seconds=1.5)
    await bench.measure("send_16_clients_20_rooms", bench.send(users, rooms, 16, seconds=bench.options.seconds))


async def join(bench: Bench) -> None:
    users = await bench.users(80)
    room_id = await bench.room(users[0])
    calls = [partial(user.join, room_id) for user in users[1:]]
    await bench.measure("join", in_parallel(8, calls))


async def deliver(bench: Bench, *, messages: int = 20, gap_s: float = 0.25) -> None:
    """Members wait in /sync; an operation is one message delivered to one of them."""
    users = await bench.users(bench.options.listeners)
    room_id = await bench.room(users[0], users[1:])
    sync_filter = quote('{"room":{"timeline":{"limit":50}}}')
    sent_at: dict[str, float] = {}
    times: list[float] = []

    async def listen(user: User, since: str) -> None:
        connection, received = bench.connection(), 0
        while received < messages:
            path = f"{CLIENT}/sync?timeout=30000&filter={sync_filter}&since={quote(since)}"
            status, answer = await connection.request("GET", path, token=user.token)
            if status != 200:
                raise RequestFailed(f"sync -> {status} {answer}")
            now, since = time.perf_counter(), answer["next_batch"]
            room = answer.get("rooms", {}).get("join", {}).get(room_id, {})
            for event in room.get("timeline", {}).get("events", []):
                if (text := event.get("content", {}).get("body")) in sent_at:
                    times.append(now - sent_at[text])
                    received += 1
        connection.close()

    tokens = [(await user.call("GET", f"/sync?timeout=0&filter={sync_filter}"))["next_batch"] for user in users]
    listeners = [asyncio.create_task(listen(user, since)) for user, since in zip(users, tokens, strict=True)]
    await asyncio.sleep(1)

    async def load() -> list[float]:
        for n in range(messages):
            sent_at[f"m{n}"] = time.perf_counter()
            await users[0].send(room_id, f"{room_id[1:6]}d{n}", f"m{n}")
            await asyncio.sleep(gap_s)
        await asyncio.wait_for(asyncio.gather(*listeners), 120)
        return times

    await bench.measure(f"deliver_to_{len(users)}_waiting", load())


async def initial_sync(bench: Bench) -> None:
    users = await bench.users(4)
    number = bench.options.rooms
    rooms = [await bench.room(users[n % 4], [u for u in users if u is not users[n % 4]]) for n in range(number)]
    await bench.send(users, rooms, 8, number=10 * number)
    calls = [partial(users[n % 4].call, "GET", sync_path(n)) for n in range(12)]
    await bench.measure(f"initial_sync_{number}_rooms", in_parallel(1, calls))


async def messages_page(bench: Bench) -> None:
    users = await bench.users(2)
    room_id = await bench.room(users[0], users[1:])
    await bench.send(users, [room_id], 8, number=400)
    position = {"from": ""}

    async def page(n: int) -> None:
        answer = await users[0].call("GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=100{position['from']}")
        end = answer.get("end")
        position["from"] = f"&from={quote(end)}" if end and n % 4 != 3 else ""

    await bench.measure("messages_page_of_100", in_parallel(1, [partial(page, n) for n in range(30)]))


async def big_room(bench: Bench) -> None:
    """Sends into a room of many local members, then initial syncs of some of them."""
    users = await bench.users(bench.options.big_room_members)
    room_id = await bench.room(users[0], users[1:])
    name = f"big_room_{len(users)}"
    await bench.send(users[:8], [room_id], 4, number=4)
    await bench.measure(f"{name}_send", bench.send(users[:8], [room_id], 4, number=40))
    for lazy in (True, False):
        calls = [partial(users[20 + n].call, "GET", sync_path(n, lazy=lazy)) for n in range(6)]
        await bench.measure(f"{name}_initial_sync_{'lazy' if lazy else 'full'}", in_parallel(1, calls))


async def message_search(bench: Bench) -> None:
    """Sends of varied text, with what their indexing costs; then searches over all of it."""
    words = random.Random(1)
    vocabulary = ["".join(words.choices(string.ascii_lowercase, k=words.randint(3, 9))) for _ in range(5000)]
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    users = await bench.users(8)
    room_ids = [await bench.room(users[0], users[1:]) for _ in range(bench.options.rooms)]
    numbers = count()

    async def send(n: int) -> None:
        text = " ".join(words.choices(vocabulary, weights, k=words.randint(4, 20)))
        await users[n % 8].send(room_ids[n % len(room_ids)], f"search{next(numbers)}", text)

    sends = [partial(send, n) for n in range(bench.options.search_events)]
    await bench.measure("send_varied_text", in_parallel(8, sends))

    async def search(term: str, order: str) -> None:
        criteria = {"search_term": term, "order_by": order}
        await users[0].call("POST", "/search", {"search_categories": {"room_events": criteria}})

    common, rare = vocabulary[0], vocabulary[400]
    for name, term, order in (
        ("common_word", common, "recent"),
        ("common_word", common, "rank"),
        ("rare", rare, "rank"),
    ):
        await bench.measure(f"search_{name}_{order}", in_parallel(2, [partial(search, term, order)] * 100))


async def user_directory(bench: Bench) -> None:
    """As somebody types the beginning of a name, among users of one public room."""
    users = await bench.users(bench.options.big_room_members)
    await bench.room(users[0], users[1:])
    await bench.settle()

    async def search(n: int) -> None:
        name = users[n % len(users)].user_id[1:].partition(":")[0]
        await users[0].call("POST", "/user_directory/search", {"search_term": name[: 3 + n % 6], "limit": 10})

    await bench.measure(f"user_directory_{len(users)}", in_parallel(2, [partial(search, n) for n in range(200)]))


SCENARIOS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "register": register_users,
    "create_room": create_room,
    "send_1_client": send_1_client,
    "send_one_room": send_one_room,
    "send_many_rooms": send_many_rooms,
    "join": join,
    "deliver": deliver,
    "initial_sync": initial_sync,
    "messages": messages_page,
    "big_room": big_room,
    "message_search": message_search,
    "user_directory": user_directory,
}
