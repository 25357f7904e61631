"""One Cassandra node for a whole test run, whoever of pytest's workers asks first; it ends with the last of them.

A keeper process holds the node. Every worker holds a shared lock on a file; once the keeper gets that file for itself
nobody is left, however they ended, and it kills the node.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.cassandra.nodes import DATA_CENTRE, CannotRun, Nodes, classpath

ROOT = Path(__file__).resolve().parent.parent.parent
KEEPER_TIMEOUT_S = 150.0


def shared_node() -> Iterator[Nodes]:
    """For a session-scoped fixture: the node, or a skip where it cannot run (but not under CI)."""
    try:
        classpath()
        lock, nodes = _join()
    except CannotRun as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield nodes
    lock.close()


def _join() -> tuple[IO[str], Nodes]:
    # One run's workers share this name: their common parent, or this process itself.
    run = os.getppid() if os.environ.get("PYTEST_XDIST_WORKER") else os.getpid()
    place = Path(tempfile.gettempdir()) / f"plexus-cassandra-{os.getuid()}-{run}"
    place.mkdir(mode=0o700, exist_ok=True)
    with _locked(place.with_suffix(".lock")):
        lock = _try_join(place)
        if lock is None:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700)
            lock = open(place / "users", "w")  # noqa: SIM115
            fcntl.flock(lock, fcntl.LOCK_SH)
            _start_keeper(place)
    return lock, Nodes(place / "nodes", net=(place / "ready").read_text())


def _try_join(place: Path) -> IO[str] | None:
    if not (place / "ready").exists():
        return None
    lock = open(place / "users", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # the keeper is ending
        lock.close()
        return None
    return lock


def _start_keeper(place: Path) -> None:
    with (place / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.cassandra.shared", str(place)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    give_up_s = time.monotonic() + KEEPER_TIMEOUT_S
    while not (place / "ready").exists():
        if keeper.poll() is not None or time.monotonic() > give_up_s:
            raise CannotRun(f"no Cassandra node: {(place / 'keeper.log').read_text()[-2000:]}")
        time.sleep(0.1)
    keeper.returncode = 0  # it outlives this process: nobody waits for it


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _keep(place: Path) -> None:
    nodes = Nodes(place / "nodes")
    try:
        nodes.start()
        draft = place / "ready.draft"
        draft.write_text(nodes.net)
        draft.replace(place / "ready")
        with (place / "users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        nodes.wipe()
        shutil.rmtree(place, ignore_errors=True)
        place.with_suffix(".lock").unlink(missing_ok=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))

__all__ = ["DATA_CENTRE", "Nodes", "shared_node"]
