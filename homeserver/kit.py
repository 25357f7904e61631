"""What every component is given: the bus, the store, the shards, the hosted servers, the clock."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import roomserver.tables
import satellites.search.tables
import userserver.tables
from homeserver.cluster import check_cluster, check_shard_counts, check_signing_keys
from service_kit.bus.interface import Bus
from service_kit.bus.nats import NatsBus
from service_kit.clock import Clock, SystemClock
from service_kit.config import NatsSettings, Settings
from service_kit.hosted_servers import HostedServers, load_hosted_servers
from service_kit.ledger.tables import LEDGER_TABLES, read_or_create_shard_map
from service_kit.shards import ShardMap
from service_kit.store.interface import Store, StoreError
from service_kit.store.schema import Table

if TYPE_CHECKING:
    import ssl

    from service_kit.store.cassandra import CassandraStore

SCHEMA_VERSION = 10
"""One more with every change of the tables (tests/homeserver/test_schema.py tells when)."""

TABLES: tuple[Table[Any], ...] = (
    *LEDGER_TABLES,
    *roomserver.tables.TABLES,
    *userserver.tables.TABLES,
    *satellites.search.tables.TABLES,
)

CONNECT_TIMEOUT_S = 20.0
"""Servers that are starting at the same time get so long."""


class Kit(NamedTuple):
    settings: Settings
    clock: Clock
    bus: Bus
    store: Store
    shards: ShardMap
    hosted_servers: HostedServers


async def open_kit(settings: Settings, servers: Sequence[str], name: str, stack: AsyncExitStack) -> Kit:
    """Connect and open everything; `stack` closes it. `name` is how the connection is called in NATS' own tools.

    Raises BusError, StoreError, WrongCluster, ValueError (a signing key that cannot be read).
    """
    store = await open_store(settings)
    stack.push_async_callback(store.close)
    if settings.store.engine == "cassandra":
        await check_cluster(store, settings, SCHEMA_VERSION)
    bus = await connect_bus(settings, servers, name)
    stack.push_async_callback(bus.close)
    wanted = ShardMap(settings.cluster.room_shards, settings.cluster.user_shards)
    shards = await read_or_create_shard_map(store, wanted)
    check_shard_counts(settings, shards)
    hosted_servers = load_hosted_servers(settings)
    if settings.store.engine == "cassandra":
        await check_signing_keys(store, settings, hosted_servers)
    return Kit(settings, SystemClock(), bus, store, shards, hosted_servers)


async def connect_bus(settings: Settings, servers: Sequence[str], name: str) -> NatsBus:
    """Raises BusDisconnected."""
    return await NatsBus.connect(
        servers,
        name=name,
        tls=_tls(settings.nats),
        token=settings.nats.token.get_secret_value() or None,
        credentials_file=settings.nats.credentials_file,
        timeout_s=CONNECT_TIMEOUT_S,
    )


def _tls(settings: NatsSettings) -> ssl.SSLContext | None:
    if settings.tls_ca_file is None and settings.tls_certificate_file is None:
        return None
    import ssl

    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if settings.tls_certificate_file is not None:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    return context


async def open_store(settings: Settings) -> Store:
    """Raises StoreError."""
    if settings.store.engine == "memory":
        from service_kit.store.memory import MemoryStore

        return MemoryStore(TABLES)
    if settings.store.engine == "cassandra":
        return await open_cassandra(settings)
    from service_kit.store.sqlite import SqliteStore

    return await SqliteStore.open(settings.store_path, TABLES, fsync=settings.store.fsync)


async def open_cassandra(settings: Settings) -> CassandraStore:
    """Raises StoreError."""
    try:
        from service_kit.store.cassandra import CassandraStore
    except ImportError as error:
        raise StoreError(
            f"no client library for Cassandra: pip install 'plexus-homeserver[cassandra]' ({error})"
        ) from None
    return await CassandraStore.open(settings.cassandra, TABLES)
