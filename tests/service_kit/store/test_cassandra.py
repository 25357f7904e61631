"""What is Cassandra's alone, on a real node; the promises of every store are in tests/contracts/test_store.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from service_kit.store.cassandra import CassandraStore
from service_kit.store.cassandra_schema import apply_schema
from service_kit.store.cassandra_statements import Statements, create_table, table_options
from service_kit.store.interface import OutcomeUnknown, Put, Range, SchemaMismatch
from service_kit.store.schema import Table
from tests.cassandra.nodes import Nodes
from tests.cassandra.stores import SharedKeyspace, settings_for
from tests.contracts.store_tables import (
    EVENT_BY_TXN,
    LEASES,
    LEDGER,
    ROOMS,
    STATE,
    TABLES,
    TIMELINE,
    Lease,
    fact,
    state,
)

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def keyspace(cassandra_node: Nodes) -> Iterator[SharedKeyspace]:
    keyspace = SharedKeyspace(settings_for(cassandra_node, f"store_{os.getpid()}"), TABLES)
    yield keyspace
    asyncio.run(keyspace.close())


async def test_dropped_ledger_partition_takes_new_rows(keyspace: SharedKeyspace) -> None:
    store = await keyspace.open()
    for round_ in range(3):
        assert await store.insert_all_if_absent(LEDGER, [fact(p, batch_id=str(round_)) for p in range(1, 6)])
        assert len(await store.scan(LEDGER, ("room.1", 0), limit=10)) == 5
        await store.delete_partition(LEDGER, ("room.1", 0))
        assert await store.scan(LEDGER, ("room.1", 0), limit=10) == []
        assert await store.get_settled(LEDGER, ("room.1", 0, 1)) is None


async def test_row_that_is_there_as_wanted_is_nobodys_for_sure(keyspace: SharedKeyspace) -> None:
    # The server may report its own first round as a defeat; whoever asks has to find out by what the row says.
    store = await keyspace.open()
    row = Lease("s", "w1", 1, False)
    assert await store.replace_if(LEASES, ("s",), None, row)
    with pytest.raises(OutcomeUnknown):
        await store.replace_if(LEASES, ("s",), None, row)
    assert await store.replace_if(LEASES, ("s",), row, row)


async def test_more_rows_than_fit_into_a_batch_are_all_written(keyspace: SharedKeyspace) -> None:
    store = await keyspace.open()
    rows = [state("t", f"{number:04}") for number in range(450)]
    await store.write([Put(STATE, row) for row in rows])
    assert await store.scan(STATE, ("!r",), limit=1000) == rows


async def test_batch_of_a_megabyte_is_appended_whole(keyspace: SharedKeyspace) -> None:
    store = await keyspace.open()
    rows = [fact(position, size=64 * 1024) for position in range(1, 21)]
    assert await store.insert_all_if_absent(LEDGER, rows)
    assert await store.scan(LEDGER, ("room.1", 0), limit=100) == rows


# --- the schema


class Before(NamedTuple):
    name: str
    value: str


class After(NamedTuple):
    name: str
    value: str
    further: int | None


class Required(NamedTuple):
    name: str
    value: str
    further: int


class OtherKey(NamedTuple):
    name: int
    value: str


def things(row_type: type[NamedTuple]) -> Table[NamedTuple]:
    return Table("things", row_type, partition_key=1, clustering_key=0, writer="tests")


@pytest.mark.slow
async def test_schema_grows_and_both_versions_run_on_it(cassandra_node: Nodes) -> None:
    settings = settings_for(cassandra_node, f"grows_{os.getpid()}")
    before, after = things(Before), things(After)
    assert await apply_schema(settings, [before]) == [f"keyspace {settings.keyspace}", "table things"]
    old = await CassandraStore.open(settings, [before])
    await old.write([Put(before, Before("a", "1"))])

    with pytest.raises(
        SchemaMismatch, match=r"older than this program \(missing: column things.further\).*schema apply"
    ):
        await CassandraStore.open(settings, [after])
    assert await apply_schema(settings, [after]) == ["column things.further"]
    assert await apply_schema(settings, [after]) == []

    new = await CassandraStore.open(settings, [after])
    assert await new.get(after, ("a",)) == After("a", "1", None)
    await new.write([Put(after, After("b", "2", 3))])
    assert await old.get(before, ("b",)) == Before("b", "2")
    await old.close()
    old = await CassandraStore.open(settings, [before])  # a restart of the former version
    assert await old.get(before, ("b",)) == Before("b", "2")
    await old.close()
    await new.close()


@pytest.mark.slow
async def test_what_no_addition_mends_is_refused(cassandra_node: Nodes) -> None:
    settings = settings_for(cassandra_node, f"refused_{os.getpid()}")
    await apply_schema(settings, [things(Before)])
    for row_type, words in ((Required, "must allow None"), (OtherKey, "another program's table")):
        with pytest.raises(SchemaMismatch, match=words):
            await apply_schema(settings, [things(row_type)])


@pytest.mark.slow
def test_process_that_never_closes_the_store_ends(cassandra_node: Nodes, keyspace: SharedKeyspace) -> None:
    asyncio.run(keyspace.open())
    program = f"""
import asyncio, sys
from service_kit.config import CassandraSettings
from service_kit.store.cassandra import CassandraStore
from tests.contracts.store_tables import ROOMS, TABLES
async def main():
    settings = CassandraSettings.model_validate_json({keyspace.settings.model_dump_json()!r})
    store = await CassandraStore.open(settings, TABLES)
    print(await store.get(ROOMS, ("nobody",)))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


# --- statements


def test_rows_that_expire_lie_in_windows_and_all_others_in_levels() -> None:
    assert "LeveledCompactionStrategy" in table_options(LEDGER)["compaction"]
    options = table_options(EVENT_BY_TXN)
    assert "'compaction_window_size': '2', 'compaction_window_unit': 'MINUTES'" in options["compaction"]
    assert options["default_time_to_live"] == "3600"


def test_table_is_made_of_its_declaration() -> None:
    assert create_table(LEDGER, "k").startswith(
        "CREATE TABLE IF NOT EXISTS k.ledger (shard text, bucket bigint, position bigint, batch_id text, fact blob, "
        "PRIMARY KEY ((shard, bucket), position)) WITH "
    )


@pytest.mark.parametrize(
    ("range", "condition"),
    [
        (Range(after=1, at_least=1), "position > ?"),
        (Range(after=1, at_least=2), "position >= ?"),
        (Range(before=2, through=2), "position < ?"),
        (Range(before=2, through=1), "position <= ?"),
    ],
)
def test_of_two_bounds_the_stricter_counts(range: Range, condition: str) -> None:
    cql, bounds = Statements(TIMELINE, "k").scan(range, reverse=False)
    assert cql.endswith(f"AND {condition} LIMIT ?")
    assert len(bounds) == 1


def test_conditional_table_needs_a_value_that_tells_absence() -> None:
    class Nullable(NamedTuple):
        name: str
        value: str | None

    table = Table("n", Nullable, partition_key=1, clustering_key=0, writer="tests", conditional=True)
    with pytest.raises(TypeError, match="cannot be None"):
        CassandraStore(None, [ROOMS, table], "k")  # type: ignore[arg-type]
