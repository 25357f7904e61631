"""Warming up the kernels: the event loop goes on meanwhile, and a failure leaves nothing behind."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service_kit import kernel_warm_up
from service_kit.kernel_warm_up import KernelWarmUp, mark_of_machine_code

STALL_MAX_S = 0.25
ROOT = Path(__file__).parents[2]
WITHOUT_NUMBA = importlib.util.find_spec("numba") is None

# Run in a process of its own, where nothing is loaded: prints the longest time between two turns of the loop.
MEASUREMENT = """
import asyncio, time
from matrix_protocol.state_resolution import resolver
from service_kit.kernel_warm_up import KernelWarmUp

async def first_resolution(warm_up):
    await warm_up.wait_ready()
    await asyncio.to_thread(resolver.warm_up)

async def longest_gap():
    warm_up, gap = KernelWarmUp(), 0.0
    warm_up.start()
    resolution = asyncio.create_task(first_resolution(warm_up))
    while not resolution.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        gap = max(gap, time.perf_counter() - before)
    return gap

began = time.perf_counter()
print(asyncio.run(longest_gap()), time.perf_counter() - began)
"""


def longest_gap_s(cache: Path) -> float:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", MEASUREMENT]
    run = subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    return float(run.stdout.split()[0])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(WITHOUT_NUMBA, reason="there is nothing to warm up")
def test_event_loop_goes_on_while_kernels_are_compiled_and_loaded(tmp_path: Path) -> None:
    assert not list(tmp_path.glob("*.ready"))
    assert longest_gap_s(tmp_path) < STALL_MAX_S
    assert len(list(tmp_path.glob("*.ready"))) == 1  # who comes later starts no process
    compiled = {path.name for path in tmp_path.rglob("*.nbc")}
    assert compiled
    assert longest_gap_s(tmp_path) < STALL_MAX_S
    assert {path.name for path in tmp_path.rglob("*.nbc")} == compiled  # the second time, nothing was compiled


async def test_without_numba_it_is_ready_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    warm_up = KernelWarmUp()
    await warm_up.wait_ready()  # not started: nobody will be
    warm_up.start()
    await warm_up.wait_ready()
    await warm_up.stop()


@pytest.mark.skipif(WITHOUT_NUMBA, reason="there is nothing to compile")
async def test_machine_code_that_is_there_needs_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    mark_of_machine_code().touch()
    monkeypatch.setattr(kernel_warm_up.sys, "executable", "/bin/false")
    warm_up = KernelWarmUp()
    warm_up.start()
    assert warm_up.is_ready()
    await warm_up.wait_ready()
    await warm_up.stop()
    monkeypatch.setenv("NUMBA_CPU_NAME", "another")
    assert not mark_of_machine_code().exists()


@pytest.mark.skipif(WITHOUT_NUMBA, reason="there is nothing to compile")
async def test_failed_compilation_makes_nobody_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernel_warm_up, "mark_of_machine_code", lambda: tmp_path / "none")
    monkeypatch.setattr(kernel_warm_up.sys, "executable", "/bin/false")
    warm_up = KernelWarmUp()
    warm_up.start()
    await warm_up.wait_ready()
    await warm_up.stop()
    assert "could not be compiled: exit code 1" in caplog.text


@pytest.mark.skipif(WITHOUT_NUMBA, reason="there is nothing to compile")
async def test_stop_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    children: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def create_and_keep(*_: str, **options: int) -> asyncio.subprocess.Process:
        children.append(await create("sleep", "1000", **options))
        started.set()
        return children[0]

    started = asyncio.Event()
    monkeypatch.setattr(kernel_warm_up, "mark_of_machine_code", lambda: tmp_path / "none")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", create_and_keep)
    warm_up = KernelWarmUp(begin_after_s=0)
    warm_up.start()
    await started.wait()
    await warm_up.stop()
    assert children[0].returncode is not None
    assert warm_up.is_ready()
