"""What tests of several packages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cassandra.nodes import Nodes
from tests.cassandra.shared import shared_node


@pytest.fixture(scope="session")
def cassandra_node() -> Iterator[Nodes]:
    yield from shared_node()
