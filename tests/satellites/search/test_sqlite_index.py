"""What the index in a file has beyond the contract: it is exact whatever dies, and can be thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest

from satellites.search.documents import Document
from satellites.search.index import Wanted
from satellites.search.sqlite_index import SqliteMessageIndex
from service_kit.ledger.append import OwnershipLost


def text(position: int, words: str) -> Document:
    return Document(position, f"${position}", "!r", "@a:x", "m.room.message", position, False, words)


async def found(index: SqliteMessageIndex, *words: str) -> list[str]:
    wanted = Wanted(words, frozenset({"!r"}), lambda document: True, False, None, 10)
    return [hit.event_id for hit in (await index.search(wanted)).hits]


async def test_another_process_goes_on_where_the_file_is(tmp_path: Path) -> None:
    first = SqliteMessageIndex(tmp_path / "search" / "room.0.sqlite3", 0)
    assert await first.open(0) == 0
    await first.apply([text(3, "one")], after_position=0, through_position=7)
    await first.close()
    second = SqliteMessageIndex(tmp_path / "search" / "room.0.sqlite3", 0)
    assert await second.open(5) == 7  # the file knows, whatever was recorded elsewhere
    assert await found(second, "one") == ["$3"]
    await second.close()


async def test_of_two_workers_the_one_that_is_behind_steps_down(tmp_path: Path) -> None:
    path = tmp_path / "room.0.sqlite3"
    stale, current = SqliteMessageIndex(path, 0), SqliteMessageIndex(path, 0)
    await stale.open(0)
    await current.open(0)
    await current.apply([text(1, "mine")], after_position=0, through_position=1)
    with pytest.raises(OwnershipLost):
        await stale.apply([text(1, "mine"), text(2, "more")], after_position=0, through_position=2)
    assert await found(current, "mine") == ["$1"]
    assert await found(current, "more") == []
    await stale.close()
    await current.close()


async def test_batch_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    index = SqliteMessageIndex(tmp_path / "room.0.sqlite3", 0)
    await index.open(0)
    broken = text(2, "two")._replace(sent_at_ms="never")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="cannot store TEXT"):
        await index.apply([text(1, "one"), broken], after_position=0, through_position=2)
    await index.apply([text(1, "one"), text(2, "two")], after_position=0, through_position=2)
    assert await found(index, "one") == ["$1"]
    await index.close()


@pytest.mark.parametrize("contents", [b"no database at all" * 100, b""])
async def test_damaged_file_is_thrown_away_and_begun_anew(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "room.0.sqlite3"
    path.write_bytes(contents)
    index = SqliteMessageIndex(path, 0)
    assert await index.open(100) == 0
    await index.apply([text(1, "one")], after_position=0, through_position=1)
    assert await found(index, "one") == ["$1"]
    await index.clear()
    assert await found(index, "one") == []
    await index.close()
