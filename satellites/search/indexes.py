"""Which index a server has: a file for each shard where its store is a file, else tables in the store (ADR-0017)."""

from __future__ import annotations

from collections.abc import Callable

from satellites.search.index import MessageIndex
from service_kit.config import Settings
from service_kit.shards import Shard
from service_kit.store.interface import Store

FOLDER = "search"
"""Beside the database file."""


def index_maker(settings: Settings, store: Store) -> Callable[[Shard], MessageIndex]:
    """Makes the index of a shard of rooms, not yet opened."""
    if settings.store.engine == "sqlite":
        from satellites.search.sqlite_index import SqliteMessageIndex

        folder = settings.store_path.parent / FOLDER
        return lambda shard: SqliteMessageIndex(folder / f"{shard}.sqlite3", shard.number)
    from satellites.search.table_index import TableMessageIndex

    return lambda shard: TableMessageIndex(store, shard.number)
