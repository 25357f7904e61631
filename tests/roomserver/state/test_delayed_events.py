"""The timer of what is to be sent later: in order of time, again after a failure, and without growing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import Unavailable
from roomserver.state import delayed_events
from roomserver.state.delayed_events import RETRY_S, DelayedEvents, Waiting
from service_kit.clock import ManualClock

ROOM, ALICE = "!room:a.example", "@alice:a.example"


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[str] = []
        self.failures = 0
        self.events = DelayedEvents(self.clock, self._send)

    async def _send(self, delay_id: str, sender: str) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("The owner is elsewhere")
        self.sent.append(delay_id)
        if self.events.get(delay_id) is not None:
            self.events.finish(delay_id, is_sent=True)

    def schedule(self, delay_id: str, delay_s: float, sender: str = ALICE) -> None:
        self.events.set(delay_id, Waiting(ROOM, sender, int(delay_s * 1000), self.clock.now_ms()))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    made.events.close()


async def test_they_are_sent_in_order_of_their_time(scene: Scene) -> None:
    for delay_id, delay_s in (("c", 3), ("a", 1), ("b", 2)):
        scene.schedule(delay_id, delay_s)
    await scene.clock.advance(0.9)
    assert scene.sent == []
    await scene.clock.advance(3)
    assert scene.sent == ["a", "b", "c"]
    assert len(scene.events) == 0


async def test_one_that_is_restarted_is_sent_at_its_new_time_only(scene: Scene) -> None:
    scene.schedule("a", 2)
    await scene.clock.advance(1)
    scene.schedule("a", 2)
    await scene.clock.advance(1.5)
    assert scene.sent == []
    await scene.clock.advance(1)
    assert scene.sent == ["a"]
    assert scene.events.of_user(ALICE) == 0


async def test_what_was_due_long_ago_is_sent_at_once(scene: Scene) -> None:
    for number in range(delayed_events.SENT_AT_ONCE * 2):
        scene.events.set(f"{number:03}", Waiting(ROOM, ALICE, 1000, scene.clock.now_ms() - 100_000 + number))
    await scene.clock.advance(0)
    await scene.clock.advance(0.1)
    assert scene.sent == [f"{number:03}" for number in range(delayed_events.SENT_AT_ONCE * 2)]


async def test_one_that_could_not_be_sent_is_tried_again(scene: Scene) -> None:
    scene.failures = 3
    scene.schedule("a", 1)
    await scene.clock.advance(1.1)
    assert scene.sent == []
    await scene.clock.advance(RETRY_S * 4)
    assert scene.sent == ["a"]


async def test_one_that_nothing_comes_of_is_not_tried_without_a_pause(scene: Scene) -> None:
    """As when another process owns the shard by now, and its clock is behind."""
    tries = 0

    async def does_nothing(delay_id: str, sender: str) -> None:
        nonlocal tries
        tries += 1

    scene.events._send_if_due = does_nothing
    scene.schedule("a", 1)
    await scene.clock.advance(0)
    await scene.clock.advance(1 + 3 * RETRY_S)
    assert tries <= 4


async def test_heartbeats_fill_no_memory(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed_events, "STALE_MAX", 10)
    for _ in range(200):
        scene.schedule("a", 5)
        await scene.clock.advance(0.01)
    assert len(scene.events._times) <= 13
    await scene.clock.advance(5)
    assert scene.sent == ["a"]


async def test_outcomes_and_numbers_are_remembered(scene: Scene) -> None:
    scene.schedule("a", 5)
    scene.schedule("b", 5, "@bob:a.example")
    assert scene.events.of_user(ALICE) == 1
    scene.events.finish("a", is_sent=False)
    outcome = scene.events.outcomes.get("a")
    assert outcome is not None
    assert (outcome.sender, outcome.is_sent) == (ALICE, False)
    assert (scene.events.of_user(ALICE), scene.events.of_user("@bob:a.example")) == (0, 1)
    scene.events.close()
    await scene.clock.advance(10)
    assert scene.sent == []
