"""Servers that tests share: starting one costs seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import PlexusServer

SHARED = ("one_process", "two_of_each")
TWO_OF_EACH = ("--processes", "--replicas", "roomserver=2,userserver=2,api_gateway=2,sync_api=2,search=2")


@pytest.fixture(scope="session")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlexusServer]:
    """All components in one process."""
    yield from _server(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="session")
def two_of_each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlexusServer]:
    """Two processes of every component."""
    yield from _server(tmp_path_factory.mktemp("two"), *TWO_OF_EACH)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several test processes, all tests of a shared server go to the same one, so that it is started once."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        chosen = getattr(getattr(item, "callspec", None), "params", {}).get("server", "")
        for name in SHARED:
            if chosen == name or (not chosen and name in fixtures):
                item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(params=SHARED)
def server(request: pytest.FixtureRequest) -> PlexusServer:
    """First the one, then the other."""
    chosen: PlexusServer = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[PlexusServer]:
    """Not started yet, and of this test alone: to be killed."""
    server = PlexusServer(tmp_path)
    yield server
    server.close()


def _server(directory: Path, *options: str) -> Iterator[PlexusServer]:
    server = PlexusServer(directory, *options, environment={"PLEXUS_REGISTRATION__GUESTS": "true"})
    try:
        yield server.start()
    finally:
        server.close()
