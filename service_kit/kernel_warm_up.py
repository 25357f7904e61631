"""Makes the kernels of state resolution ready without stalling the event loop.

    cold    no machine code on disk: a process of its own compiles it (some ten seconds of CPU) and leaves it in numba's
            cache. A compilation in a thread would hold the GIL for seconds at a time
    warm    a thread loads the code from that cache

The processes of one machine take turns: whoever comes later finds the code on disk. Until `is_ready`, a resolution had
better wait for `wait_ready`; without numba there is nothing to warm up.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import logging
import os
import sys
import tempfile
from pathlib import Path

from matrix_protocol.state_resolution import resolver

_LOG = logging.getLogger(__name__)

COMPILE_TIMEOUT_S = 300.0
"""A cold compilation took 10 s of CPU on an idle core; this is for a machine with much else to do."""
_NICENESS = 10


def main() -> None:
    """In the child: load the kernels, which compiles what numba's cache lacks. One process of a user at a time."""
    os.nice(_NICENESS)
    lock = Path(tempfile.gettempdir(), f"plexus-kernels-{os.getuid()}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    resolver.warm_up()


class KernelWarmUp:
    """Started once by a worker that resolves state."""

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """In the background. Without numba, ready at once."""
        if importlib.util.find_spec("numba") is None:
            self._ready.set()
        elif self._task is None:
            self._task = asyncio.create_task(self._run(), name="kernel warm-up")

    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Also returns if the compilation failed: the first resolution then compiles, or fails, itself."""
        await self._ready.wait()

    async def stop(self) -> None:
        """End it; the child process is gone when this returns."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            if await _compile_elsewhere():
                await asyncio.to_thread(resolver.warm_up)
        except OSError as error:
            _LOG.warning("the kernels of state resolution could not be warmed up: %s", error)
        finally:
            self._ready.set()


async def _compile_elsewhere() -> bool:
    """Fill numba's cache. False: it failed, or took too long."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service_kit.kernel_warm_up",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        code = await asyncio.wait_for(child.wait(), COMPILE_TIMEOUT_S)
    except TimeoutError:
        code = None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code != 0:
        _LOG.warning("the kernels of state resolution could not be compiled: exit code %s", code)
    return code == 0


if __name__ == "__main__":
    main()
