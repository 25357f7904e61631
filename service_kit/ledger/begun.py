"""Coroutines begun at once: those that never wait are done without a task.

On SQLite a read is a plain call behind an `await`, so most preparations end
before they first wait. A task for each would cost more than the read.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """The rest of a coroutine that has run up to its first wait."""

    __slots__ = ("_coroutine", "_waited_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waited_for: Any) -> None:
        self._coroutine = coroutine
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, waited_for = self._coroutine, self._waited_for
        while True:
            try:
                sent = yield waited_for
            except BaseException as error:
                step = _thrown(coroutine, error)
            else:
                step = _sent(coroutine, sent)
            if isinstance(step, _Done):
                value: T = step.value
                return value
            waited_for = step


class _Done:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Begun[T]:
    """The coroutine's result if it has one without waiting; raises what it raises until its first wait."""
    step = _sent(coroutine, None)
    if isinstance(step, _Done):
        value: T = step.value
        return value
    return Begun(coroutine, step)


def _sent(coroutine: Coroutine[Any, Any, Any], value: Any) -> Any:
    try:
        return coroutine.send(value)
    except StopIteration as stop:
        return _Done(stop.value)


def _thrown(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> Any:
    try:
        return coroutine.throw(error)
    except StopIteration as stop:
        return _Done(stop.value)
