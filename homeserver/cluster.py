"""Whether this process and the store's keyspace belong together; what a shared store needs to be asked at each start.

The keyspace remembers, from its first start on, which cluster it is (a random ID), its server name and its schema's
version. Two clusters that write one ledger would take its shards from each other, without end.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from service_kit.config import ClusterSettings, Settings
from service_kit.hosted_servers import HostedServers
from service_kit.ledger.tables import CLUSTER, ClusterRow
from service_kit.shards import ShardMap
from service_kit.store.interface import OutcomeUnknown, SchemaMismatch, Store

ID_FILE = "cluster_id"
_VERSION = "schema_version"


class WrongCluster(Exception):
    """Told to the operator as it is."""


async def check_cluster(store: Store, settings: Settings, version: int) -> None:
    """Take the keyspace if it is new. Raises WrongCluster, SchemaMismatch, StoreError."""
    await check_version(store, settings, version)
    own_id = settings.cluster.id or _id_of(settings.data_dir)
    cluster_id = await _read_or_write(store, "cluster_id", own_id)
    if cluster_id != own_id:
        raise WrongCluster(
            f"keyspace {settings.cassandra.keyspace} belongs to another Plexus cluster ({cluster_id}; here it is "
            f"{own_id}): name another keyspace (cassandra.keyspace), or, if this process is to join that cluster, "
            "set cluster.id to its ID"
        )
    server_name = await _read_or_write(store, "server_name", settings.server_name)
    if server_name != settings.server_name:
        raise WrongCluster(
            f"keyspace {settings.cassandra.keyspace} holds the accounts and rooms of {server_name}: set server_name to "
            "that, or name another keyspace (cassandra.keyspace)"
        )


async def check_signing_keys(store: Store, settings: Settings, hosted_servers: HostedServers) -> None:
    """All processes must sign in a server's name with the same key, which each reads from its own data directory.

    Raises WrongCluster, StoreError.
    """
    for server_name in hosted_servers.names:
        key = hosted_servers.signing_key(server_name)
        own = f"{key.key_id} {key.verify_key_base64}"
        if await _read_or_write(store, f"signing_key {server_name}", own) != own:
            raise WrongCluster(
                f"the signing key of {server_name} in {settings.data_dir / 'signing_keys'} is not the one that this "
                "cluster signs with: copy that directory from a machine of the cluster, or share it"
            )


def check_shard_counts(settings: Settings, shards: ShardMap) -> None:
    """A count that somebody has chosen must be the one that the store was made with. Raises WrongCluster.

    The default is nobody's choice: with it, a store keeps the count that it has.
    """
    for name, there in (("room_shards", shards.room_shards), ("user_shards", shards.user_shards)):
        wanted = getattr(settings.cluster, name)
        if wanted not in (there, ClusterSettings.model_fields[name].default):
            raise WrongCluster(
                f"cluster.{name} is {wanted}, and the store was made with {there}: set it to {there}; how many shards "
                "there are cannot be changed"
            )


async def write_version(store: Store, version: int) -> None:
    """Record that the tables are those of this version, unless they are a later one's already."""
    key = (_VERSION,)
    while True:
        standing = await store.get_settled(CLUSTER, key)
        if standing is not None and int(standing.value) >= version:
            return
        with contextlib.suppress(OutcomeUnknown):  # the settled read tells
            await store.replace_if(CLUSTER, key, standing, ClusterRow(_VERSION, str(version)))


async def check_version(store: Store, settings: Settings, version: int) -> None:
    """Raises SchemaMismatch, StoreError."""
    row = await store.get(CLUSTER, (_VERSION,))  # a plain read: with it a missing quorum shows at once
    there = int(row.value) if row else 0
    if there < version:
        raise SchemaMismatch(
            f"keyspace {settings.cassandra.keyspace} has schema version {there}, and this program needs {version}: run "
            "`plexus schema apply` with this version"
        )
    if there > version + 1:
        raise SchemaMismatch(
            f"keyspace {settings.cassandra.keyspace} has schema version {there}, and this program knows {version} and "
            "can serve one more: update it"
        )


def _id_of(data_dir: Path) -> str:
    """The ID in the data directory, made if there is none. Processes that start at the same time agree on one."""
    path = data_dir / ID_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("ascii").strip()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(f"{secrets.token_hex(8)}\n", "ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text("ascii").strip()


async def _read_or_write(store: Store, name: str, value: str) -> str:
    row = await store.get_settled(CLUSTER, (name,))
    if row is None:
        with contextlib.suppress(OutcomeUnknown):  # the settled read tells
            await store.insert_all_if_absent(CLUSTER, [ClusterRow(name, value)])
        row = await store.get_settled(CLUSTER, (name,))
    if row is None:
        raise OutcomeUnknown(f"cluster value {name} could not be written")
    return row.value
