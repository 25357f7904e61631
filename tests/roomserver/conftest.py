"""A roomserver for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.roomserver.scene import Scene


@pytest.fixture(params=[True, False], ids=["atomic", "tables_later"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """On a store that writes tables with the ledger (SQLite), and on one that does not (Cassandra)."""
    scene = await Scene.create(atomic_tables=request.param)
    yield scene
    await scene.close()
