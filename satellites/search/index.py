"""What an index of one room shard's texts can do. Two are shipped: `sqlite_index` and `table_index` (ADR-0017)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from satellites.search.documents import Change, Document
from service_kit.words import closeness

MATCHES_MAX = 2000
"""Found texts of one shard that are looked at for one question, the latest ones."""


class Cursor(NamedTuple):
    """A place in the order of all that is found, over all shards: the order of these tuples, largest first.

    By rank, all four count; by time, `rank` is 0.
    """

    rank: float
    sent_at_ms: int
    shard: int
    position: int


class Hit(NamedTuple):
    cursor: Cursor
    room_id: str
    event_id: str
    rank: float


class Wanted(NamedTuple):
    """What is looked for. `matches` judges by sender, type and URL; the words and rooms are the index's."""

    words: Sequence[str]
    room_ids: frozenset[str]
    matches: Callable[[Document], bool]
    by_rank: bool
    before: Cursor | None
    """only what comes after this one in the order"""
    limit: int


class Found(NamedTuple):
    hits: list[Hit]
    total: int
    """about how many there are in all, wherever the page begins"""


class MessageIndex(Protocol):
    """Of one shard. Changes come in ledger order, some of them perhaps again; finding is as of the last of them."""

    async def open(self, recorded_position: int) -> int:
        """The position through which everything is in it; 0 = it is empty."""
        ...

    async def apply(self, changes: Sequence[Change], *, after_position: int, through_position: int) -> None:
        """Take what follows from the facts of these positions; durable on return.

        An edit counts if its sender and type are those of the event that it edits, which is in the index and no edit
        itself; of several the latest one (`sent_at_ms`, then event ID). Where an edit is removed, what was there
        before counts again. Raises OwnershipLost if another worker has written.
        """
        ...

    async def clear(self) -> None:
        """Empty it: it is about to be made anew."""
        ...

    async def search(self, wanted: Wanted) -> Found: ...

    async def close(self) -> None: ...


def page_of(documents: Iterable[Document], wanted: Wanted, shard: int) -> list[Hit]:
    """The wanted part of what was found, in order."""
    words = list(wanted.words)
    found: list[tuple[Cursor, Document]] = []
    for document in documents:
        rank = closeness(document.words, words) if wanted.by_rank else 0.0
        cursor = Cursor(rank, document.sent_at_ms, shard, document.position)
        if wanted.before is None or cursor < wanted.before:
            found.append((cursor, document))
    found.sort(reverse=True)
    return [
        Hit(cursor, document.room_id, document.event_id, closeness(document.words, words))
        for cursor, document in found[: wanted.limit]
    ]
