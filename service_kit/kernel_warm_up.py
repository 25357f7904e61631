"""Has the kernels of state resolution compiled without stalling the event loop.

Compiling takes some ten seconds of CPU, and in a thread holds the GIL for most of a second at a time. So a process of
its own does it, a while after the start or when a resolution is waiting, and leaves machine code in numba's cache.
From there the first resolution loads it in its thread (0.3 to 0.5 s of CPU; the event loop stood still for 70 ms at
most): a worker whose rooms never fork needs neither the time nor the 110 MiB.

The processes of one machine take turns. Beside the machine code lies a mark that says what it was made of; who finds
it there starts no process at all (which would cost a second of CPU just to find that there is nothing to do). A
resolution waits for `wait_ready`; without numba there is nothing to wait for.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.metadata
import importlib.util
import logging
import os
import platform
import sys
import tempfile
from contextlib import suppress
from hashlib import sha256
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
    mark = mark_of_machine_code()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()


def mark_of_machine_code() -> Path:
    """The file that says that numba's cache holds the kernels of this source, compiled by this numba for this machine.

    It lies in the cache, so that whoever clears that clears the mark.
    """
    spec = importlib.util.find_spec("matrix_protocol.state_resolution.kernels")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0])
    made_of: list[object] = [importlib.metadata.version("numba"), sys.version, platform.machine(), _processor()]
    for source in (*sorted(folder.glob("*.py")), folder.parent / "layout.py"):
        status = source.stat()
        made_of.append((source.name, status.st_mtime_ns, status.st_size))  # what numba's cache looks at
    name = sha256(repr(made_of).encode()).hexdigest()[:16]
    return Path(os.environ.get("NUMBA_CACHE_DIR") or folder / "__pycache__", f"plexus-kernels-{name}.ready")


def _processor() -> str:
    """What machine code depends on, as far as the system says."""
    text = os.environ.get("NUMBA_CPU_NAME", "")
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").partition("\n\n")[0].splitlines()
        text += "".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    return text


class KernelWarmUp:
    """Started once by a worker that resolves state."""

    def __init__(self, begin_after_s: float = BEGIN_AFTER_S) -> None:
        self._begin_after_s = begin_after_s
        self._ready = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """In the background. Ready at once without numba, or where the machine code is there."""
        if importlib.util.find_spec("numba") is None or mark_of_machine_code().exists():
            self._ready.set()
        elif self._task is None:
            self._task = asyncio.create_task(self._run(), name="kernel warm-up")

    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """At once from now on, if it has not begun. Also returns if the compilation failed: then the first resolution
        compiles, or fails, itself. Returns at once if it was never started."""
        if self._task is not None and not self._ready.is_set():
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
