"""One run: the parts, the traffic, the steps, a row for each."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from tests.cluster.parts import Parts
from tests.cluster.steps import Step, steps_for
from tests.cluster.traffic import Reader, Traffic
from tests.end_to_end.client import Client

SENDERS = 6
READERS = 4
ROOMS = 4
MORE = 40
"""Messages that must get through before a fault, and after it."""


class Row(NamedTuple):
    step: str
    sent: int
    acknowledged: int
    lost: int
    doubled: int
    reordered: int
    longest_stall_s: float
    errors: dict[str, int]
    failures: dict[str, int]

    @property
    def is_good(self) -> bool:
        everything = self.sent == self.acknowledged
        return everything and not (self.lost or self.doubled or self.reordered or self.failures)


async def run(directory: Path, *, short: bool) -> list[Row]:
    parts = await asyncio.to_thread(Parts, directory, cassandra_nodes=1 if short else 3, nats_servers=2 if short else 3)
    try:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(parts.server.base_url)) for _ in range(SENDERS + READERS)]
            traffic = await _people(clients)
            await traffic.start_reading()
            stack.push_async_callback(traffic.stop_reading)
            if parts.toxiproxy is None and not short:
                print("no toxiproxy-server: the steps on slow and broken links are left out", file=sys.stderr)
            return [await _row(step, parts, traffic) for step in steps_for(parts, short=short)]
    finally:
        await asyncio.to_thread(parts.close)


async def _people(clients: list[Client]) -> Traffic:
    for number, client in enumerate(clients):
        await client.register(f"user{number}")
    room_ids = [await clients[0].create_room() for _ in range(ROOMS)]
    for client in clients[1:]:
        for room_id in room_ids:
            await client.join(room_id)
    return Traffic(clients[:SENDERS], [Reader(client) for client in clients[SENDERS:]], room_ids)


async def _row(step: Step, parts: Parts, traffic: Traffic) -> Row:
    traffic.begin()
    await traffic.more(MORE)
    await asyncio.to_thread(step.act, parts)
    await traffic.more(MORE)
    await asyncio.to_thread(parts.wait_for_workers)
    found = await traffic.finish()
    tally = traffic.tally
    row = Row(
        step.name,
        tally.sent,
        tally.count,
        found["lost"],
        found["doubled"],
        found["reordered"],
        round(tally.longest_s, 1),
        dict(tally.errors),
        dict(tally.failures),
    )
    print(row, file=sys.stderr, flush=True)
    return row


def table(rows: list[Row]) -> str:
    """Markdown, as docs/reliability.md has it."""
    lines = [
        "| step | sent | acknowledged | lost | doubled | reordered | longest stall, s | errors seen and retried |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        errors = ", ".join(f"{count}× {name}" for name, count in sorted(row.errors.items())) or "none"
        if row.failures:
            errors += "; NOT RETRIED: " + ", ".join(f"{count}× {name}" for name, count in row.failures.items())
        cells = (
            row.step,
            row.sent,
            row.acknowledged,
            row.lost,
            row.doubled,
            row.reordered,
            row.longest_stall_s,
            errors,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
