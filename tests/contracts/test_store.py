"""What every store promises; run on the fake that we ship and on the real ones."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from service_kit.clock import ManualClock
from service_kit.store.interface import Delete, Put, Range, Store, StoreUnavailable, Write
from service_kit.store.memory import MemoryStore
from service_kit.store.schema import Table
from service_kit.store.sqlite import SqliteStore
from tests.cassandra.nodes import Nodes
from tests.cassandra.stores import SharedKeyspace, settings_for
from tests.contracts.store_tables import (
    CORDONS,
    EVENT_BY_TXN,
    LEASES,
    LEDGER,
    ROOMS,
    STATE,
    TABLES,
    TIMELINE,
    Cordon,
    Lease,
    Receipt,
    Room,
    StateEntry,
    TimelineEntry,
    entry,
    fact,
    state,
)


class _WithTables(MemoryStore):
    """The caller's part of an append: the tables, afterwards."""

    async def insert_all_if_absent(
        self, table: Table[Any], rows: Sequence[Any], *, tables: Sequence[Write] = ()
    ) -> bool:
        inserted = await super().insert_all_if_absent(table, rows, tables=tables)
        if inserted:
            await self.write(tables)
        return inserted


@pytest.fixture(scope="module")
def keyspace(cassandra_node: Nodes) -> Iterator[SharedKeyspace]:
    keyspace = SharedKeyspace(settings_for(cassandra_node, f"contract_{os.getpid()}"), TABLES)
    yield keyspace
    asyncio.run(keyspace.close())


