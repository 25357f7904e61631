"""`plexus schema apply` and `plexus schema check`: the keyspace in Cassandra (docs/cassandra.md)."""

from __future__ import annotations

import asyncio
import sys

from homeserver.cluster import check_version, write_version
from homeserver.kit import SCHEMA_VERSION, TABLES, open_cassandra
from service_kit.config import Settings
from service_kit.store.interface import StoreError


def run_schema_action(settings: Settings, action: str) -> int:
    """The exit status."""
    if settings.store.engine != "cassandra":
        print(f"store.engine is {settings.store.engine}: it makes its tables by itself", file=sys.stderr)
        return 1
    try:
        asyncio.run(_apply(settings) if action == "apply" else _check(settings))
    except StoreError as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    return 0


async def _apply(settings: Settings) -> None:
    store = None
    try:
        from service_kit.store.cassandra_schema import apply_schema
    except ImportError:
        await open_cassandra(settings)  # says what is missing
        raise
    made = await apply_schema(settings.cassandra, TABLES)
    store = await open_cassandra(settings)
    try:
        await write_version(store, SCHEMA_VERSION)
        await check_version(store, settings, SCHEMA_VERSION)
    finally:
        await store.close()
    for words in made:
        print(f"made {words}")
    print(f"keyspace {settings.cassandra.keyspace} is ready (schema version {SCHEMA_VERSION})")


async def _check(settings: Settings) -> None:
    """Of what a start compares, that which needs no keyspace of one's own: nothing is written."""
    store = await open_cassandra(settings)
    try:
        await check_version(store, settings, SCHEMA_VERSION)
    finally:
        await store.close()
    print(f"keyspace {settings.cassandra.keyspace} is as this version needs it (schema version {SCHEMA_VERSION})")
