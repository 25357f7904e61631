"""What SqliteStore promises beyond the contract: durability, errors, several processes, migration, TTL."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service_kit.clock import ManualClock
from service_kit.store import sqlite_checkpoints, sqlite_writer
from service_kit.store.interface import OutcomeUnknown, Put, Range, SchemaMismatch, StoreUnavailable
from service_kit.store.schema import Table
from service_kit.store.sqlite import SWEEP_INTERVAL_MS, SWEPT_ROWS_MAX, SqliteStore
from tests.contracts.store_tables import (
    EVENT_BY_TXN,
    LEASES,
    LEDGER,
    ROOMS,
    TABLES,
    TIMELINE,
    Lease,
    Receipt,
    Room,
    entry,
    fact,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plexus.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(path, TABLES)
    yield opened
    await opened.close()


async def test_closed_and_opened_again_holds_everything(path: Path) -> None:
    store = await SqliteStore.open(path, TABLES)
    await store.insert_all_if_absent(LEDGER, [fact(p) for p in range(1, 101)])
    await store.write([Put(TIMELINE, entry(p)) for p in range(1, 1501)])
    await store.close()
    store = await SqliteStore.open(path, TABLES)
    assert await store.scan(LEDGER, ("room.1", 0), limit=1000) == [fact(p) for p in range(1, 101)]
    assert sum([len(page) async for page in store.pages(TIMELINE, ("!r", 0))]) == 1500
    await store.close()


async def test_writes_of_a_moment_share_a_commit(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    transact = sqlite_writer.Writer._transact

    async def spy(writer: sqlite_writer.Writer, jobs: list[sqlite_writer.Job]) -> None:
        sizes.append(len(jobs))
        await transact(writer, jobs)

    monkeypatch.setattr(sqlite_writer.Writer, "_transact", spy)
    await asyncio.gather(*(store.insert_all_if_absent(LEDGER, [fact(1, shard=f"room.{n}")]) for n in range(100)))
    assert sizes == [100]


async def test_closing_finishes_what_was_begun(path: Path) -> None:
    store = await SqliteStore.open(path, TABLES)
    writes = [asyncio.ensure_future(store.insert_all_if_absent(LEDGER, [fact(p)])) for p in range(1, 51)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writes) == [True] * 50


async def test_cancelled_writer_leaves_the_others_their_answers(store: SqliteStore) -> None:
    tasks = [asyncio.ensure_future(store.insert_all_if_absent(LEDGER, [fact(p)])) for p in range(1, 11)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [r is True for r in results] == [True] * 3 + [False] + [True] * 6
    # Whether the cancelled one was done is decided by the time `get_settled` answers.
    first = await store.get_settled(LEDGER, ("room.1", 0, 4))
    assert await store.get_settled(LEDGER, ("room.1", 0, 4)) == first


async def test_full_queue_holds_callers_back_and_loses_nothing(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "QUEUED_ROWS_MAX", 10)
    monkeypatch.setattr(sqlite_writer, "ROWS_PER_TRANSACTION_MAX", 7)
    results = asyncio.gather(*(store.insert_all_if_absent(LEDGER, [fact(p)]) for p in range(1, 200)))
    await asyncio.sleep(0)
    assert store._writer._queued_rows <= 10
    assert await results == [True] * 199


async def test_full_disk_makes_the_store_unavailable_and_leaves_nothing_half_done(store: SqliteStore) -> None:
    await store.insert_all_if_absent(LEDGER, [fact(1)])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    large = fact(2, size=100_000)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.insert_all_if_absent(LEDGER, [large, fact(3)], tables=[Put(ROOMS, Room("!a", "1"))])
    with pytest.raises(StoreUnavailable):
        await store.write([Put(ROOMS, Room("!b", "1")), Put(TIMELINE, entry(1)._replace(client_json=b"x" * 100_000))])
    store._connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert await store.scan(LEDGER, ("room.1", 0), limit=10) == [fact(1)]
    assert await store.get_many(ROOMS, [("!a",), ("!b",)]) == [None, None]
    assert await store.insert_all_if_absent(LEDGER, [large]) is True


class _FailingCommit:
    """A connection whose COMMIT fails once: before or after it was done."""

    def __init__(self, connection: sqlite3.Connection, *, happens: bool, code: int) -> None:
        self._connection = connection
        self._happens = happens
        self._code = code
        self._has_failed = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and not self._has_failed:
            self._has_failed = True
            if self._happens:
                self._connection.execute("COMMIT")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code
            raise error
        return self._connection.execute(sql, *args)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction


@pytest.mark.parametrize("happens", [True, False])
async def test_outcome_of_a_failed_commit_is_unknown_until_it_is_read(store: SqliteStore, happens: bool) -> None:
    failing = _FailingCommit(store._connection, happens=happens, code=sqlite3.SQLITE_IOERR)
    store._writer._connection = failing  # type: ignore[assignment]
    conditional = store.insert_all_if_absent(LEDGER, [fact(1)])
    plain = store.write([Put(ROOMS, Room("!a", "1"))])
    errors = await asyncio.gather(conditional, plain, return_exceptions=True)
    assert [type(error) for error in errors] == [OutcomeUnknown, StoreUnavailable]
    assert (await store.get_settled(LEDGER, ("room.1", 0, 1)) is not None) is happens
    assert await store.insert_all_if_absent(LEDGER, [fact(1)]) is not happens


async def test_commit_on_a_full_disk_surely_did_not_happen(store: SqliteStore) -> None:
    failing = _FailingCommit(store._connection, happens=False, code=sqlite3.SQLITE_FULL)
    store._writer._connection = failing  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await store.insert_all_if_absent(LEDGER, [fact(1)])
    assert await store.insert_all_if_absent(LEDGER, [fact(1)]) is True


CHILD = """
import asyncio, random, sys
from service_kit.store.interface import Put
from service_kit.store.sqlite import SqliteStore
from tests.contracts.store_tables import LEDGER, TABLES, TIMELINE, entry, fact

