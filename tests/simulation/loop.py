"""An event loop whose time jumps to the next timer, and the processes that are simulated on it.

Nothing waits for real: when nothing is ready, it is at once as late as the
earliest timer. There is no selector, no thread and no socket.

A process is a mark in the context of everything that it does (tasks, timers and
callbacks inherit it), so the loop knows whose each callback is:

    running   it is run
    paused    it is kept, and run in the same order when the process goes on (SIGSTOP, a machine that hangs)
    dead      it is dropped: no `finally` runs, as after kill -9
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any

EPOCH_S = 1_700_000_000.0


class Deadlock(Exception):
    """Everything waits for something that nothing will bring about."""


class State(Enum):
    RUNNING = auto()
    PAUSED = auto()
    DEAD = auto()


_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("simulated_process", default=None)


def current_process() -> Process | None:
    """Whose code this is."""
    return _PROCESS.get()


class Process:
    """One process; `run` and `create_task` do something as this process."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.state = State.RUNNING
        self.skew_ms = 0
        """how far its wall clock is off"""
        self._held: list[asyncio.Handle] = []
        self._context = contextvars.copy_context()
        self._context.run(_PROCESS.set, self)

    def run(self, call: Callable[..., Any], *args: Any) -> Any:
        return self._context.copy().run(call, *args)

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.loop.create_task(coroutine, context=self._context.copy())

    def pause(self) -> None:
        if self.state is State.RUNNING:
            self.state = State.PAUSED

    def resume(self) -> None:
        if self.state is State.PAUSED:
            self.state = State.RUNNING
            held, self._held = self._held, []
            self.loop.run_later(held)

    def kill(self) -> None:
        self.state = State.DEAD

    def come_to_an_end(self) -> None:
        """The simulation is over: let tasks be cancelled in order, also those of the dead."""
        self.state = State.PAUSED
        self.resume()

    def hold(self, handle: asyncio.Handle) -> None:
        """For the loop. What a dead process has is kept too, lest it is collected and its `finally` blocks run."""
        self._held.append(handle)


class SimulatedClock:
    """`service_kit.clock.Clock` of one process: its wall clock may jump, its monotonic one goes on while it sleeps."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._loop = process.loop

    def now_ms(self) -> int:
        return int((EPOCH_S + self._loop.time()) * 1000) + self._process.skew_ms

    def monotonic_s(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _OfProcess:
    """A callback that runs only while its process does."""

    __slots__ = ()
    process: Process

    def _run(self) -> None:
        if self.process.state is State.RUNNING:
            super()._run()  # type: ignore[misc]
        else:
            assert isinstance(self, asyncio.Handle)
            self.process.hold(self)


class _Gated(_OfProcess, asyncio.Handle):
    __slots__ = ("process",)


class _GatedTimer(_OfProcess, asyncio.TimerHandle):
    __slots__ = ("process",)


class _NoSelector:
    """In place of the selector: waiting is moving the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer runs")
        self._loop.advance(timeout)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._selector = _NoSelector(self)
        self._clock_resolution = 1e-9
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda loop, failure: self.failures.append(failure))

    def time(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        if seconds > 0:
            self._now_s += seconds

    def run_later(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handle for handle in handles if not handle.cancelled())  # type: ignore[attr-defined]

    # --- what asyncio.BaseEventLoop leaves open, or what knows processes

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        handle = _Gated(callback, args, self, context)
        handle.process = process
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        from heapq import heappush

        timer = _GatedTimer(when, callback, args, self, context)
        timer.process = process
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def outside(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        """Run it later as no process: the network, the store, the simulation itself."""
        super().call_at(self._now_s + delay_s, callback, *args, context=_NOBODY)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """There are no threads: it is done here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


_NOBODY = contextvars.Context()
