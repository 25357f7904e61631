"""Whoever wants something expensive waits in line, or is told when to come back."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from matrix_protocol.errors import LimitExceeded
from service_kit.clock import ManualClock
from sync_api import admission as module
from sync_api.admission import AT_A_TIME, FREE_TURN, WAIT_S_MAX, Admission, Turn
from tests.service_kit.ledger.counters import settle


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.admission = Admission(self.clock, Random(1))
        self.tasks: list[asyncio.Task[Turn]] = []

    async def come(self, count: int) -> list[asyncio.Task[Turn]]:
        tasks = [asyncio.create_task(self.admission.turn()) for _ in range(count)]
        self.tasks += tasks
        await settle()
        return tasks

    async def serve_in(self, seconds: float) -> None:
        """Every expensive thing has taken so long, for long enough that the mean knows."""
        for _ in range(200):
            turn = await self.admission.turn()
            await self.clock.advance(seconds)
            turn.end()


async def test_a_few_are_served_at_a_time_and_the_others_in_the_order_in_which_they_came() -> None:
    scene = Scene()
    tasks = await scene.come(AT_A_TIME + 3)
    assert [task.done() for task in tasks] == [True] * AT_A_TIME + [False] * 3
    tasks[1].result().end()
    await settle()
    assert [task.done() for task in tasks[AT_A_TIME:]] == [True, False, False]
    tasks[1].result().end()  # a second time: nothing
    await settle()
    assert not tasks[-1].done()
    for task in tasks:
        (await task).end()
    assert scene.admission.in_line == 0


async def test_who_gives_up_in_line_holds_nobody_up() -> None:
    scene = Scene()
    tasks = await scene.come(AT_A_TIME + 3)
    tasks[AT_A_TIME].cancel()
    await settle()
    tasks[0].result().end()
    await settle()
    assert tasks[AT_A_TIME + 1].done()
    # One that is let in and gives up in the same moment passes its turn on.
    tasks[1].result().end()
    tasks[AT_A_TIME + 2].cancel()
    await settle()
    (last,) = await scene.come(1)
    assert last.done()


async def test_a_line_that_is_too_long_is_refused_with_times_of_their_own() -> None:
    scene = Scene()
    await scene.serve_in(1.0)
    in_line = int(WAIT_S_MAX * AT_A_TIME) + 1
    tasks = await scene.come(AT_A_TIME + in_line + 50)
    refused = tasks[AT_A_TIME + in_line :]
    errors = [task.exception() for task in refused if task.done()]
    assert len(errors) == 50
    waits_ms = [error.extra["retry_after_ms"] for error in errors if isinstance(error, LimitExceeded)]
    assert len(set(waits_ms)) > 40
    assert WAIT_S_MAX * 500 <= min(waits_ms) < max(waits_ms) <= WAIT_S_MAX * 1600
    for task in tasks[: AT_A_TIME + in_line]:
        (await task).end()


async def test_the_line_has_a_greatest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_LINE_MAX", 2)
    scene = Scene()
    tasks = await scene.come(AT_A_TIME + 2)
    with pytest.raises(LimitExceeded):
        await scene.admission.turn()
    for task in tasks:
        (await task).end()


def test_what_is_not_expensive_needs_no_turn() -> None:
    FREE_TURN.end()
    FREE_TURN.end()