async def main(path, seed, first):
    store = await SqliteStore.open(path, TABLES)
    choose = random.Random(seed)

    async def shard(name):
        position = first
        while True:
            count = choose.randrange(1, 5)
            positions = range(position, position + count)
            rows = [fact(p, shard=name, batch_id=f"{seed}.{position}", size=choose.randrange(2000)) for p in positions]
            writes = [Put(TIMELINE, entry(p, room_id=name)) for p in positions]
            assert await store.insert_all_if_absent(LEDGER, rows, tables=writes)
            print(name, position, count, flush=True)
            position += count

    await asyncio.gather(*(shard(f"room.{n}") for n in range(4)))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


async def write_until_killed(path: Path, seed: int, first: int, acknowledgements: int) -> dict[str, int]:
    """Returns the last acknowledged position of each shard."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), str(seed), str(first), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    through: dict[str, int] = {}
    count = 0
    async for line in child.stdout:
        if not line.endswith(b"\n"):
            break  # it was killed in the middle of the line
        name, position, rows = line.split()
        through[name.decode()] = int(position) + int(rows) - 1
        count += 1
        if count == acknowledgements:
            child.kill()  # what it still had in its pipe counts as acknowledged too
    await child.wait()
    assert count >= acknowledgements
    return through


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_process_keeps_every_acknowledged_row_once(path: Path, seed: int) -> None:
    choose = random.Random(seed)
    first = 1
    for generation in range(2):  # the second one writes to the file that the first one was torn from
        acknowledged = await write_until_killed(path, seed + generation, first, choose.randrange(1, 400))
        store = await SqliteStore.open(path, TABLES)
        last = first
        for name in (f"room.{n}" for n in range(4)):
            rows = [row async for page in store.pages(LEDGER, (name, 0)) for row in page]
            positions = [row.position for row in rows if row.position >= first]
            assert positions == list(range(first, first + len(positions)))
            assert first + len(positions) > acknowledged.get(name, 0)
            # A batch is there as a whole, with its tables, or not at all.
            timeline = [row.position async for page in store.pages(TIMELINE, (name, 0)) for row in page]
            assert timeline == [row.position for row in rows]
            last = max([last, *positions])
        first = last + 1
        await store.close()


RIVAL = """
import asyncio, sys
from service_kit.store.sqlite import SqliteStore
from tests.contracts.store_tables import LEDGER, TABLES, Fact

async def main(path, name, last):
    store = await SqliteStore.open(path, TABLES)
    print("ready", flush=True)
    sys.stdin.readline()
    won = 0
    position = 0
    while position < last:
        position += 1
        if await store.insert_all_if_absent(LEDGER, [Fact("room.1", 0, position, name, b"x" * 1000)]):
            won += 1
    print(won, flush=True)
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.slow
async def test_processes_that_race_for_positions_win_each_one_once(path: Path) -> None:
    """They open a new file at the same moment, too."""
    last = 150
    rivals = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RIVAL,
            str(path),
            f"rival{number}",
            str(last),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(3)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert await rival.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(rival.communicate(b"go\n") for rival in rivals))
    won = [int(output) for output, _ in outputs]
    assert sum(won) == last
    store = await SqliteStore.open(path, TABLES)
    rows = await store.scan(LEDGER, ("room.1", 0), limit=1000)
    assert [row.position for row in rows] == list(range(1, last + 1))
    assert [sum(row.batch_id == f"rival{number}" for row in rows) for number in range(3)] == won
    await store.close()


