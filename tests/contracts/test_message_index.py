"""What every index of messages promises; run on those that we ship, the one in tables over every kind of store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from satellites.search.documents import Document, Removal
from satellites.search.index import Cursor, MessageIndex, Wanted
from satellites.search.sqlite_index import SqliteMessageIndex
from satellites.search.table_index import TableMessageIndex
from satellites.search.tables import TABLES
from service_kit.store.interface import Store
from service_kit.store.memory import MemoryStore
from service_kit.store.sqlite import SqliteStore
from service_kit.words import wanted_words, words_of
from tests.cassandra.nodes import Nodes
from tests.cassandra.stores import SharedKeyspace, settings_for

_shards = count(1)


@pytest.fixture(scope="module")
def keyspace(cassandra_node: Nodes) -> Iterator[SharedKeyspace]:
    keyspace = SharedKeyspace(settings_for(cassandra_node, f"search_{os.getpid()}"), TABLES)
    yield keyspace
    asyncio.run(keyspace.close())


@pytest.fixture(params=["fts5", "tables_in_memory", "tables_in_sqlite", "tables_in_cassandra"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MessageIndex]:
    opened: MessageIndex
    shard = next(_shards)
    if request.param == "fts5":
        opened = SqliteMessageIndex(tmp_path / "room.1.sqlite3", shard)
        await opened.open(0)
        yield opened
        await opened.close()
        return
    store: Store
    if request.param == "tables_in_memory":
        store = MemoryStore(TABLES, atomic_tables=False)
    elif request.param == "tables_in_sqlite":
        store = await SqliteStore.open(tmp_path / "plexus.sqlite3", TABLES, fsync=False)
    else:
        store = await request.getfixturevalue("keyspace").open()
    opened = TableMessageIndex(store, shard)
    await opened.open(0)
    yield opened
    await opened.close()
    await store.close()


class Writer:
    """Applies changes one batch after the other, as a shard's ledger gives them."""

    def __init__(self, index: MessageIndex) -> None:
        self.index = index
        self.position = 0
        self.life = f"{os.getpid()}.{next(_shards)}"

    def event_id(self, name: str) -> str:
        return f"${name}.{self.life}"

    async def apply(self, *changes: Callable[[int], Document | Removal]) -> None:
        made = [change(self.position + number) for number, change in enumerate(changes, 1)]
        through = self.position + len(made)
        await self.index.apply(made, after_position=self.position, through_position=through)
        self.position = through

    def text(
        self,
        name: str,
        text: str,
        *,
        room: str = "!r",
        sender: str = "@a:x",
        kind: str = "m.room.message",
        at: int = 0,
        edits: str = "",
    ) -> Callable[[int], Document]:
        return lambda position: Document(
            *(position, self.event_id(name), room, sender, kind, at or position, False),
            " ".join(words_of(text)),
            self.event_id(edits) if edits else "",
        )

    def removal(self, name: str) -> Callable[[int], Removal]:
        return lambda position: Removal(position, self.event_id(name))

    async def find(self, term: str, *rooms: str, **more: object) -> list[str]:
        found = await self.index.search(wanted(term, *rooms, **more))
        return [hit.event_id.partition(".")[0][1:] for hit in found.hits]


def wanted(term: str, *rooms: str, **more: object) -> Wanted:
    given = {"matches": lambda document: True, "by_rank": False, "before": None, "limit": 10} | more
    return Wanted(words=wanted_words(term), room_ids=frozenset(rooms or ("!r",)), **given)  # type: ignore[arg-type]


@pytest.fixture
def writer(index: MessageIndex) -> Writer:
    return Writer(index)


async def test_text_is_found_by_all_its_words_together_and_not_by_others(writer: Writer) -> None:
    await writer.apply(writer.text("1", "Martians and men"), writer.text("2", "men only"))
    assert await writer.find("men") == ["2", "1"]
    assert await writer.find("MEN, martians!") == ["1"]
    assert await writer.find("women") == []
    assert await writer.find("men women") == []


async def test_only_the_given_rooms_are_searched(writer: Writer) -> None:
    rooms = [f"!{number}" for number in range(40)]
    await writer.apply(*(writer.text(room[1:], "hello", room=room) for room in rooms))
    assert await writer.find("hello", "!7") == ["7"]
    assert await writer.find("hello", *rooms[:20], limit=30) == [str(number) for number in range(19, -1, -1)]
    assert await writer.find("hello", "!unknown") == []


async def test_judge_of_sender_and_type_is_asked(writer: Writer) -> None:
    await writer.apply(
        writer.text("1", "plan", sender="@a:x"),
        writer.text("2", "plan", sender="@b:x"),
        writer.text("3", "plan", kind="m.room.topic"),
    )
    assert await writer.find("plan", matches=lambda document: document.sender == "@b:x") == ["2"]
    assert await writer.find("plan", matches=lambda document: document.type == "m.room.topic") == ["3"]


