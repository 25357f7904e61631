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

from loadtests.client import CLIENT, Connection, RequestFailed, User, register
from loadtests.herd import Server
from loadtests.scenarios import sync_path

REGISTERED_AT_ONCE = 8


class Prober:
    def __init__(self, port: int) -> None:
        self._connection = Connection("127.0.0.1", port)
        self.longest_ms = 0.0
        self.is_over = False

    async def probe_until_over(self) -> None:
        while not self.is_over:
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
            probing = asyncio.create_task(prober.probe_until_over())
            newcomer = await register("127.0.0.1", server.port, "newcomer")
            room = f"/rooms/{quote(room_id)}"
            requests: dict[str, Callable[[], Awaitable[object]]] = {
                "nothing, for a second": lambda: asyncio.sleep(1),
                "GET /members": lambda: read(users[0], f"{room}/members"),
                "GET /joined_members": lambda: read(users[0], f"{room}/joined_members"),
                "GET /state": lambda: read(users[0], f"{room}/state"),
                "initial sync, all members": lambda: read(users[1], sync_path(1)),
                "initial sync, lazy members": lambda: read(users[2], sync_path(2, lazy=True)),
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
            prober.is_over = True
            await probing
            prober.close()
            for user in (*users, newcomer):
                user.connection.close()
        finally:
            server.stop()


async def read(user: User, path: str) -> None:
    """Without parsing the answer: this process would stand still for as long as that takes, the prober with it."""
    status, _ = await user.connection.request("GET", CLIENT + path, token=user.token, parse=False)
    if status != 200:
        raise RequestFailed(f"GET {path} -> {status}")


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
