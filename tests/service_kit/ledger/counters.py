"""A tiny domain for the ledger's tests: every room has a list of texts, and a table with one row a text.

SendEvent with `event_type` "text" adds its content as a fact; other types do other things, see `execute`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from matrix_protocol.errors import Forbidden
from service_kit.ledger.domain import Batch, Outdated
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.facts_pb2 import Fact, RoomEventFact
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply, SendEvent
from service_kit.shards import Shard
from service_kit.store.interface import Put, Store, Write
from service_kit.store.schema import Table


class TextRow(NamedTuple):
    room_id: str
    position: int
    text: str


TEXTS = Table("texts_by_room", TextRow, partition_key=1, clustering_key=1, writer="test")
TABLES: tuple[Table[Any], ...] = (*LEDGER_TABLES, TEXTS)


def text(content: str, *, event_type: str = "text") -> RoomCommand:
    return RoomCommand(send_event=SendEvent(event_type=event_type, content_json=content.encode()))


class CountingDomain:
    """Numbers the texts of each room in memory, so that a wrong memory or order shows in the replies."""

    def __init__(self, shard: Shard, store: Store) -> None:
        self.shard = shard
        self.store = store
        self.recovered_at: int | None = None
        self.is_closed = False
        self.executed: list[str] = []
        self.committed_positions: list[int] = []
        self.outdated_times = 0
        """so often what was prepared for an "outdated" text proves to be"""
        self.gate: asyncio.Event | None = None
        self._loaded: dict[str, int] = {}

    async def recover(self, position: int) -> None:
        self.recovered_at = position

    def prepare(self, command: Command) -> Awaitable[object] | object:
        send = command.room.send_event
        if send.event_type == "refuse in prepare":
            raise Forbidden("refused in prepare")
        if command.key not in self._loaded or send.event_type == "slow":
            return self._load(command.key)
        return None

    async def _load(self, room_id: str) -> None:
        if self.gate is not None:
            await self.gate.wait()
        count = sum([len(page) async for page in self.store.pages(TEXTS, (room_id,))])
        self._loaded.setdefault(room_id, count)

    def execute(self, command: Command, prepared: object, batch: Batch) -> Reply:
        send = command.room.send_event
        content = send.content_json.decode()
        self.executed.append(content)
        if send.event_type == "refuse":
            raise Forbidden("refused", hint="x")
        if send.event_type == "outdated" and self.executed.count(content) <= self.outdated_times:
            raise Outdated("the world has moved on")
        if send.event_type == "read":
            return Reply(room=RoomReply(event_id=f"${self._loaded[command.key]}"))
        self._loaded[command.key] += 1
        facts = int(content) if send.event_type == "many" else 1
        for _ in range(facts):
            batch.add(
                Fact(
                    room_id=command.key,
                    user_id=send.redacts,
                    room_event=RoomEventFact(event_id=content, client_json=send.content_json),
                )
            )
        if send.event_type == "fail":
            raise RuntimeError("a flaw")
        return Reply(room=RoomReply(event_id=f"${self._loaded[command.key]}"))

    def tables_for(self, position: int, fact: Fact) -> Sequence[Write]:
        return [Put(TEXTS, TextRow(fact.room_id, position, fact.room_event.event_id))]

    def committed(self, first_position: int, facts: Sequence[Fact]) -> None:
        self.committed_positions.extend(range(first_position, first_position + len(facts)))

    async def close(self) -> None:
        self.is_closed = True


def domains(store: Store) -> tuple[list[CountingDomain], Callable[[Shard], CountingDomain]]:
    """A `make_domain` for the owner, and the list of what it has made."""
    made: list[CountingDomain] = []

    def make(shard: Shard) -> CountingDomain:
        made.append(CountingDomain(shard, store))
        return made[-1]

    return made, make


async def texts_of(store: Store, room_id: str) -> list[str]:
    return [row.text async for page in store.pages(TEXTS, (room_id,)) for row in page]


async def until(condition: Callable[[], bool]) -> None:
    """Let everything that can run now run until the condition holds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("this never came to be")


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(50):
        await asyncio.sleep(0)
