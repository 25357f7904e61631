"""The short form of `make test-cluster`: real Cassandra, NATS and processes, and what is killed of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cassandra.nodes import CannotRun, classpath
from tests.cluster.run import Row, run, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_nothing_acknowledged_is_lost_doubled_or_reordered_by_kills(tmp_path: Path) -> None:
    try:
        classpath()
    except CannotRun as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    rows = await run(tmp_path, short=True)
    print(table(rows))
    assert len(rows) == 6
    assert [row for row in rows if not row.is_good] == []


def test_a_row_with_a_loss_or_an_error_that_is_not_retried_is_not_good() -> None:
    good = Row("step", 5, 5, 0, 0, 0, 0.1, {"503 M_UNKNOWN": 3}, {})
    assert good.is_good
    for changes in ({"lost": 1}, {"doubled": 1}, {"reordered": 1}, {"acknowledged": 4}, {"failures": {"404 X": 1}}):
        assert not good._replace(**changes).is_good
    assert "3× 503 M_UNKNOWN" in table([good])
