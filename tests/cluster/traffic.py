"""Clients that write and read through everything, and what they saw."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.end_to_end.client import Client, Json, Refused

SEND_PAUSE_S = 0.04
RETRY_PAUSE_S = 0.1
RETRIED = (429, 500, 502, 503, 504)
"""What clients try again; anything else is a failure."""
SYNC_LIMIT = 1000
CATCH_UP_S = 90.0


@dataclass
class Tally:
    """One step's."""

    sent: int = 0
    acknowledged: dict[str, dict[str, str]] = field(default_factory=dict)
    """By room: text -> event ID."""
    errors: Counter[str] = field(default_factory=Counter)
    """What clients saw and tried again."""
    failures: Counter[str] = field(default_factory=Counter)
    """What clients would not try again."""
    longest_s: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))


class Reader:
    """A user's /sync loop, with the order in which it saw the events of each room."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: dict[str, list[str]] = {}
        self.errors: Counter[str] = Counter()
        self._since = ""

    async def read_for_ever(self) -> None:
        while True:
            try:
                await self._read_once(20_000)
            except (aiohttp.ClientError, TimeoutError, Refused) as error:
                self.errors[_name(error)] += 1
                if isinstance(error, Refused) and error.status not in RETRIED:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _read_once(self, timeout_ms: int) -> None:
        room = {"timeline": {"limit": SYNC_LIMIT, "types": ["m.room.message"]}}
        query = f"?timeout={timeout_ms}&filter=" + quote(str({"room": room}).replace("'", '"'))
        if self._since:
            query += f"&since={quote(self._since)}"
        answer = await self.client.request("GET", f"/sync{query}", timeout_s=timeout_ms / 1000 + 40)
        for room_id, joined in answer.get("rooms", {}).get("join", {}).items():
            timeline = joined["timeline"]
            assert not timeline.get("limited") or not self._since, "the step was too long for one answer"
            self.seen.setdefault(room_id, []).extend(event["event_id"] for event in timeline["events"])
        self._since = answer["next_batch"]

    def forget(self) -> None:
        self.seen = {}


class Traffic:
    """Senders and readers in the same rooms."""

    def __init__(self, senders: list[Client], readers: list[Reader], room_ids: list[str]) -> None:
        self._senders = senders
        self._readers = readers
        self._room_ids = room_ids
        self._step = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []
        self._is_over = False
        self.tally = Tally()

    async def start_reading(self) -> None:
        self._reading = [asyncio.create_task(reader.read_for_ever()) for reader in self._readers]

    async def stop_reading(self) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    def begin(self) -> None:
        """A new step, with a new tally."""
        self._step += 1
        self._is_over = False
        self.tally = Tally(acknowledged={room_id: {} for room_id in self._room_ids})
        for reader in self._readers:
            reader.forget()
        self._tasks = [asyncio.create_task(self._send(number)) for number in range(len(self._senders))]

    async def _send(self, number: int) -> None:
        client, count = self._senders[number], 0
        while not self._is_over:
            room_id = self._room_ids[(number + count) % len(self._room_ids)]
            text = f"{self._step}-{number}-{count}"
            self.tally.sent += 1
            began_s = time.monotonic()
            event_id = await self._send_until_acknowledged(client, room_id, text)
            self.tally.longest_s = max(self.tally.longest_s, time.monotonic() - began_s)
            if event_id:
                self.tally.acknowledged[room_id][text] = event_id
            count += 1
            await asyncio.sleep(SEND_PAUSE_S)

    async def _send_until_acknowledged(self, client: Client, room_id: str, text: str) -> str:
        while True:
            try:
                return await client.send(room_id, text, text)
            except (aiohttp.ClientError, TimeoutError, Refused) as error:
                if isinstance(error, Refused) and error.status not in RETRIED:
                    self.tally.failures[_name(error)] += 1
                    return ""
                self.tally.errors[_name(error)] += 1
                await asyncio.sleep(RETRY_PAUSE_S)

    async def more(self, count: int, timeout_s: float = 120.0) -> None:
        """Wait until so many more are acknowledged: the traffic flows."""
        wanted = self.tally.count + count
        async with asyncio.timeout(timeout_s):
            while self.tally.count < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def finish(self) -> dict[str, int]:
        """Let every message be acknowledged and read; how many were lost, doubled, reordered."""
        self._is_over = True
        await asyncio.gather(*self._tasks)
        found = Counter(lost=0, doubled=0, reordered=0)
        for room_id, acknowledged in self.tally.acknowledged.items():
            timeline = await self._timeline(room_id)
            found.update(_compare(acknowledged, timeline))
            order = [event["event_id"] for event in timeline]
            for reader in self._readers:
                found.update(await self._compare_reader(reader, room_id, order))
        for reader in self._readers:
            self.tally.errors.update(reader.errors)
            reader.errors.clear()
        return dict(found)

    async def _timeline(self, room_id: str) -> list[Json]:
        """This step's messages in the room, oldest first."""
        while True:
            try:
                events = await self._page_back(room_id)
            except (aiohttp.ClientError, TimeoutError, Refused) as error:
                if isinstance(error, Refused) and error.status not in RETRIED:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                return events[::-1]

    async def _page_back(self, room_id: str) -> list[Json]:
        events: list[Json] = []
        start = ""
        while True:
            path = f"/rooms/{quote(room_id)}/messages?dir=b&limit=500" + (f"&from={quote(start)}" if start else "")
            page = await self._senders[0].request("GET", path)
            for event in page["chunk"]:
                if event["type"] != "m.room.message" or not event["content"]["body"].startswith(f"{self._step}-"):
                    return events  # of a step before this one
                events.append(event)
            start = page.get("end", "")
            if not start:
                return events

    async def _compare_reader(self, reader: Reader, room_id: str, order: list[str]) -> Counter[str]:
        """A reader has seen what is in the timeline, once, in its order; it may take a moment to catch up."""
        deadline_s = time.monotonic() + CATCH_UP_S
        while not set(order) <= set(reader.seen.get(room_id, [])) and time.monotonic() < deadline_s:
            for task in self._reading:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)
        seen = reader.seen.get(room_id, [])
        lost = len(set(order) - set(seen))
        doubled = len(seen) - len(set(seen))
        once = list(dict.fromkeys(seen))
        is_in_order = [event_id for event_id in order if event_id in set(once)] == [e for e in once if e in set(order)]
        return Counter(lost=lost, doubled=doubled, reordered=0 if is_in_order else 1)


def _compare(acknowledged: dict[str, str], timeline: list[Json]) -> Counter[str]:
    texts = Counter(event["content"]["body"] for event in timeline)
    ids = {event["content"]["body"]: event["event_id"] for event in timeline}
    lost = sum(ids.get(text) != event_id for text, event_id in acknowledged.items())
    doubled = sum(count - 1 for count in texts.values())
    doubled += len(timeline) - len({event["event_id"] for event in timeline})
    return Counter(lost=lost, doubled=doubled, reordered=_inversions(timeline))


def _inversions(timeline: list[Json]) -> int:
    """Each sender waits for its message before it sends the next one to that room: so they must be in its order."""
    last: dict[str, int] = {}
    found = 0
    for event in timeline:
        _, sender, count = event["content"]["body"].split("-")
        found += int(count) < last.get(sender, -1)
        last[sender] = int(count)
    return found


def _name(error: Any) -> str:
    return f"{error.status} {error.errcode}" if isinstance(error, Refused) else type(error).__name__
