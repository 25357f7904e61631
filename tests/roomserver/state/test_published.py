"""The order of a directory, searching it and turning its pages."""

from __future__ import annotations

import random

import orjson
import pytest

from roomserver.state import published
from roomserver.state.published import Directory, Place, Search


def entry(**members: str) -> bytes:
    return orjson.dumps(members)


async def all_pages(directory: Directory, search: Search, limit: int, *, backwards: bool = False) -> list[str]:
    room_ids: list[str] = []
    beyond = None
    while page := await directory.page(search, beyond, limit=limit, backwards=backwards):
        room_ids += [place.room_id for place, _ in page]
        beyond = page[-1][0]
    return room_ids


@pytest.mark.parametrize("seed", range(5))
async def test_pages_are_in_order_whatever_came_and_went(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "SCANNED_AT_ONCE_MAX", 7)
    dice = random.Random(seed)
    directory, expected = Directory(), dict[str, int]()
    for _ in range(500):
        room_id = f"!{dice.randrange(60)}"
        if room_id in expected and dice.random() < 0.3:
            directory.remove(room_id)
            del expected[room_id]
        else:
            expected[room_id] = dice.randrange(5)
            directory.put(room_id, expected[room_id], entry(name=room_id))
    order = sorted((room_id for room_id in expected if expected[room_id]), key=lambda key: (-expected[key], key))
    assert len(directory) == len(expected)
    for limit in (1, 3, 100):
        assert await all_pages(directory, Search(), limit) == order
        assert await all_pages(directory, Search(), limit, backwards=True) == order[::-1]


async def test_a_page_goes_on_where_its_last_room_was() -> None:
    directory = Directory()
    for number in range(6):
        directory.put(f"!{number}", 10 - number, entry())
    directory.remove("!2")
    directory.put("!9", 8, entry())
    page = await directory.page(Search(), Place(-8, "!2"), limit=2, backwards=False)
    assert [place.room_id for place, _ in page] == ["!9", "!3"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search("cheese"), ["!name", "!topic", "!alias"]),
        (Search("straße".casefold()), ["!street"]),
        (Search("", frozenset({"m.space"})), ["!space"]),
        (Search("", frozenset({"m.space", ""})), ["!name", "!topic", "!alias", "!street", "!space"]),
        (Search("cheese", frozenset()), []),
    ],
)
async def test_search(search: Search, found: list[str]) -> None:
    directory = Directory()
    directory.put("!name", 9, entry(name="All CHEESE"))
    directory.put("!topic", 8, entry(name="x", topic="we like cheese"))
    directory.put("!alias", 7, entry(canonical_alias="#cheese:a.example"))
    directory.put("!street", 6, entry(name="STRASSE"))
    directory.put("!space", 5, entry(name="x", room_type="m.space"))
    assert await all_pages(directory, search, 2) == found
