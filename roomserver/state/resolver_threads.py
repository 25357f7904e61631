"""The threads in which state resolutions run, beside the event loop: few, and none until the first one.

The kernels release the GIL while they work, so that commands go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from matrix_protocol.errors import Unavailable
from service_kit.kernel_warm_up import KernelWarmUp

T = TypeVar("T")

THREADS_MAX: Final = 2
"""Of one process. Another resolution waits; one of a conflict of 1,000 keys takes some milliseconds."""

WAITING_MAX: Final = 64
"""Resolutions that run or wait. Each holds a few hundred bytes for a changed key, and its room."""


class ResolverThreads:
    """Bounded work in threads, that ends when nobody waits for it any more."""

    def __init__(
        self,
        kernels: KernelWarmUp | None = None,
        *,
        threads_max: int = THREADS_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """`kernels`: nothing runs before they are compiled."""
        self._kernels = kernels
        self._threads_max = threads_max
        self._waiting_max = waiting_max
        self._executor: ThreadPoolExecutor | None = None
        self._cancels: set[Callable[[], None]] = set()
        self._waiting = 0

    async def run(self, work: Callable[[], T], cancel: Callable[[], None] | None = None) -> T:
        """What `work` returns or raises. `cancel`, called from this thread, makes it end early, if the caller goes.

        Raises Unavailable if too many wait.
        """
        if self._waiting >= self._waiting_max:
            raise Unavailable("Too many forks of rooms are being resolved; try again")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads_max, thread_name_prefix="state-resolution")
        self._waiting += 1
        if cancel is not None:
            self._cancels.add(cancel)
        try:
            if self._kernels is not None:
                await self._kernels.wait_ready()
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except asyncio.CancelledError:
            if cancel is not None:
                cancel()
            raise
        finally:
            self._waiting -= 1
            if cancel is not None:
                self._cancels.discard(cancel)

    def close(self) -> None:
        """End what runs, soon; nothing new begins."""
        for cancel in self._cancels:
            cancel()
        self._waiting_max = 0
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