@pytest.fixture(params=["memory", "memory_as_cassandra", "sqlite", "cassandra"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(TABLES, clock=ManualClock())
    elif request.param == "memory_as_cassandra":
        opened = _WithTables(TABLES, atomic_tables=False, clock=ManualClock())
    elif request.param == "sqlite":
        opened = await SqliteStore.open(tmp_path / "plexus.db", TABLES, fsync=False, clock=ManualClock())
    else:
        opened = await request.getfixturevalue("keyspace").open()
    yield opened
    await opened.close()


async def put(store: Store, table: Table[Any], *rows: tuple[Any, ...]) -> None:
    await store.write([Put(table, row) for row in rows])


async def test_written_row_is_read_as_it_was_written(store: Store) -> None:
    rows = [
        TimelineEntry("!r", 0, 1, "$1", None, None, None, None),
        TimelineEntry("!r", 0, 2, "$2", "", False, 0, b""),
        TimelineEntry("!r", 0, 3, "$ü\x00🦊", "k", True, -(2**63), b"\x00\xff"),
        TimelineEntry("!r", 0, 2**63 - 1, "$4", "k", True, 2**63 - 1, b"x" * 100_000),
    ]
    await put(store, TIMELINE, *rows)
    for row in rows:
        found = await store.get(TIMELINE, row[:3])
        assert found == row
        assert type(found) is TimelineEntry
        assert found.is_redacted is row.is_redacted


async def test_absent_row_is_none(store: Store) -> None:
    await put(store, TIMELINE, entry(1))
    assert await store.get(TIMELINE, ("!r", 0, 2)) is None
    assert await store.get(TIMELINE, ("!q", 0, 1)) is None
    assert await store.get_settled(LEDGER, ("room.1", 0, 1)) is None


async def test_get_many_answers_in_the_order_of_the_keys(store: Store) -> None:
    await put(store, ROOMS, Room("!a", "11"), Room("!b", "12"))
    assert await store.get_many(ROOMS, [("!b",), ("!x",), ("!a",), ("!b",)]) == [
        Room("!b", "12"),
        None,
        Room("!a", "11"),
        Room("!b", "12"),
    ]
    assert await store.get_many(ROOMS, []) == []


async def test_put_replaces_the_whole_row(store: Store) -> None:
    await put(store, TIMELINE, TimelineEntry("!r", 0, 1, "$1", "k", True, 1, b"x"))
    await put(store, TIMELINE, TimelineEntry("!r", 0, 1, "$2", None, None, None, None))
    assert await store.get(TIMELINE, ("!r", 0, 1)) == TimelineEntry("!r", 0, 1, "$2", None, None, None, None)


async def test_writes_are_done_in_their_order(store: Store) -> None:
    await store.write(
        [
            Put(ROOMS, Room("!a", "1")),
            Delete(ROOMS, ("!a",)),
            Put(ROOMS, Room("!b", "1")),
            Put(ROOMS, Room("!b", "2")),
            Delete(ROOMS, ("!never",)),
        ]
    )
    assert await store.get_many(ROOMS, [("!a",), ("!b",)]) == [None, Room("!b", "2")]


async def test_row_as_of_a_later_position_is_not_overwritten_by_a_latecomer(store: Store) -> None:
    if store.atomic_tables:
        return  # there, tables are written with the ledger's own append: nobody comes late
    await store.write([Put(ROOMS, Room("!a", "new")), Delete(ROOMS, ("!b",)), Put(ROOMS, Room("!c", "new"))], as_of=20)
    await store.write([Put(ROOMS, Room("!a", "old")), Put(ROOMS, Room("!b", "old")), Delete(ROOMS, ("!c",))], as_of=10)
    assert await store.get_many(ROOMS, [("!a",), ("!b",), ("!c",)]) == [Room("!a", "new"), None, Room("!c", "new")]
    await store.write([Put(ROOMS, Room("!a", "newer")), Put(ROOMS, Room("!b", "newer"))], as_of=21)
    assert await store.get_many(ROOMS, [("!a",), ("!b",)]) == [Room("!a", "newer"), Room("!b", "newer")]


async def test_row_with_ttl_goes_by_the_clock(store: Store) -> None:
    await store.write([Put(EVENT_BY_TXN, Receipt("@a:b", "t1", "$1"))], as_of=20)
    await store.write([Put(EVENT_BY_TXN, Receipt("@a:b", "t1", "$2"))], as_of=10)
    assert await store.get(EVENT_BY_TXN, ("@a:b", "t1")) == Receipt("@a:b", "t1", "$2")


async def test_writing_nothing_is_nothing(store: Store) -> None:
    await store.write([])


@pytest.mark.parametrize(
    ("range", "expected"),
    [
        (Range(), [1, 2, 3, 5, 8]),
        (Range(after=2), [3, 5, 8]),
        (Range(at_least=2), [2, 3, 5, 8]),
        (Range(through=5), [1, 2, 3, 5]),
        (Range(before=5), [1, 2, 3]),
        (Range(after=1, through=5), [2, 3, 5]),
        (Range(at_least=4, before=8), [5]),
        (Range(after=8), []),
        (Range(after=5, before=5), []),
        (Range(prefix=(3,)), [3]),
        (Range(prefix=(4,)), []),
    ],
)
async def test_scan_keeps_to_its_range(store: Store, range: Range, expected: list[int]) -> None:
    await put(store, TIMELINE, *[entry(p) for p in (5, 1, 8, 3, 2)], entry(4, room_id="!q"), entry(6, bucket=1))
    ascending = await store.scan(TIMELINE, ("!r", 0), range=range, limit=100)
    descending = await store.scan(TIMELINE, ("!r", 0), range=range, limit=100, reverse=True)
    assert [row.position for row in ascending] == expected
    assert descending == ascending[::-1]
    assert await store.scan(TIMELINE, ("!r", 0), range=range, limit=2) == ascending[:2]
    assert await store.scan(TIMELINE, ("!r", 0), range=range, limit=2, reverse=True) == descending[:2]


async def test_scan_with_a_prefix_bounds_the_next_column(store: Store) -> None:
    await put(store, STATE, *[state("member", key) for key in "abcd"], state("name", ""), state("power", "b"))
    scan = store.scan
    assert [r.state_key for r in await scan(STATE, ("!r",), range=Range(prefix=("member",)), limit=9)] == list("abcd")
    after = Range(prefix=("member",), after="b", through="c")
    assert await scan(STATE, ("!r",), range=after, limit=9) == [state("member", "c")]
    types = [r.event_type for r in await scan(STATE, ("!r",), range=Range(after="member"), limit=9)]
    assert types == ["name", "power"]
    assert len(await scan(STATE, ("!r",), range=Range(through="member"), limit=9)) == 4


async def test_text_is_ordered_by_its_utf8_bytes(store: Store) -> None:
    keys = ["", "A", "Z", "a", "ab", "b", "é", "\uffff", "🦊"]
    await put(store, STATE, *[state("t", key) for key in reversed(keys)])
    assert [row.state_key for row in await store.scan(STATE, ("!r",), limit=100)] == keys


async def test_scan_of_a_table_without_clustering_key_finds_the_one_row(store: Store) -> None:
    await put(store, ROOMS, Room("!a", "11"))
    assert await store.scan(ROOMS, ("!a",), limit=10) == [Room("!a", "11")]
    assert await store.scan(ROOMS, ("!b",), limit=10, reverse=True) == []


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1000, 1001, 2000, 2003])
async def test_pages_hold_every_row_once_in_order(store: Store, count: int) -> None:
    rows = [state("t", f"{number:05}") for number in range(count)]
    await put(store, STATE, *reversed(rows), state("a", "1"), state("u", "1"))
    pages = [page async for page in store.pages(STATE, ("!r",), prefix=("t",))]
    assert [row for page in pages for row in page] == rows
    assert all(pages)
    everything = [row async for page in store.pages(STATE, ("!r",)) for row in page]
    assert everything == [state("a", "1"), *rows, state("u", "1")]


