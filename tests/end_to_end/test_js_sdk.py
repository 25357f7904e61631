"""matrix-js-sdk, which Element is built on, gets through its day: the facts of js/facts/."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.js_sdk import Runner, facts, install
from tests.end_to_end.server import PlexusServer

pytestmark = pytest.mark.slow

_runners: dict[str, Runner] = {}


@pytest.fixture(scope="module", autouse=True)
def _runners_end() -> Iterator[None]:
    install()
    yield
    while _runners:
        _runners.popitem()[1].close()


@pytest.mark.parametrize(("file", "title"), facts(), ids=lambda part: part.replace(" ", "_"))
def test_fact(server: PlexusServer, file: str, title: str) -> None:
    runner = _runners.get(server.base_url) or _runners.setdefault(server.base_url, Runner(server.base_url))
    answer = runner.run(file, title)
    assert answer["ok"], answer["error"]