async def test_two_stores_on_one_file_see_each_others_writes_at_once(path: Path, store: SqliteStore) -> None:
    other = await SqliteStore.open(path, TABLES)
    for number in range(1, 20):
        writer, reader = (store, other) if number % 2 else (other, store)
        assert await writer.insert_all_if_absent(LEDGER, [fact(number)]) is True
        assert await reader.get(LEDGER, ("room.1", 0, number)) == fact(number)
        assert await reader.insert_all_if_absent(LEDGER, [fact(number)]) is False
    first, second = Lease("s", "w1", 1, False), Lease("s", "w2", 2, False)
    assert await store.replace_if(LEASES, ("s",), None, first) is True
    assert await other.replace_if(LEASES, ("s",), None, second) is False
    assert await other.replace_if(LEASES, ("s",), first, second) is True
    await other.close()


async def test_writer_waits_for_a_stranger_that_holds_the_lock(path: Path, store: SqliteStore) -> None:
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    stranger.execute("INSERT INTO rooms VALUES ('!theirs', '1')")
    write = asyncio.ensure_future(store.write([Put(ROOMS, Room("!ours", "1"))]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not write.done()
    assert await store.get(ROOMS, ("!theirs",)) is None  # reads go on
    stranger.execute("COMMIT")
    await write
    assert await store.get(ROOMS, ("!theirs",)) == Room("!theirs", "1")
    stranger.close()


async def test_turn_that_never_comes_makes_the_store_unavailable_for_now(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "TURN_TIMEOUT_S", 0.01)
    other = await SqliteStore.open(path, TABLES)
    assert other._turnstile.try_enter()
    with pytest.raises(StoreUnavailable, match="another process"):
        await store.write([Put(ROOMS, Room("!a", "1"))])
    turn = store._writer._turn
    assert turn is not None
    other._turnstile.leave()
    await asyncio.wait_for(turn, 5)
    assert other._turnstile.try_enter()  # it came too late for the first one, which passed it on
    other._turnstile.leave()
    monkeypatch.setattr(sqlite_writer, "TURN_TIMEOUT_S", 10)
    await store.write([Put(ROOMS, Room("!a", "2"))])
    await other.write([Put(ROOMS, Room("!b", "2"))])
    await other.close()


def size_of(path: Path) -> int:
    return path.stat().st_size


async def test_log_is_copied_into_the_file_and_begins_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "ROWS_BETWEEN_CHECKPOINTS", 50)
    store = await SqliteStore.open(path, TABLES, fsync=False)
    log = path.with_name("plexus.db-wal")
    beginnings: set[bytes] = set()
    # How soon depends on when the checkpoint's thread gets its turn; that it comes does not.
    for number in range(0, 100_000, 10):
        writes = [Put(TIMELINE, entry(p)._replace(client_json=b"x" * 4000)) for p in range(number, number + 10)]
        await store.write(writes)
        beginnings.add(_salt(log))
        if len(beginnings) > 3:
            break
    assert len(beginnings) > 3
    assert size_of(path) > 100_000
    await store.close()


def _salt(log: Path) -> bytes:
    """A number in the log's header that is another one each time it begins again.

    Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    with log.open("rb") as file:
        return file.read(24)[16:]


class RoomWithTopic(NamedTuple):
    room_id: str
    version: str
    topic: str | None


class RoomWithAvatar(NamedTuple):
    room_id: str
    version: str
    topic: str | None
    avatar: bytes | None


class RoomWithLevel(NamedTuple):
    room_id: str
    version: str
    level: int


class RoomByVersion(NamedTuple):
    version: str
    room_id: str


class RoomWithNumber(NamedTuple):
    room_id: str
    version: int


async def test_new_tables_and_new_nullable_last_columns_are_added(path: Path) -> None:
    old = await SqliteStore.open(path, [ROOMS])
    await old.write([Put(ROOMS, Room("!a", "1"))])
    await old.close()
    rooms = Table("rooms", RoomWithTopic, partition_key=1, clustering_key=0, writer="tests")
    new = await SqliteStore.open(path, [rooms, LEDGER])
    await new.write([Put(rooms, RoomWithTopic("!b", "2", "tea"))])
    assert await new.get(rooms, ("!a",)) == RoomWithTopic("!a", "1", None)
    assert await new.get(rooms, ("!b",)) == RoomWithTopic("!b", "2", "tea")
    assert await new.insert_all_if_absent(LEDGER, [fact(1)]) is True
    await new.close()
    newest_rooms = Table("rooms", RoomWithAvatar, partition_key=1, clustering_key=0, writer="tests")
    newest = await SqliteStore.open(path, [newest_rooms, LEDGER])
    assert await newest.get(newest_rooms, ("!b",)) == RoomWithAvatar("!b", "2", "tea", None)
    await newest.close()
    with pytest.raises(SchemaMismatch, match="topic"):
        await SqliteStore.open(path, [ROOMS])


@pytest.mark.parametrize(
    "changed",
    [
        Table("rooms", RoomWithLevel, partition_key=1, clustering_key=0, writer="tests"),
        Table("rooms", RoomByVersion, partition_key=1, clustering_key=0, writer="tests"),
        Table("rooms", RoomWithNumber, partition_key=1, clustering_key=0, writer="tests"),
        Table("rooms", Room, partition_key=1, clustering_key=1, writer="tests"),
        Table("rooms", Room, partition_key=1, clustering_key=0, writer="tests", ttl_s=10),
    ],
)
async def test_any_other_change_of_a_table_is_refused(path: Path, changed: Table[Any]) -> None:
    store = await SqliteStore.open(path, [ROOMS])
    await store.write([Put(ROOMS, Room("!a", "1"))])
    await store.close()
    with pytest.raises(SchemaMismatch, match="rooms"):
        await SqliteStore.open(path, [LEDGER, changed])
    store = await SqliteStore.open(path, [ROOMS])
    assert await store.get(ROOMS, ("!a",)) == Room("!a", "1")
    tables = store._reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert tables == [("rooms",)]
    await store.close()


@pytest.fixture
def strange_file(path: Path) -> Path:
    path.write_bytes(b"no database, but long enough to look like one" * 100)
    return path


async def test_file_that_is_no_database_is_unavailable(strange_file: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"plexus\.db"):
        await SqliteStore.open(strange_file, TABLES)


async def test_expired_rows_are_swept_away_with_later_writes(path: Path) -> None:
    clock = ManualClock()
    store = await SqliteStore.open(path, TABLES, fsync=False, clock=clock)
    assert EVENT_BY_TXN.ttl_s is not None
    old = [Receipt("@a:b", f"old{n:04}", "$1") for n in range(SWEPT_ROWS_MAX + 50)]
    await store.write([Put(EVENT_BY_TXN, row) for row in old])
    await clock.advance(EVENT_BY_TXN.ttl_s - SWEEP_INTERVAL_MS / 1000 - 1)
    await store.write([Put(EVENT_BY_TXN, row) for row in (Receipt("@a:b", "young", "$1"), old[7])])
    assert len(await store.scan(EVENT_BY_TXN, ("@a:b",), limit=1000)) == len(old) + 1
    await clock.advance(SWEEP_INTERVAL_MS / 1000 + 1)
    for _ in range(3):
        await store.write([Put(ROOMS, Room("!a", "1"))])
    rows = await store.scan(EVENT_BY_TXN, ("@a:b",), limit=1000)
    assert [row.txn_id for row in rows] == ["old0007", "young"]
    await store.close()


async def test_statements_use_the_primary_key_alone(store: SqliteStore) -> None:
    """No scan of a whole table, no sorting: for every shape that a service can ask for."""
    ranges = [Range(), Range(after=1), Range(at_least=1, before=2), Range(through=1)]
    for table in TABLES:
        statements = store._of(table)
        shapes = [range for range in ranges if table.clustering_key or range == Range()]
        scans = [statements.scan(range, reverse=reverse)[0] for range in shapes for reverse in (False, True)]
        pages = [statements.page(n, is_first=first) for n in range(table.clustering_key + 1) for first in (True, False)]
        for sql in [statements.get, statements.delete, statements.delete_partition, *scans, *pages]:
            plan = store._reader.execute(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?")).fetchall()
            steps = [step for *_, step in plan]
            assert len(steps) == 1, (sql, steps)
            assert steps[0].startswith(f"SEARCH {table.name} USING"), (sql, steps)