async def test_pages_of_a_row_without_clustering_key_end(store: Store) -> None:
    await put(store, ROOMS, Room("!a", "11"))
    assert [page async for page in store.pages(ROOMS, ("!a",))] == [[Room("!a", "11")]]


async def test_rows_are_inserted_all_or_none(store: Store) -> None:
    assert await store.insert_all_if_absent(LEDGER, [fact(1), fact(2)]) is True
    assert await store.insert_all_if_absent(LEDGER, [fact(3, batch_id="b"), fact(2, batch_id="b")]) is False
    assert await store.insert_all_if_absent(LEDGER, [fact(2, batch_id="c"), fact(3, batch_id="c")]) is False
    assert await store.scan(LEDGER, ("room.1", 0), limit=10) == [fact(1), fact(2)]
    assert await store.insert_all_if_absent(LEDGER, [fact(3)]) is True
    assert await store.get_settled(LEDGER, ("room.1", 0, 3)) == fact(3)


async def test_tables_follow_only_inserted_rows(store: Store) -> None:
    first = await store.insert_all_if_absent(LEDGER, [fact(1)], tables=[Put(ROOMS, Room("!a", "1"))])
    second = await store.insert_all_if_absent(LEDGER, [fact(1)], tables=[Put(ROOMS, Room("!a", "2"))])
    assert (first, second) == (True, False)
    assert await store.get(ROOMS, ("!a",)) == Room("!a", "1")


async def test_one_of_many_racing_appends_wins(store: Store) -> None:
    contenders = [
        store.insert_all_if_absent(LEDGER, [fact(p, batch_id=str(n)) for p in range(1, 4)]) for n in range(20)
    ]
    won = await asyncio.gather(*contenders)
    assert won.count(True) == 1
    rows = await store.scan(LEDGER, ("room.1", 0), limit=10)
    assert [(row.position, row.batch_id) for row in rows] == [(p, str(won.index(True))) for p in range(1, 4)]


async def test_lost_append_leaves_its_neighbours_in_the_same_commit_alone(store: Store) -> None:
    await store.insert_all_if_absent(LEDGER, [fact(1)])
    results = await asyncio.gather(
        store.insert_all_if_absent(LEDGER, [fact(1, shard="room.2")], tables=[Put(ROOMS, Room("!2", "1"))]),
        store.insert_all_if_absent(LEDGER, [fact(0), fact(1)], tables=[Put(ROOMS, Room("!1", "1"))]),
        store.write([Put(ROOMS, Room("!3", "1"))]),
        store.insert_all_if_absent(LEDGER, [fact(2)], tables=[Put(ROOMS, Room("!4", "1"))]),
    )
    assert list(results) == [True, False, None, True]
    assert await store.get(LEDGER, ("room.1", 0, 0)) is None
    found = await store.get_many(ROOMS, [("!1",), ("!2",), ("!3",), ("!4",)])
    assert [room is not None for room in found] == [False, True, True, True]


async def test_replace_if_compares_the_whole_row(store: Store) -> None:
    key = ("room.1",)
    first, second = Lease("room.1", "w1", 1, False), Lease("room.1", "w2", 2, True)
    assert await store.replace_if(LEASES, key, first, second) is False
    assert await store.replace_if(LEASES, key, None, first) is True
    assert await store.replace_if(LEASES, key, None, second) is False
    assert await store.replace_if(LEASES, key, first._replace(is_draining=True), second) is False
    assert await store.replace_if(LEASES, key, first, second) is True
    assert await store.get(LEASES, key) == second
    assert await store.replace_if(LEASES, key, second, None) is True
    assert await store.get_settled(LEASES, key) is None


async def test_row_that_is_all_key_is_set_and_removed_conditionally(store: Store) -> None:
    row, key = Cordon("s", "w1"), ("s", "w1")
    assert await store.replace_if(CORDONS, key, row, None) is False
    assert await store.replace_if(CORDONS, key, row, row) is False
    assert await store.replace_if(CORDONS, key, None, row) is True
    assert await store.replace_if(CORDONS, key, row, row) is True
    assert await store.get_settled(CORDONS, key) == row
    assert await store.replace_if(CORDONS, key, row, None) is True
    assert await store.replace_if(CORDONS, key, None, None) is True
    assert await store.scan(CORDONS, ("s",), limit=10) == []


async def test_one_of_many_racing_replacements_wins(store: Store) -> None:
    rivals = [store.replace_if(LEASES, ("s",), None, Lease("s", f"w{n}", 1, False)) for n in range(10)]
    won = await asyncio.gather(*rivals)
    assert won.count(True) == 1
    assert await store.get(LEASES, ("s",)) == Lease("s", f"w{won.index(True)}", 1, False)


