"""How a process ends, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from homeserver.running import HURRY_TIMEOUT_S, STOP_TIMEOUT_S, StopSignals, run_component
from service_kit.config import Settings


async def test_the_first_signal_asks_to_stop_and_the_second_to_hurry() -> None:
    alarms: list[int] = []
    signals = StopSignals(alarms.append)
    os.kill(os.getpid(), signal.SIGTERM)
    await signals.stop.wait()
    assert not signals.hurry.is_set()
    os.kill(os.getpid(), signal.SIGINT)
    await signals.hurry.wait()
    assert alarms == [STOP_TIMEOUT_S, HURRY_TIMEOUT_S]


async def test_a_drain_that_is_not_hurried_is_finished() -> None:
    signals = StopSignals()
    done: list[str] = []

    async def drain() -> None:
        await asyncio.sleep(0)
        done.append("drained")

    await signals.unless_hurried(drain())
    assert done == ["drained"]


async def test_a_drain_that_hangs_is_dropped_at_the_second_signal() -> None:
    signals = StopSignals()
    begun = asyncio.Event()

    async def drain() -> None:
        begun.set()
        await asyncio.Event().wait()

    draining = asyncio.create_task(signals.unless_hurried(drain()))
    await begun.wait()
    signals.hurry.set()
    await draining


async def test_a_drain_that_fails_is_heard_of() -> None:
    async def drain() -> None:
        raise LookupError("the store is gone")

    with pytest.raises(LookupError):
        await StopSignals().unless_hurried(drain())


def test_a_component_without_a_bus_is_told_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_component(Settings(data_dir=tmp_path), "roomserver", "roomserver", supervised=False) == 1
    assert "nats.servers is empty" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bus_that_is_not_there_ends_the_start_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homeserver.kit.CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"nats://127.0.0.1:{nobody.getsockname()[1]}"
        settings = Settings.model_validate({"data_dir": tmp_path, "nats": {"servers": [url]}})
        assert run_component(settings, "userserver", "userserver", supervised=False) == 1
    assert capsys.readouterr().err.startswith("plexus: no NATS server")
