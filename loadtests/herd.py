"""The herd: a server comes back after an outage, and everybody reconnects within a second.

    python -m loadtests.herd [--clients 1000] [--rooms 50] [--rooms-a-user 10] [--json]

Half of the clients have a token from before, half begin anew; the first request of both is `/sync` with a timeout of 0,
as matrix-js-sdk's is after an outage. They do what real ones do: on 429 they wait for as long as they are told, on a
broken connection half a second, and try again. Meanwhile one user sends a message every 50 ms. Prints what the clients
were answered, how long the last of them waited, what the sender noticed, and the server's memory. Exit status 1 if a
client got an answer that real ones don't retry, or none in time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loadtests.client import CLIENT, Connection, User, register
from loadtests.cpu import ServerProcesses
from loadtests.servers import CHEAP_PASSWORDS, free_port

READY_S_MAX = 60.0
REGISTERED_AT_ONCE = 8
SEND_EVERY_S = 0.05
BEFORE_S = 3.0
GIVE_UP_S = 120.0
BROKEN_PAUSE_S = 0.5
RETRIED = (429, 502, 503, 504)


class Server:
    """`plexus up` on a directory of its own, which outlives it. Passwords are hashed as cheaply as can be."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        command = [sys.executable, "-m", "homeserver", "up", "--data-dir", str(self._directory / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--open-registration", "--no-rate-limits"]
        variables = {**os.environ, **CHEAP_PASSWORDS}
        with (self._directory / "output.log").open("ab") as output:
            self.process = subprocess.Popen(  # noqa: ASYNC220
                [*command, "--log-level", "warning"], stdout=output, stderr=output, env=variables
            )
        deadline_s = time.monotonic() + READY_S_MAX
        while True:
            probe = Connection("127.0.0.1", self.port)
            try:
                await probe.request("GET", "/_matrix/client/versions")
                probe.close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError((self._directory / "output.log").read_text()[-2000:]) from None
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


class HerdClient:
    """One client that reconnects; what it was answered until it had its first sync."""

    def __init__(self, user: User, since: str) -> None:
        self._user = user
        self._since = since
        self.answers: Counter[str] = Counter()
        self.waited_s = 0.0

    async def reconnect(self, port: int) -> None:
        query = f"?since={quote(self._since)}&timeout=0" if self._since else "?timeout=0"
        connection = Connection("127.0.0.1", port)
        began_s = time.monotonic()
        try:
            while time.monotonic() < began_s + GIVE_UP_S:
                if await self._try(connection, query):
                    self.waited_s = time.monotonic() - began_s
                    return
            self.answers["none in time"] += 1
        finally:
            connection.close()

    async def _try(self, connection: Connection, query: str) -> bool:
        try:
            status, answer = await connection.request("GET", f"{CLIENT}/sync{query}", token=self._user.token)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.answers[type(error).__name__] += 1
            connection.close()
            await asyncio.sleep(BROKEN_PAUSE_S)
            return False
        self.answers[str(status)] += 1
        if status in RETRIED:
            await asyncio.sleep(answer.get("retry_after_ms", 1000) / 1000)
        return status not in RETRIED


class Sender:
    """Sends a message every `SEND_EVERY_S`, and notes how long each took."""

    def __init__(self, user: User, room_id: str) -> None:
        self._user = user
        self._room_id = room_id
        self.times_ms: list[float] = []

    async def send_for_ever(self, label: str) -> None:
        number = 0
        while True:
            began_s = time.monotonic()
            await self._user.send(self._room_id, f"{label}-{number}", "meanwhile")
            self.times_ms.append((time.monotonic() - began_s) * 1000)
            number += 1
            await asyncio.sleep(SEND_EVERY_S)


async def populate(server: Server, options: argparse.Namespace) -> tuple[list[User], list[str]]:
    """The users, each in some of the rooms."""
    gate = asyncio.Semaphore(REGISTERED_AT_ONCE)
    founder = await register("127.0.0.1", server.port, "founder")
    rooms = [
        (await founder.call("POST", "/createRoom", {"preset": "public_chat"}))["room_id"] for _ in range(options.rooms)
    ]

    async def settle(number: int) -> User:
        async with gate:
            user = await register("127.0.0.1", server.port, f"user{number}")
            for step in range(min(options.rooms_a_user, len(rooms))):
                await user.join(rooms[(number * 7 + step) % len(rooms)])
            return user

    return [founder, *await asyncio.gather(*map(settle, range(options.clients)))], rooms


async def tokens_from_before(users: list[User]) -> list[str]:
    """A `since` for every other user."""
    gate = asyncio.Semaphore(REGISTERED_AT_ONCE)

    async def token(number: int, user: User) -> str:
        if number % 2:
            return ""
        async with gate:
            return str((await user.call("GET", "/sync"))["next_batch"])

    return await asyncio.gather(*(token(number, user) for number, user in enumerate(users)))


async def run(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="plexus-herd-") as directory:
        server = Server(Path(directory))
        await server.start()
        try:
            (founder, *users), rooms = await populate(server, options)
            since = await tokens_from_before(users)
            for user in (founder, *users):
                user.connection.close()
            server.kill()
            await server.start()
            assert server.process is not None
            processes = ServerProcesses([server.process.pid])
            sender = Sender(founder, rooms[0])
            sending = asyncio.create_task(sender.send_for_ever("herd"))
            await asyncio.sleep(BEFORE_S)
            before_ms, sender.times_ms = sender.times_ms, []
            herd = [HerdClient(user, token) for user, token in zip(users, since, strict=True)]
            cpu_s = processes.cpu_s()
            spread = [
                asyncio.create_task(_after(number / len(herd), client, server.port))
                for number, client in enumerate(herd)
            ]
            await asyncio.gather(*spread)
            cpu_s = processes.cpu_s() - cpu_s
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            founder.connection.close()
            await asyncio.sleep(0)  # transports close in the next turn of the loop
            return _summary(herd, before_ms, sender.times_ms, cpu_s, processes.memory_mib())
        finally:
            server.stop()


async def _after(pause_s: float, client: HerdClient, port: int) -> None:
    await asyncio.sleep(pause_s)
    await client.reconnect(port)


def _summary(
    herd: list[HerdClient], before_ms: list[float], meanwhile_ms: list[float], cpu_s: float, memory: tuple[float, float]
) -> dict[str, Any]:
    waited_s = sorted(client.waited_s for client in herd)
    return {
        "clients": len(herd),
        "answers": dict(sum((client.answers for client in herd), Counter())),
        "wait_s_p50": round(waited_s[len(waited_s) // 2], 2),
        "wait_s_max": round(waited_s[-1], 2),
        "send_ms_before_p99": _percentile(before_ms, 0.99),
        "send_ms_meanwhile_p50": _percentile(meanwhile_ms, 0.5),
        "send_ms_meanwhile_p99": _percentile(meanwhile_ms, 0.99),
        "cpu_ms_a_client": round(1000 * cpu_s / len(herd), 2),
        "rss_mib": round(memory[1]),
    }


def _percentile(values: list[float], part: float) -> float:
    ordered = sorted(values) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--rooms-a-user", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    summary = asyncio.run(run(options))
    for name, value in summary.items():
        print(f"{name:<24} {value}") if not options.json else None
    if options.json:
        print(json.dumps(summary))
    allowed = {"200", *map(str, RETRIED)}
    return 0 if set(summary["answers"]) <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
