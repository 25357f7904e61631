"""What grows with a user's rooms, and with a room's members. On a server whose passwords are hashed cheaply.

`many_rooms`   a user in 500 rooms: initial syncs, and an incremental one with one new event
`huge_room`    a room with 10,000 members: one more joins, a member syncs for the first time, somebody sends
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from urllib.parse import quote

from loadtests.client import Connection, User, register_over
from loadtests.scenarios import Bench, in_parallel, sync_path

CONNECTIONS = 8
JOINS_MEASURED = 40
INCREMENTAL_SYNCS = 300


class Crowd:
    """Users who share a few connections."""

    def __init__(self, bench: Bench) -> None:
        self._connections = [bench.connection() for _ in range(CONNECTIONS)]
        self._bench = bench
        self._numbers = count()

    async def users(self, number: int) -> list[User]:
        made: list[User] = []

        async def one() -> None:
            n = next(self._numbers)
            made.append(await register_over(self._connections[n % CONNECTIONS], self._bench.new_name()))

        await in_parallel(CONNECTIONS, [one] * number)
        return made

    def connection(self) -> Connection:
        return self._connections[next(self._numbers) % CONNECTIONS]


async def many_rooms(bench: Bench) -> None:
    """The syncs of a user who is in all the rooms; every room has a few events of its own."""
    number = bench.options.many_rooms
    crowd = Crowd(bench)
    creator, reader = await crowd.users(2)
    rooms = [await bench.room(creator, [reader]) for _ in range(number)]
    await bench.send([creator], rooms, 4, number=3 * number)
    name = f"{number}_rooms"
    for lazy in (False, True):
        calls = [partial(reader.call, "GET", sync_path(n, lazy=lazy)) for n in range(8)]
        await bench.measure(f"{name}_initial_sync_{'lazy' if lazy else 'full'}", in_parallel(1, calls))
    sync_filter = quote(json.dumps({"room": {"state": {"lazy_load_members": True}}}))
    since = (await reader.call("GET", f"/sync?filter={sync_filter}"))["next_batch"]
    # One new event, told again and again: what is measured is the sync alone.
    await creator.send(rooms[number // 2], bench.new_name(), "news")
    call = partial(reader.call, "GET", f"/sync?filter={sync_filter}&since={quote(since)}")
    news = (await call())["rooms"]["join"]
    assert [len(room["timeline"]["events"]) for room in news.values()] == [1]
    await bench.measure(f"{name}_incremental_sync_1_event", in_parallel(1, [call] * INCREMENTAL_SYNCS))


async def huge_room(bench: Bench) -> None:
    number = bench.options.huge_room_members
    crowd = Crowd(bench)
    members = await crowd.users(number + JOINS_MEASURED)
    room_id = await bench.room(members[0])
    await in_parallel(CONNECTIONS, [partial(member.join, room_id) for member in members[1:number]])
    name = f"room_of_{number}"
    joins = [partial(member.join, room_id) for member in members[number:]]
    await bench.measure(f"{name}_join", in_parallel(1, joins))
    calls = [partial(members[100 + n].call, "GET", sync_path(n, lazy=True)) for n in range(20)]
    await bench.measure(f"{name}_initial_sync_lazy", in_parallel(1, calls))
    await bench.measure(f"{name}_send", bench.send(members[:8], [room_id], 1, number=100))


SCENARIOS: dict[str, Callable[[Bench], Awaitable[None]]] = {"many_rooms": many_rooms, "huge_room": huge_room}
