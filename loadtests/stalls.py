"""For how long does one expensive request hold up everybody else of the process? In a room of many members.

    python -m loadtests.stalls [--members 10000]

`plexus up`, all in one: the worst case, for all components share one event loop. A prober asks for
`/_matrix/client/versions` without a pause; its longest answer while a request runs is, less what it takes otherwise,
the longest that the loop stood still.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from loadtests.client import Connection, User, register
from loadtests.herd import Server
from loadtests.scenarios import sync_path

REGISTERED_AT_ONCE = 8


class Prober:
    def __init__(self, port: int) -> None:
        self._connection = Connection("127.0.0.1", port)
        self.longest_ms = 0.0

    async def probe_for_ever(self) -> None:
        while True:
            began_s = time.perf_counter()
            await self._connection.request("GET", "/_matrix/client/versions")
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - began_s) * 1000)

    def close(self) -> None:
        self._connection.close()


async def run(members: int) -> None:
    with tempfile.TemporaryDirectory(prefix="plexus-stalls-") as directory:
        server = Server(Path(directory))
        await server.start()
        try:
            users, room_id = await populate(server.port, members)
            prober = Prober(server.port)
            probing = asyncio.create_task(prober.probe_for_ever())
            newcomer = await register("127.0.0.1", server.port, "newcomer")
            room = f"/rooms/{quote(room_id)}"
            requests: dict[str, Callable[[], Awaitable[object]]] = {
                "nothing, for a second": lambda: asyncio.sleep(1),
                "GET /members": lambda: users[0].call("GET", f"{room}/members"),
                "GET /joined_members": lambda: users[0].call("GET", f"{room}/joined_members"),
                "GET /state": lambda: users[0].call("GET", f"{room}/state"),
                "initial sync, all members": lambda: users[1].call("GET", sync_path(1)),
                "initial sync, lazy members": lambda: users[2].call("GET", sync_path(2, lazy=True)),
                "join": lambda: newcomer.join(room_id),
                "send": lambda: users[0].send(room_id, "stall", "hello"),
            }
            print("| request | took, ms | longest answer to another, ms |\n|---|---|---|")
            for name, call in requests.items():
                await asyncio.sleep(0.3)
                prober.longest_ms, began_s = 0.0, time.perf_counter()
                await call()
                took_ms = (time.perf_counter() - began_s) * 1000
                await asyncio.sleep(0.05)
                print(f"| {name} | {took_ms:.0f} | {prober.longest_ms:.1f} |", flush=True)
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            prober.close()
            for user in (*users, newcomer):
                user.connection.close()
        finally:
            server.stop()


async def populate(port: int, members: int) -> tuple[list[User], str]:
    """So many users in one room."""
    founder = await register("127.0.0.1", port, "founder")
    room_id = str((await founder.call("POST", "/createRoom", {"preset": "public_chat"}))["room_id"])
    gate = asyncio.Semaphore(REGISTERED_AT_ONCE)

    async def settle(number: int) -> User:
        async with gate:
            user = await register("127.0.0.1", port, f"member{number}")
            await user.join(room_id)
            user.connection.close()
            return user

    return [founder, *await asyncio.gather(*map(settle, range(members - 1)))], room_id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=10_000)
    asyncio.run(run(parser.parse_args().members))


if __name__ == "__main__":
    main()