async def test_deleted_partition_is_gone_and_its_neighbours_stay(store: Store) -> None:
    await store.insert_all_if_absent(LEDGER, [fact(p) for p in range(1, 50)])
    await store.insert_all_if_absent(LEDGER, [fact(p, bucket=1) for p in range(50, 60)])
    await store.delete_partition(LEDGER, ("room.1", 0))
    await store.delete_partition(LEDGER, ("room.9", 0))
    assert await store.scan(LEDGER, ("room.1", 0), limit=100) == []
    assert len(await store.scan(LEDGER, ("room.1", 1), limit=100)) == 10


async def test_row_with_ttl_is_written_and_replaced_like_any_other(store: Store) -> None:
    await put(store, EVENT_BY_TXN, Receipt("@a:b", "t1", "$1"))
    await put(store, EVENT_BY_TXN, Receipt("@a:b", "t1", "$2"), Receipt("@a:b", "t0", "$0"))
    rows = await store.scan(EVENT_BY_TXN, ("@a:b",), limit=10)
    assert rows == [Receipt("@a:b", "t0", "$0"), Receipt("@a:b", "t1", "$2")]
    await store.write([Delete(EVENT_BY_TXN, ("@a:b", "t1"))])
    assert await store.get(EVENT_BY_TXN, ("@a:b", "t1")) is None


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (StateEntry("!r", "t", "k", "no number", False), TypeError),  # type: ignore[arg-type]
        (StateEntry("!r", "t", None, 1, False), TypeError),  # type: ignore[arg-type]
        (StateEntry("!r", "t", b"bytes", 1, False), TypeError),  # type: ignore[arg-type]
        (StateEntry("!r", "t", "\ud800", 1, False), UnicodeEncodeError),
        (StateEntry("!r", "t", "k", 2**63, False), OverflowError),
        (("!r", "t", "k"), ValueError),
    ],
)
async def test_impossible_row_is_refused_and_harms_nobody_else(
    store: Store, row: tuple[Any, ...], error: type[Exception]
) -> None:
    writes = (
        put(store, STATE, state("good", "1")),
        put(store, STATE, state("before", "1"), row),
        store.insert_all_if_absent(LEDGER, [fact(1)], tables=[Put(STATE, row)]),
        put(store, STATE, state("good", "2")),
        store.insert_all_if_absent(LEDGER, [fact(1, shard="room.2")]),
    )
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), error, error, type(None), bool]
    assert await store.get(LEDGER, ("room.1", 0, 1)) is None
    assert len(await store.scan(STATE, ("!r",), range=Range(prefix=("good",)), limit=9)) == 2


async def test_mistakes_of_the_caller_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="conditionally"):
        await put(store, LEDGER, fact(1))
    with pytest.raises(ValueError, match="plainly"):
        await store.replace_if(ROOMS, ("!a",), None, Room("!a", "1"))
    with pytest.raises(ValueError, match="one partition"):
        await store.insert_all_if_absent(LEDGER, [fact(1), fact(2, bucket=1)])
    with pytest.raises(ValueError, match="same key"):
        await store.insert_all_if_absent(LEDGER, [fact(1), fact(1)])
    with pytest.raises(ValueError, match="no rows"):
        await store.insert_all_if_absent(LEDGER, [])
    with pytest.raises(ValueError, match="another key"):
        await store.replace_if(LEASES, ("a",), None, Lease("b", "w", 1, False))
    with pytest.raises(ValueError, match="limit"):
        await store.scan(TIMELINE, ("!r", 0), limit=1001)
    with pytest.raises(ValueError, match="limit"):
        await store.scan(TIMELINE, ("!r", 0), limit=0)
    with pytest.raises(ValueError, match="needed"):
        await store.scan(TIMELINE, ("!r",), limit=1)
    with pytest.raises(ValueError, match="needed"):
        await store.get(TIMELINE, ("!r", 0))
    with pytest.raises(ValueError, match="more columns"):
        await store.scan(TIMELINE, ("!r", 0), range=Range(prefix=(1,), after=2), limit=1)
    stranger = Table("strangers", Room, partition_key=1, clustering_key=0, writer="tests")
    with pytest.raises(ValueError, match="not given"):
        await store.get(stranger, ("!a",))


async def test_closed_store_is_unavailable(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get(ROOMS, ("!a",))
    with pytest.raises(StoreUnavailable):
        await put(store, ROOMS, Room("!a", "1"))
    with pytest.raises(StoreUnavailable):
        await store.insert_all_if_absent(LEDGER, [fact(1)])
    await store.close()
