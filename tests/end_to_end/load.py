"""Messages sent without a pause by several clients, with a record of what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

from tests.end_to_end.client import Client, bodies


@dataclass
class Load:
    """Senders that go on through every failure, until told to stop."""

    room_ids: list[str]
    senders: list[Client]
    acknowledged: dict[str, dict[str, str]] = field(default_factory=dict)
    """by room: text -> event ID"""
    _stop: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> Load:
        for number, client in enumerate(self.senders):
            self._tasks.append(asyncio.create_task(self._send(number, client)))
        return self

    async def _send(self, number: int, client: Client) -> None:
        count = 0
        while not self._stop:
            room_id = self.room_ids[count % len(self.room_ids)]
            text = f"{number}-{count}"
            event_id = await client.send_until_acknowledged(room_id, text, text)
            self.acknowledged.setdefault(room_id, {})[text] = event_id
            count += 1

    @property
    def count(self) -> int:
        return sum(len(texts) for texts in self.acknowledged.values())

    async def reach(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until so many are acknowledged."""
        async with asyncio.timeout(timeout_s):
            while self.count < count:
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)

    async def abandon(self) -> None:
        """Stop at once: what was under way was not acknowledged."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def finish(self) -> None:
        """Stop after the message that each is sending."""
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def assert_everything_is_there_once(self, reader: Client) -> None:
        """Every acknowledged message, with the event ID that was acknowledged, and none of them twice."""
        for room_id, acknowledged in self.acknowledged.items():
            events = await reader.all_messages(room_id)
            ids = [event["event_id"] for event in events]
            assert len(ids) == len(set(ids)), "an event is on two pages"
            texts = bodies(events)
            assert [text for text, count in Counter(texts).items() if count > 1] == [], "a message is there twice"
            stored = {
                event["content"]["body"]: event["event_id"] for event in events if event["type"] == "m.room.message"
            }
            assert {text: stored.get(text) for text in acknowledged} == acknowledged


async def scene(clients: list[Client], room_count: int = 4) -> list[str]:
    """Register the clients and bring all of them into some rooms; the rooms' IDs."""
    suffix = uuid4().hex[:8]
    for number, client in enumerate(clients):
        await client.register(f"user{number}-{suffix}")
    room_ids = [await clients[0].create_room() for _ in range(room_count)]
    for client in clients[1:]:
        for room_id in room_ids:
            await client.join(room_id)
    return room_ids
