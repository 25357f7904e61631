from collections.abc import AsyncIterator

import pytest

from tests.userserver.cluster import UserCluster


@pytest.fixture(params=[True, False], ids=["atomic tables", "tables later"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[UserCluster]:
    """A cluster with one worker, on both kinds of store."""
    started = UserCluster(atomic_tables=request.param)
    await started.start_worker()
    yield started
    await started.stop()
