"""The hooks of the bus in memory, which tests and simulations rely on."""

from __future__ import annotations

import asyncio

import pytest

from service_kit.bus.interface import BusDisconnected, Message, RequestTimeout
from service_kit.bus.memory import Fate, MemoryBus, MemoryConnection, SeededFaults
from service_kit.clock import ManualClock


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Scene:
    """One connection that sends numbers, and what another one receives of them."""

    def __init__(self, hub: MemoryBus) -> None:
        self.hub = hub
        self.sender = hub.connect()
        self.receiver = hub.connect()
        self.received: list[int] = []

    async def receive(self, message: Message) -> None:
        self.received.append(int(message.payload))

    async def send(self, *numbers: int) -> list[int]:
        for number in numbers:
            await self.sender.publish("fact.a", b"%d" % number)
        await settle()
        return self.received


async def start(hub: MemoryBus) -> Scene:
    scene = Scene(hub)
    await scene.receiver.subscribe("fact.a", scene.receive)
    return scene


async def test_fate_of_each_message_is_what_the_test_says() -> None:
    scene = await start(MemoryBus())
    fates = {b"2": Fate.DROP, b"3": Fate.DUPLICATE, b"4": Fate.DELAY, b"7": Fate.DELAY}
    scene.hub.faults = lambda _, payload: fates.get(payload, Fate.DELIVER)
    assert await scene.send(1, 2, 3, 4, 5, 6, 7) == [1, 3, 3, 5, 4, 6]
    scene.hub.release_delayed()
    await settle()
    assert scene.received[-1] == 7


async def test_seeded_faults_are_the_same_for_the_same_seed() -> None:
    outcomes = []
    for seed in (1, 1, 2):
        scene = await start(MemoryBus())
        scene.hub.faults = SeededFaults(seed, drop=0.2, duplicate=0.2, delay=0.2)
        outcomes.append(await scene.send(*range(200)))
    assert outcomes[0] == outcomes[1] != outcomes[2]
    assert outcomes[0] != sorted(set(outcomes[0]))


async def test_faults_keep_to_their_subjects() -> None:
    scene = await start(MemoryBus())
    scene.hub.faults = SeededFaults(1, drop=1.0, pattern="command.>")
    assert await scene.send(1, 2, 3) == [1, 2, 3]


async def test_disconnected_one_misses_messages_until_it_is_back() -> None:
    scene = await start(MemoryBus())
    calls: list[str] = []

    async def note() -> None:
        calls.append("back")

    scene.receiver.on_reconnect(note)
    scene.receiver.disconnect()
    assert await scene.send(1) == []
    with pytest.raises(BusDisconnected):
        await scene.receiver.publish("fact.a", b"2")
    await scene.receiver.reconnect()
    await scene.receiver.reconnect()
    assert calls == ["back"]
    assert await scene.send(3) == [3]


async def test_waiting_request_fails_at_once_when_its_connection_breaks() -> None:
    scene = await start(MemoryBus())
    waiting = asyncio.ensure_future(scene.sender.request("fact.a", b"1", timeout_s=3600))
    await settle()
    scene.hub.disconnect_all()
    with pytest.raises(BusDisconnected):
        await waiting
    await scene.hub.reconnect_all()
    assert await scene.send(2) == [1, 2]


async def test_request_times_out_by_the_clock_it_was_given() -> None:
    clock = ManualClock()
    scene = await start(MemoryBus(clock=clock))
    waiting = asyncio.ensure_future(scene.sender.request("fact.a", b"1", timeout_s=30))
    await settle()
    await clock.advance(29)
    assert not waiting.done()
    await clock.advance(1)
    with pytest.raises(RequestTimeout):
        await waiting


async def test_answer_lost_on_the_way_is_a_timeout_and_the_work_was_done() -> None:
    clock = ManualClock()
    hub = MemoryBus(clock=clock)
    scene = await start(hub)
    owner = hub.connect()
    done: list[bytes] = []

    async def carry_out(message: Message) -> None:
        done.append(message.payload)
        await message.reply(b"done")

    await owner.subscribe("command.room.1", carry_out)
    hub.faults = SeededFaults(1, drop=1.0, pattern="_INBOX.>")
    waiting = asyncio.ensure_future(scene.sender.request("command.room.1", b"x", timeout_s=1))
    await settle()
    await clock.advance(1)
    with pytest.raises(RequestTimeout):
        await waiting
    assert done == [b"x"]


async def test_handler_may_end_its_own_subscription() -> None:
    hub = MemoryBus()
    bus: MemoryConnection = hub.connect()
    received: list[bytes] = []

    async def once(message: Message) -> None:
        received.append(message.payload)
        await subscription.unsubscribe()

    subscription = await bus.subscribe("fact.a", once)
    for payload in (b"1", b"2"):
        await bus.publish("fact.a", payload)
    await settle()
    assert received == [b"1"]