async def test_latest_come_first_page_by_page(writer: Writer) -> None:
    await writer.apply(*(writer.text(str(number), "again and again") for number in range(5)))
    first = await writer.index.search(wanted("again", limit=2))
    assert [hit.event_id[1] for hit in first.hits] == ["4", "3"]
    assert first.total == 5
    second = await writer.index.search(wanted("again", limit=2, before=first.hits[-1].cursor))
    assert [hit.event_id[1] for hit in second.hits] == ["2", "1"]
    assert await writer.find("again", before=second.hits[-1].cursor) == ["0"]


async def test_closest_come_first_page_by_page(writer: Writer) -> None:
    await writer.apply(
        writer.text("long", "a cat is an animal that many people have at home with them"),
        writer.text("twice", "cat cat"),
        writer.text("short", "cat"),
    )
    first = await writer.index.search(wanted("cat", by_rank=True, limit=2))
    assert [hit.event_id.partition(".")[0] for hit in first.hits] == ["$twice", "$short"]
    assert 1 > first.hits[0].rank > first.hits[1].rank > 0
    assert await writer.find("cat", by_rank=True, before=first.hits[-1].cursor) == ["long"]


async def test_order_is_one_over_all_shards(writer: Writer) -> None:
    await writer.apply(writer.text("1", "tea", at=1000), writer.text("2", "tea", at=1000))
    shard = (await writer.index.search(wanted("tea"))).hits[0].cursor.shard
    assert await writer.find("tea", before=Cursor(0.0, 1000, shard - 1, 99)) == []
    assert await writer.find("tea", before=Cursor(0.0, 1000, shard + 1, 1)) == ["2", "1"]


async def test_edit_takes_the_place_of_the_words(writer: Writer) -> None:
    await writer.apply(writer.text("1", "colour"), writer.text("2", "other colour"))
    await writer.apply(writer.text("e", "shade of green", edits="1"))
    assert await writer.find("colour") == ["2"]
    assert await writer.find("green") == ["1"]
    assert await writer.find("shade colour") == []


async def test_latest_edit_counts_and_what_was_before_counts_again_when_it_is_removed(writer: Writer) -> None:
    await writer.apply(
        writer.text("1", "one"),
        writer.text("e2", "two", edits="1", at=2000),
        writer.text("e3", "three", edits="1", at=1000),
    )
    assert (await writer.find("two"), await writer.find("three"), await writer.find("one")) == (["1"], [], [])
    await writer.apply(writer.removal("e2"))
    assert (await writer.find("two"), await writer.find("three"), await writer.find("one")) == ([], ["1"], [])
    await writer.apply(writer.removal("e3"))
    assert (await writer.find("two"), await writer.find("three"), await writer.find("one")) == ([], [], ["1"])


@pytest.mark.parametrize("more", [{"sender": "@b:x"}, {"room": "!other"}, {"kind": "m.room.topic"}])
async def test_edit_by_another_or_elsewhere_changes_nothing(writer: Writer, more: dict[str, str]) -> None:
    await writer.apply(writer.text("1", "mine"), writer.text("e", "stolen", edits="1", **more))  # type: ignore[arg-type]
    assert await writer.find("mine") == ["1"]
    assert await writer.find("stolen", "!r", "!other") == []


async def test_edit_of_an_edit_or_of_nothing_changes_nothing(writer: Writer) -> None:
    await writer.apply(
        writer.text("1", "first"),
        writer.text("e", "second", edits="1"),
        writer.text("ee", "third", edits="e"),
        writer.text("en", "fourth", edits="nothing"),
    )
    assert await writer.find("second") == ["1"]
    assert await writer.find("third") == await writer.find("fourth") == []


async def test_removed_text_is_not_found_nor_is_its_edit_that_comes_later(writer: Writer) -> None:
    await writer.apply(writer.text("1", "secret"), writer.text("2", "secret too"))
    await writer.apply(writer.removal("1"), writer.text("e", "secret again", edits="1"), writer.removal("unknown"))
    assert await writer.find("secret") == ["2"]
    assert await writer.find("again") == []


async def test_scripts_without_spaces_are_searched_by_parts_of_them(writer: Writer) -> None:
    await writer.apply(writer.text("1", "東京都に行きます"), writer.text("2", "京都"))
    assert await writer.find("東京") == ["1"]
    assert await writer.find("京都") == ["2", "1"]
    assert await writer.find("京") == ["2", "1"]


@pytest.mark.parametrize("term", ['men" OR 1', "men* AND NEAR(", "·1 men", "'; DROP TABLE documents", "-men", "^men"])
async def test_term_is_words_and_no_query_language(writer: Writer, term: str) -> None:
    await writer.apply(writer.text("1", "men and or 1 near drop table documents"), writer.text("2", "women"))
    assert await writer.find(term) == ["1"]


async def test_thousands_of_texts_are_found_and_counted_about(writer: Writer) -> None:
    for _ in range(6):
        await writer.apply(*(writer.text(f"{writer.position + n}", "common word") for n in range(500)))
    found = await writer.index.search(wanted("common", limit=500))
    assert len(found.hits) == 500
    assert 500 < found.total <= 3000
    assert found.hits[0].cursor.position == 3000
