"""Has the kernels of state resolution compiled without stalling the event loop.

Compiling takes some ten seconds of CPU, and in a thread holds the GIL for most of a second at a time. So a process of
its own does it, a while after the start or when a resolution is waiting, and leaves machine code in numba's cache.
From there the first resolution loads it in its thread (0.3 to 0.5 s of CPU; the event loop stood still for 70 ms at
most): a worker whose rooms never fork needs neither the time nor the 110 MiB.

The processes of one machine take turns: whoever comes later finds the code on disk. A resolution waits for
`wait_ready`; without numba there is nothing to wait for.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import logging
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_LOG = logging.getLogger(__name__)

COMPILE_TIMEOUT_S = 300.0
"""A cold compilation took 10 s of CPU on an idle core; this is for a machine with much else to do."""
BEGIN_AFTER_S = 15.0
"""After the start, when others have their turn: a server that has just been started has enough to do."""
_NICENESS = 10


def main() -> None:
    """In the child: load the kernels, which compiles what numba's cache lacks. One process of a user at a time."""
    from matrix_protocol.state_resolution import resolver

    os.nice(_NICENESS)
    lock = Path(tempfile.gettempdir(), f"plexus-kernels-{os.getuid()}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    resolver.warm_up()


class KernelWarmUp:
    """Started once by a worker that resolves state."""

    def __init__(self, begin_after_s: float = BEGIN_AFTER_S) -> None:
        self._begin_after_s = begin_after_s
        self._ready = asyncio.Event()
        self._wanted = asyncio.Event()
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
        """At once from now on, if it has not begun. Also returns if the compilation failed: then the first resolution
        compiles, or fails, itself. Returns at once if it was never started."""
        if self._task is not None:
            self._wanted.set()
            await self._ready.wait()

    async def stop(self) -> None:
        """End it; the child process is gone when this returns."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._begin_after_s)
            await _compile_elsewhere()
        except OSError as error:
            _LOG.warning("the kernels of state resolution could not be warmed up: %s", error)
        finally:
            self._ready.set()


async def _compile_elsewhere() -> None:
    """Fill numba's cache."""
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


if __name__ == "__main__":
    main()
