"""One room that a worker follows: how far it has come, and what is in it.

The view itself is small and stays as long as one of the worker's users is in
the room; its contents are dropped under memory pressure and read again.
"""

from __future__ import annotations

import asyncio

from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.tokens import POSITION_MAX
from sync_api.room_contents import RoomContents


class RoomView:
    __slots__ = (
        "contents",
        "known_from",
        "last_position",
        "loading",
        "pending",
        "room_id",
        "shard_number",
        "times_lost",
    )

    def __init__(self, room_id: str, shard_number: int) -> None:
        self.room_id = room_id
        self.shard_number = shard_number
        self.known_from = 0
        """What happened at or before this position is known only when the contents have been read once."""
        self.last_position = 0
        """of the last known event, receipt or typing change"""
        self.times_lost = 0
        self.contents: RoomContents | None = None
        self.loading: asyncio.Task[RoomContents] | None = None
        self.pending: list[tuple[int, Fact]] | None = None
        """facts that came while the contents were being read"""

    def may_have_news(self, after_position: int) -> bool:
        """Whether anything may have happened in the room after that position."""
        return self.last_position > after_position or self.known_from > after_position

    def apply(self, position: int, fact: Fact) -> None:
        self.last_position = max(self.last_position, position)
        if self.pending is not None:
            self.pending.append((position, fact))
        elif self.contents is not None:
            _apply(self.contents, position, fact)

    def forget(self) -> None:
        """Facts were lost: what happened is known again when the contents have been read anew."""
        self.contents = None
        self.known_from = POSITION_MAX
        self.times_lost += 1

    def begin_reading(self) -> None:
        self.pending = []

    def finish_reading(self, contents: RoomContents | None) -> None:
        """Bring what was read up to the facts that came meanwhile; None = the reading failed."""
        pending, self.pending = self.pending or [], None
        if contents is None:
            return
        for position, fact in pending:
            _apply(contents, position, fact)
        self.contents = contents
        self.known_from = 0
        self.last_position = max(self.last_position, _last_position(contents))


def _apply(contents: RoomContents, position: int, fact: Fact) -> None:
    kind = fact.WhichOneof("body")
    if kind == "room_event":
        contents.apply_event(position, fact.room_event)
    elif kind == "receipt":
        contents.apply_receipt(position, fact.receipt)
    elif kind == "typing":
        contents.apply_typing(position, fact.typing)


def _last_position(contents: RoomContents) -> int:
    last_receipt = next(reversed(contents.receipts.values()), None)
    return max(
        contents.timeline[-1].position if contents.timeline else 0,
        last_receipt.position if last_receipt else 0,
        contents.typing_position,
    )
