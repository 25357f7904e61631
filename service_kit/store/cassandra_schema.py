"""A keyspace brought up to the declared tables, and compared with them.

Only additions happen: new tables, and new nullable columns. So a keyspace that
the next version has applied to still serves this one, and `plexus schema apply`
comes before the new version's first process. One process applies at a time:
Cassandra does not order concurrent schema changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from service_kit.config import CassandraSettings
from service_kit.store.cassandra_driver import CassandraDriver, Kind
from service_kit.store.cassandra_statements import CQL_TYPES, create_table
from service_kit.store.interface import SchemaMismatch, StoreError
from service_kit.store.schema import Table

APPLY = "run `plexus schema apply`"


class _Column(NamedTuple):
    """A column as the keyspace has it."""

    cql_type: str
    kind: str
    """`partition_key`, `clustering` or `regular`"""
    position: int
    """within the key's part; -1 for values"""


class _Change(NamedTuple):
    cql: str
    words: str


async def check_schema(driver: CassandraDriver, settings: CassandraSettings, tables: Sequence[Table[Any]]) -> None:
    """Raises SchemaMismatch with a sentence that says what to do."""
    changes = await planned_changes(driver, settings, tables)
    if changes:
        missing = ", ".join(change.words for change in changes[:5])
        raise SchemaMismatch(
            f"keyspace {settings.keyspace} is older than this program (missing: {missing}): {APPLY} with this version"
        )


async def apply_schema(settings: CassandraSettings, tables: Sequence[Table[Any]]) -> list[str]:
    """Make the keyspace and what is missing in it; what was done, in words. Raises StoreError."""
    driver = await CassandraDriver.connect(settings, keyspace=None)
    try:
        made = await _make_keyspace(driver, settings)
    finally:
        await driver.close()
    driver = await CassandraDriver.connect(settings, keyspace=settings.keyspace)
    try:
        changes = await planned_changes(driver, settings, tables)
        for change in changes:
            await driver.run(change.cql)
    finally:
        await driver.close()
    return [*made, *(change.words for change in changes)]


async def planned_changes(
    driver: CassandraDriver, settings: CassandraSettings, tables: Sequence[Table[Any]]
) -> list[_Change]:
    """What the keyspace lacks. Raises SchemaMismatch where an addition does not help."""
    await _check_replication(driver, settings)
    found = await _columns(driver, settings.keyspace)
    changes: list[_Change] = []
    for table in tables:
        if table.name not in found:
            changes.append(_Change(create_table(table, settings.keyspace), f"table {table.name}"))
        else:
            changes.extend(_additions(settings.keyspace, table, found[table.name]))
    return changes


def _additions(keyspace: str, table: Table[Any], found: dict[str, _Column]) -> list[_Change]:
    changes = []
    nullable = {column.name: column.nullable for column in table.columns}
    for name, wanted in _wanted(table).items():
        there = found.get(name)
        place = f"keyspace {keyspace}, table {table.name}, column {name}"
        if there is None:
            if wanted.kind != "regular":
                raise SchemaMismatch(f"{place}: missing in the key. This is another program's table: {_ELSEWHERE}")
            if not nullable[name]:
                raise SchemaMismatch(f"{place}: a new column must allow None, or older rows cannot be read")
            cql = f"ALTER TABLE {keyspace}.{table.name} ADD {name} {wanted.cql_type}"
            changes.append(_Change(cql, f"column {table.name}.{name}"))
        elif there != wanted:
            raise SchemaMismatch(f"{place}: is {there}, not {wanted}. This is another program's table: {_ELSEWHERE}")
    further = [name for name, column in found.items() if column.kind != "regular" and name not in _wanted(table)]
    if further:
        raise SchemaMismatch(f"keyspace {keyspace}, table {table.name}: {further} in the key, too. {_ELSEWHERE}")
    return changes


_ELSEWHERE = "name another keyspace (cassandra.keyspace)"


def _wanted(table: Table[Any]) -> dict[str, _Column]:
    columns = {}
    for index, column in enumerate(table.columns):
        kind, position = "regular", -1
        if index < table.partition_key:
            kind, position = "partition_key", index
        elif index < table.key_length:
            kind, position = "clustering", index - table.partition_key
        columns[column.name] = _Column(CQL_TYPES[column.type], kind, position)
    return columns


async def _columns(driver: CassandraDriver, keyspace: str) -> dict[str, dict[str, _Column]]:
    statement = await driver.prepare(
        "SELECT table_name, column_name, type, kind, position FROM system_schema.columns WHERE keyspace_name = ?"
    )
    tables: dict[str, dict[str, _Column]] = {}
    for table, column, cql_type, kind, position in await driver.execute(statement, (keyspace,), Kind.SCHEMA):
        tables.setdefault(table, {})[column] = _Column(cql_type, kind, position)
    return tables


# --- the keyspace


async def _make_keyspace(driver: CassandraDriver, settings: CassandraSettings) -> list[str]:
    if await _replication(driver, settings.keyspace) is not None:
        return []
    copies = ", ".join(f"'{name}': {count}" for name, count in _data_centres(settings).items())
    await driver.run(
        f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} "
        f"WITH replication = {{'class': 'NetworkTopologyStrategy', {copies}}} AND durable_writes = true"
    )
    return [f"keyspace {settings.keyspace}"]


async def _check_replication(driver: CassandraDriver, settings: CassandraSettings) -> None:
    found = await _replication(driver, settings.keyspace)
    if found is None:
        raise SchemaMismatch(f"Cassandra has no keyspace {settings.keyspace!r}: check cassandra.keyspace, or {APPLY}")
    there = {name: count for name, count in found.items() if name != "class"}
    wanted = {name: str(count) for name, count in settings.replication.items()}
    if there != wanted or not found.get("class", "").endswith("NetworkTopologyStrategy"):
        raise SchemaMismatch(
            f"keyspace {settings.keyspace} is replicated as {found}, and cassandra.replication says {wanted}: "
            "correct the configuration, or change the keyspace (ALTER KEYSPACE) and repair it"
        )


def _data_centres(settings: CassandraSettings) -> dict[str, int]:
    for name in (settings.local_data_centre, *settings.replication):
        if "'" in name or name not in settings.replication:
            raise StoreError(f"data centre {name!r}: cassandra.replication must name cassandra.local_data_centre")
    return settings.replication


async def _replication(driver: CassandraDriver, keyspace: str) -> dict[str, str] | None:
    statement = await driver.prepare("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?")
    rows = await driver.execute(statement, (keyspace,), Kind.SCHEMA)
    return dict(rows[0][0]) if rows else None
