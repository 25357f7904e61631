"""What a process with several components saves, and what it must not lose by that."""

from __future__ import annotations

import asyncio

import pytest

from service_kit.bus.interface import PAYLOAD_BYTES_MAX, BusError, Message, NoResponders, RequestTimeout
from service_kit.bus.local_first import LocalFirstBus
from service_kit.bus.memory import Fate, MemoryBus, MemoryConnection
from service_kit.bus.streams import TOKEN_REVOKED

COMMAND = "command.room.3"


class Scene:
    """A process with several components, and another process, on one bus whose traffic is counted."""

    def __init__(self) -> None:
        self.hub = MemoryBus()
        self.hub.faults = self._count
        self.on_the_wire: list[str] = []
        self.here = LocalFirstBus(self.hub.connect())
        self.elsewhere: MemoryConnection = self.hub.connect()

    def _count(self, subject: str, payload: bytes) -> Fate:
        self.on_the_wire.append(subject)
        return Fate.DELIVER


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def echo(message: Message) -> None:
    await message.reply(b"re: " + message.payload)


async def test_request_to_a_receiver_here_does_not_leave_the_process(scene: Scene) -> None:
    await scene.here.subscribe(COMMAND, echo)
    assert await scene.here.request(COMMAND, b"x", timeout_s=5) == b"re: x"
    assert scene.on_the_wire == []


async def test_another_process_reaches_the_same_receiver(scene: Scene) -> None:
    await scene.here.subscribe(COMMAND, echo)
    assert await scene.elsewhere.request(COMMAND, b"x", timeout_s=5) == b"re: x"


async def test_a_receiver_elsewhere_is_reached_through_the_bus(scene: Scene) -> None:
    await scene.elsewhere.subscribe(COMMAND, echo)
    assert await scene.here.request(COMMAND, b"x", timeout_s=5) == b"re: x"
    assert scene.on_the_wire[0] == COMMAND


async def test_a_drained_receiver_answers_both_ways_what_was_on_its_way_and_then_nobody(scene: Scene) -> None:
    may_go_on = asyncio.Event()

    async def slow_echo(message: Message) -> None:
        await may_go_on.wait()
        await echo(message)

    subscription = await scene.here.subscribe(COMMAND, slow_echo)
    asked = [asyncio.create_task(bus.request(COMMAND, b"x", timeout_s=5)) for bus in (scene.here, scene.elsewhere)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(subscription.drain())
    await asyncio.sleep(0)
    may_go_on.set()
    await draining
    assert await asyncio.gather(*asked) == [b"re: x", b"re: x"]
    for bus in (scene.here, scene.elsewhere):
        with pytest.raises(NoResponders):
            await bus.request(COMMAND, b"x", timeout_s=5)


async def test_without_any_receiver_nobody_responds(scene: Scene) -> None:
    with pytest.raises(NoResponders):
        await scene.here.request(COMMAND, b"x", timeout_s=5)


async def test_after_unsubscribing_the_bus_is_asked(scene: Scene) -> None:
    subscription = await scene.here.subscribe(COMMAND, echo)
    await subscription.unsubscribe()
    with pytest.raises(NoResponders):
        await scene.here.request(COMMAND, b"x", timeout_s=5)


async def test_a_receiver_that_took_over_keeps_its_messages_when_the_former_one_leaves(scene: Scene) -> None:
    former = await scene.here.subscribe(COMMAND, echo)
    await scene.here.subscribe(COMMAND, echo)
    await former.unsubscribe()
    assert await scene.here.request(COMMAND, b"x", timeout_s=5) == b"re: x"
    assert scene.on_the_wire == []


async def test_messages_of_both_ways_are_handed_over_one_at_a_time(scene: Scene) -> None:
    running, seen = 0, 0
    done = asyncio.Event()

    async def slow(message: Message) -> None:
        nonlocal running, seen
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        seen += 1
        if seen == 40:
            done.set()

    await scene.here.subscribe("fact.a", slow)
    for _ in range(20):
        await scene.here.publish("fact.a", b"")
        await scene.elsewhere.publish("fact.a", b"")
    await asyncio.wait_for(done.wait(), 5)


async def test_announcements_reach_everybody(scene: Scene) -> None:
    heard: list[str] = []
    both = asyncio.Event()

    def receiver(name: str):  # type: ignore[no-untyped-def]
        async def receive(message: Message) -> None:
            heard.append(name)
            if len(heard) == 2:
                both.set()

        return receive

    await scene.here.subscribe(TOKEN_REVOKED, receiver("here"))
    await scene.elsewhere.subscribe(TOKEN_REVOKED, receiver("elsewhere"))
    await scene.here.publish(TOKEN_REVOKED, b"")
    await asyncio.wait_for(both.wait(), 5)
    assert sorted(heard) == ["elsewhere", "here"]


async def test_a_receiver_that_never_answers_times_out(scene: Scene) -> None:
    async def silent(message: Message) -> None:
        return

    await scene.here.subscribe(COMMAND, silent)
    with pytest.raises(RequestTimeout):
        await scene.here.request(COMMAND, b"x", timeout_s=0.001)


async def test_receivers_here_are_reached_while_the_bus_is_down(scene: Scene) -> None:
    await scene.here.subscribe(COMMAND, echo)
    scene.hub.disconnect_all()
    assert await scene.here.request(COMMAND, b"x", timeout_s=5) == b"re: x"


async def test_the_size_limit_is_the_same_as_on_the_bus(scene: Scene) -> None:
    await scene.here.subscribe(COMMAND, echo)
    with pytest.raises(BusError):
        await scene.here.request(COMMAND, bytes(PAYLOAD_BYTES_MAX + 1), timeout_s=5)
    with pytest.raises(BusError):
        await scene.here.publish(COMMAND, bytes(PAYLOAD_BYTES_MAX + 1))
