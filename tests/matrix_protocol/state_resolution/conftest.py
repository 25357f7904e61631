"""Whichever test comes first compiles the kernels: half a minute of CPU where nothing is cached."""

from pathlib import Path

import pytest

COMPILE_TIMEOUT_S = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(COMPILE_TIMEOUT_S))
