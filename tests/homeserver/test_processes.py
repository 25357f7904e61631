"""Children are kept alive, and ended in the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from homeserver import processes
from homeserver.processes import Child

pytestmark = pytest.mark.slow


async def until(what: str, path: Path, lines: int) -> list[str]:
    """Wait until the file has so many lines."""
    async with asyncio.timeout(20):
        while True:
            found = lines_of(path)
            if len(found) >= lines:
                return found
            await asyncio.sleep(0.01)


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def child(path: Path, code: str) -> Child:
    """A Python program that first writes its process ID as a line of the file."""
    note = f"import os, signal, sys, time; open({str(path)!r}, 'a').write(f'{{os.getpid()}}\\n')"
    return Child("child", [sys.executable, "-c", f"{note}\n{code}"], os.environ)


async def test_a_child_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_PAUSE_MIN_S", 0.01)
    started = tmp_path / "started"
    one = child(started, "time.sleep(60)")
    one.start()
    (first,) = await until("started", started, 1)
    os.kill(int(first), signal.SIGKILL)
    second = (await until("started again", started, 2))[1]
    assert second != first
    await one.stop(10)
    assert one.pid is None


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    one = child(
        started,
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(started)!r}, 'a').write('deaf\\n')\ntime.sleep(60)",
    )
    one.start()
    await until("deaf", started, 2)
    await one.stop(0.1)
    assert one.pid is None


async def test_a_child_ended_on_purpose_stays_ended(tmp_path: Path) -> None:
    started = tmp_path / "started"
    one = child(started, "time.sleep(60)")
    one.start()
    await until("started", started, 1)
    await one.stop(10)
    assert len(started.read_text("utf-8").splitlines()) == 1


async def test_stopping_before_the_start_is_harmless(tmp_path: Path) -> None:
    await child(tmp_path / "started", "").stop(1)
