"""A keyspace's version, and to whom it belongs."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from homeserver.cluster import (
    WrongCluster,
    check_cluster,
    check_shard_counts,
    check_signing_keys,
    check_version,
    write_version,
)
from homeserver.kit import SCHEMA_VERSION, TABLES
from homeserver.schema import run_schema_action
from service_kit.config import Settings
from service_kit.hosted_servers import load_hosted_servers
from service_kit.ledger.tables import CLUSTER
from service_kit.shards import ShardMap
from service_kit.store.interface import SchemaMismatch
from service_kit.store.memory import MemoryStore

FINGERPRINT = "9f2232d2f6786b65"


def settings(data_dir: Path, **others: Any) -> Settings:
    return Settings(data_dir=data_dir, **others)


async def store_of_version(version: int) -> MemoryStore:
    store = MemoryStore([CLUSTER], atomic_tables=False)
    await write_version(store, version)
    return store


def test_changed_tables_have_a_new_schema_version() -> None:
    described = repr([(t.name, t.partition_key, t.clustering_key, t.ttl_s, t.conditional, t.columns) for t in TABLES])
    fingerprint = sha256(described.encode()).hexdigest()[:16]
    assert (SCHEMA_VERSION, fingerprint) == (10, FINGERPRINT), "the tables changed: add one to SCHEMA_VERSION, here too"


@pytest.mark.parametrize(
    ("there", "words"),
    [(6, "schema version 6, and this program needs 7: run `plexus schema apply`"), (9, "knows 7 .*: update it")],
)
async def test_schema_of_another_time_is_refused(tmp_path: Path, there: int, words: str) -> None:
    with pytest.raises(SchemaMismatch, match=words):
        await check_version(await store_of_version(there), settings(tmp_path), 7)


@pytest.mark.parametrize("there", [7, 8])
async def test_program_runs_on_its_own_schema_and_the_next(tmp_path: Path, there: int) -> None:
    await check_version(await store_of_version(there), settings(tmp_path), 7)


async def test_older_program_does_not_lower_the_version(tmp_path: Path) -> None:
    store = await store_of_version(8)
    await write_version(store, 7)
    with pytest.raises(SchemaMismatch):
        await check_version(store, settings(tmp_path), 9)
    await write_version(store, 9)
    await check_version(store, settings(tmp_path), 9)


async def test_keyspace_belongs_to_the_data_directory_that_came_first(tmp_path: Path) -> None:
    store = await store_of_version(1)
    await check_cluster(store, settings(tmp_path / "first"), 1)
    await check_cluster(store, settings(tmp_path / "first"), 1)
    first_id = (tmp_path / "first" / "cluster_id").read_text().strip()
    with pytest.raises(WrongCluster, match=rf"belongs to another Plexus cluster \({first_id}"):
        await check_cluster(store, settings(tmp_path / "second"), 1)
    await check_cluster(store, settings(tmp_path / "second", cluster={"id": first_id}), 1)


async def test_keyspace_of_another_server_name_is_refused(tmp_path: Path) -> None:
    store = await store_of_version(1)
    await check_cluster(store, settings(tmp_path, server_name="a.example"), 1)
    with pytest.raises(WrongCluster, match=r"accounts and rooms of a\.example"):
        await check_cluster(store, settings(tmp_path, server_name="b.example"), 1)


def test_configured_shard_count_must_be_the_stores(tmp_path: Path) -> None:
    check_shard_counts(settings(tmp_path), ShardMap(64, 4))
    check_shard_counts(settings(tmp_path, cluster={"room_shards": 64}), ShardMap(64, 4))
    with pytest.raises(WrongCluster, match=r"cluster\.user_shards is 16, and the store was made with 4: set it to 4"):
        check_shard_counts(settings(tmp_path, cluster={"user_shards": 16}), ShardMap(64, 4))


def test_schema_commands_are_for_cassandra(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_schema_action(settings(tmp_path), "apply") == 1
    assert "store.engine is sqlite: it makes its tables by itself" in capsys.readouterr().err


async def test_process_with_another_signing_key_is_refused(tmp_path: Path) -> None:
    store = await store_of_version(1)
    first, second = settings(tmp_path / "first"), settings(tmp_path / "second")
    await check_signing_keys(store, first, load_hosted_servers(first))
    await check_signing_keys(store, first, load_hosted_servers(first))
    with pytest.raises(WrongCluster, match="copy that directory from a machine of the cluster"):
        await check_signing_keys(store, second, load_hosted_servers(second))
    shutil.copytree(tmp_path / "first" / "signing_keys", tmp_path / "second" / "signing_keys", dirs_exist_ok=True)
    await check_signing_keys(store, second, load_hosted_servers(second))
