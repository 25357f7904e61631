"""Does an operation cost more when there are more workers? CPU a send and CPU a delivery, with 1, 2, 4 and 8 of them.

    python -m loadtests.scaling [--workers 1,2,4,8] [--seconds 8] [--repeats 2] [--what send,delivery]
                                [--sends-per-s 150] [--listeners-a-room 24]

`plexus up --processes` with so many roomservers (for sends), then so many sync workers (for deliveries); the same load
each time, at a fixed rate. What the same processes burn when nothing happens (renewals, heartbeats) is measured before
and taken off: it is printed beside, for it grows with the workers. Of several repeats the lowest counts.

Deliveries: users hold long polls, some in a busy room with many of them, each in a room of two besides; their token
chooses the sync worker. So with more workers each has fewer users, and should hear of fewer of the rooms of two: `facts
a worker` says of how many facts each heard.
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
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loadtests.client import CLIENT, Connection, RequestFailed, User, register
from loadtests.cpu import ServerProcesses
from loadtests.servers import CHEAP_PASSWORDS, free_port

READY_S_MAX = 60.0
IDLE_S = 4.0
SETTLE_S = 2.0
SENDS_PER_S = 150
SEND_ROOMS = 64
SENDERS = 16
LISTENERS = 96
LISTENERS_A_ROOM = 24
MESSAGES_PER_S = 40
FACTS_METRIC = "plexus_facts_received_total"
OURS = ("api_gateway", "sync_api", "roomserver", "userserver")


class Cluster:
    """`plexus up --processes` with so many workers of some components; use with `async with`."""

    def __init__(self, replicas: str) -> None:
        self._replicas = replicas
        self._directory = tempfile.TemporaryDirectory(prefix="plexus-scaling-")
        self.data_dir = Path(self._directory.name) / "data"
        self.port = free_port()

    async def __aenter__(self) -> Cluster:
        command = [sys.executable, "-m", "homeserver", "up", "--processes", "--replicas", self._replicas]
        command += ["--data-dir", str(self.data_dir), "--listen", f"127.0.0.1:{self.port}", "--open-registration"]
        log = Path(self._directory.name) / "output.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [*command, "--no-rate-limits", "--log-level", "warning"],
                stdout=output,
                stderr=output,
                env={**os.environ, **CHEAP_PASSWORDS},
            )
        deadline_s = time.monotonic() + READY_S_MAX
        while "Plexus is ready on" not in log.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(log.read_text()[-2000:])
            await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 60)
        self._directory.cleanup()

    def processes(self) -> list[dict[str, Any]]:
        """What each process says of itself in the data directory."""
        paths = sorted((self.data_dir / "run").glob("*.json"))
        return [json.loads(path.read_text()) for path in paths if path.name != "server.json"]

    def cpu_s(self) -> dict[str, float]:
        """So far, by component; "all" has nats-server, Caddy and the supervisor, too."""
        found = dict.fromkeys(OURS, 0.0)
        for process in self.processes():
            found[process["component"]] += ServerProcesses([process["pid"]]).cpu_s()
        return {**found, "all": ServerProcesses([self._process.pid]).cpu_s()}

    def facts_received(self) -> list[int]:
        """Of each sync worker."""
        return [_metric(each["telemetry_url"]) for each in self.processes() if each["component"] == "sync_api"]


def _metric(url: str) -> int:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[1]) for line in lines if line.startswith(FACTS_METRIC + " ")))


@dataclass
class Cost:
    """Of one operation, in ms of CPU, without what idling costs."""

    workers: int
    operations: int
    total_ms: float
    """Over all processes."""
    component_ms: float
    """Over those of which there are more and more."""
    idle_ms_per_s: float
    """Of all processes, with nothing to do, for each second."""
    facts_a_worker: float = 0.0


async def measured(cluster: Cluster, component: str, workers: int, load: Callable[[], Awaitable[int]]) -> Cost:
    await asyncio.sleep(SETTLE_S)
    first = cluster.cpu_s()
    await asyncio.sleep(IDLE_S)
    idle = {name: (now - first[name]) / IDLE_S for name, now in cluster.cpu_s().items()}
    before, began_s = cluster.cpu_s(), time.monotonic()
    operations = await load()
    await asyncio.sleep(0.5)
    after, seconds = cluster.cpu_s(), time.monotonic() - began_s
    busy = {name: max(0.0, after[name] - before[name] - idle[name] * seconds) * 1000 / operations for name in idle}
    return Cost(workers, operations, busy["all"], busy[component], idle["all"] * 1000)


async def at_a_rate(per_s: float, seconds: float, call: Callable[[int], Awaitable[object]]) -> int:
    """Calls that begin at this rate, whatever they take; how many there were."""
    began_s, tasks = time.monotonic(), list[asyncio.Task[object]]()
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began_s + number / per_s - time.monotonic()))
        tasks.append(asyncio.create_task(_awaited(call(number))))
    await asyncio.gather(*tasks)
    return len(tasks)


async def _awaited(call: Awaitable[object]) -> object:
    return await call


async def send_cost(workers: int, seconds: float, per_s: float) -> Cost:
    async with Cluster(f"roomserver={workers}") as cluster:
        users = [await register("127.0.0.1", cluster.port, f"sender{number}") for number in range(SENDERS)]
        rooms = []
        for number in range(SEND_ROOMS):
            answer = await users[number % SENDERS].call("POST", "/createRoom", {"preset": "public_chat"})
            rooms.append((users[number % SENDERS], answer["room_id"]))

        async def send(number: int) -> None:
            user, room_id = rooms[number % SEND_ROOMS]
            await user.send(room_id, f"{label}-{number}", f"hello {number}")

        label = "warm"
        await at_a_rate(per_s, 2, send)
        label = "counted"
        cost = await measured(cluster, "roomserver", workers, lambda: at_a_rate(per_s, seconds, send))
        for user in users:
            user.connection.close()
        return cost


class Listener:
    """A user who holds a long poll, and counts what comes."""

    def __init__(self, user: User, port: int) -> None:
        self.user = user
        self._connection = Connection("127.0.0.1", port)
        self._since = ""
        self.received = 0

    async def listen(self) -> None:
        self._since = (await self._sync(0))["next_batch"]
        while True:
            answer = await self._sync(30_000)
            self._since = answer["next_batch"]
            for room in answer.get("rooms", {}).get("join", {}).values():
                self.received += sum(event["type"] == "m.room.message" for event in room["timeline"]["events"])

    async def _sync(self, timeout_ms: int) -> Any:
        since = f"&since={quote(self._since)}" if self._since else ""
        path = f"{CLIENT}/sync?timeout={timeout_ms}{since}"
        status, answer = await self._connection.request("GET", path, token=self.user.token)
        if status != 200:
            raise RequestFailed(f"sync -> {status} {answer}")
        return answer

    def close(self) -> None:
        self._connection.close()


async def delivery_cost(workers: int, seconds: float, in_room: int) -> Cost:
    async with Cluster(f"sync_api={workers}") as cluster:
        users = [await register("127.0.0.1", cluster.port, f"listener{number}") for number in range(LISTENERS)]
        rooms, pairs = list[tuple[User, str]](), list[tuple[User, str]]()
        for first in range(0, LISTENERS, in_room):
            group = users[first : first + in_room]
            room_id = (await group[0].call("POST", "/createRoom", {"preset": "public_chat"}))["room_id"]
            for user in group[1:]:
                await user.join(room_id)
            rooms.append((group[0], room_id))
        for first in range(0, LISTENERS, 2):  # heard of by the workers of these two alone
            one, other = users[first : first + 2]
            pairs.append((one, (await one.call("POST", "/createRoom", {"preset": "public_chat"}))["room_id"]))
            await other.join(pairs[-1][1])
        listeners = [Listener(user, cluster.port) for user in users]
        listening = [asyncio.create_task(listener.listen()) for listener in listeners]

        async def send(number: int) -> None:
            some = pairs if number % 2 else rooms
            user, room_id = some[number // 2 % len(some)]
            await user.send(room_id, f"{label}-{number}", f"hello {number}")

        async def deliver() -> int:
            before = sum(listener.received for listener in listeners)
            sent = await at_a_rate(2 * MESSAGES_PER_S, seconds, send)
            wanted = before + (sent + 1) // 2 * in_room + sent // 2 * 2
            async with asyncio.timeout(30):
                while sum(listener.received for listener in listeners) < wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            return sum(listener.received for listener in listeners) - before

        label = "warm"
        await asyncio.sleep(1)
        await at_a_rate(MESSAGES_PER_S, 2, send)
        await asyncio.sleep(1)
        label, heard = "counted", cluster.facts_received()
        cost = await measured(cluster, "sync_api", workers, deliver)
        facts = [after - before for after, before in zip(cluster.facts_received(), heard, strict=True)]
        cost.facts_a_worker = sum(facts) / workers
        await _end(listening, listeners)
        return cost


async def _end(listening: list[asyncio.Task[None]], listeners: list[Listener]) -> None:
    for task in listening:
        task.cancel()
    ended = await asyncio.gather(*listening, return_exceptions=True)
    for listener in listeners:
        listener.close()
        listener.user.connection.close()
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--what", default="send,delivery")
    parser.add_argument("--sends-per-s", type=float, default=SENDS_PER_S)
    parser.add_argument("--listeners-a-room", type=int, default=LISTENERS_A_ROOM, help=f"of {LISTENERS} in all")
    options = parser.parse_args()
    measures = {
        "send": partial(send_cost, per_s=options.sends_per_s),
        "delivery": partial(delivery_cost, in_room=options.listeners_a_room),
    }
    for name in options.what.split(","):
        runs: dict[int, list[Cost]] = {int(workers): [] for workers in options.workers.split(",")}
        for _ in range(options.repeats):  # in turns: a machine that grows slower does so for all of them
            for workers, costs in runs.items():
                costs.append(await measures[name](workers, options.seconds))
                print(json.dumps({"operation": name, **vars(costs[-1])}), file=sys.stderr, flush=True)
        print(table(name, [min(costs, key=lambda cost: cost.total_ms) for costs in runs.values()]))
    print(f"load average {os.getloadavg()[0]:.1f}")


def table(name: str, costs: list[Cost]) -> str:
    """Markdown; the ratio is to the first row."""
    component = {"send": "roomservers", "delivery": "sync workers"}[name]
    lines = [
        f"| {component} | CPU ms a {name}, all processes | ratio | of the {component} alone | ratio "
        "| idle, ms/s | facts a worker |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        total, part = cost.total_ms / (costs[0].total_ms or 1), cost.component_ms / (costs[0].component_ms or 1)
        lines.append(
            f"| {cost.workers} | {cost.total_ms:.3f} | {total:.2f} | {cost.component_ms:.3f} | {part:.2f} "
            f"| {cost.idle_ms_per_s:.0f} | {cost.facts_a_worker:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
