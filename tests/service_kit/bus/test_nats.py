"""NatsBus on the real nats-server: what happens when the server dies, hangs, or comes back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import nats.aio.msg
import pytest

from service_kit.bus import nats as nats_module
from service_kit.bus.interface import BusDisconnected, BusError, Message, NoResponders, RequestTimeout
from service_kit.bus.nats import NatsBus
from service_kit.bus.nats_server import NatsServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    started = await NatsServer.start(tmp_path)
    yield started
    await started.stop()


class Owner:
    """Carries out each command once, whatever is sent again, and answers every time."""

    def __init__(self, bus: NatsBus) -> None:
        self.bus = bus
        self.done: Counter[bytes] = Counter()
        self.received = 0
        self.wanted = 0
        self.has_received_wanted = asyncio.Event()

    async def carry_out(self, message: Message) -> None:
        self.received += 1
        if self.received >= self.wanted:
            self.has_received_wanted.set()
        if message.payload not in self.done:
            self.done[message.payload] += 1
        await message.reply(b"done " + message.payload)

    async def wait_for(self, more: int) -> None:
        self.wanted = self.received + more
        self.has_received_wanted.clear()
        await asyncio.wait_for(self.has_received_wanted.wait(), 20)


async def send_until_answered(bus: NatsBus, subject: str, payload: bytes) -> bytes:
    while True:
        try:
            return await bus.request(subject, payload, timeout_s=20)
        except (NoResponders, BusDisconnected):
            await asyncio.sleep(0.005)


async def test_killed_server_loses_no_request_and_leaves_none_stuck(server: NatsServer) -> None:
    client = await NatsBus.connect([server.url], name="client")
    owner = Owner(await NatsBus.connect([server.url], name="owner"))
    await owner.bus.subscribe("command.room.1", owner.carry_out)
    await owner.bus.flush()
    choose = random.Random(7)
    numbers = iter(range(10**9))
    answered: set[bytes] = set()
    is_running = True

    async def load() -> None:
        while is_running:
            payload = b"%d" % next(numbers)
            assert await send_until_answered(client, "command.room.1", payload) == b"done " + payload
            answered.add(payload)

    loads = [asyncio.create_task(load()) for _ in range(50)]
    for _ in range(3):
        await owner.wait_for(choose.randrange(100, 600))
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        # These are answered only by a new server, over new connections of both sides.
        await owner.wait_for(100)
        assert server.pid != pid
    is_running = False
    await asyncio.wait_for(asyncio.gather(*loads), 20)
    assert answered == set(owner.done)
    assert set(owner.done.values()) == {1}
    await client.close()
    await owner.bus.close()


async def test_waiting_request_fails_at_once_when_the_server_dies(server: NatsServer) -> None:
    bus = await NatsBus.connect([server.url], name="test")
    received = asyncio.Event()

    async def never_answer(message: Message) -> None:
        received.set()

    await bus.subscribe("command.room.1", never_answer)
    waiting = asyncio.ensure_future(bus.request("command.room.1", b"", timeout_s=3600))
    await asyncio.wait_for(received.wait(), 5)
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(BusDisconnected):
        await asyncio.wait_for(waiting, 1)
    await bus.close()


async def test_subscriptions_and_callbacks_survive_the_server(server: NatsServer) -> None:
    bus = await NatsBus.connect([server.url], name="test")
    received: asyncio.Queue[bytes] = asyncio.Queue()
    is_back = asyncio.Event()

    async def receive(message: Message) -> None:
        received.put_nowait(message.payload)

    async def fail() -> None:
        raise RuntimeError("a callback that fails does not keep the others from being called")

    async def note() -> None:
        is_back.set()

    bus.on_reconnect(fail)
    bus.on_reconnect(note)
    await bus.subscribe("fact.a", receive)
    unwanted = await bus.subscribe("fact.a", receive)
    for number in range(3):
        is_back.clear()
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.wait_for(is_back.wait(), 10)
        if number == 0:
            await unwanted.unsubscribe()
        await bus.publish("fact.a", b"%d" % number)
        assert await asyncio.wait_for(received.get(), 5) == b"%d" % number
    await bus.flush()
    assert received.empty()
    await bus.close()


async def test_without_connection_sending_fails_at_once_and_subscribing_waits_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await NatsServer.start(tmp_path)
    bus = await NatsBus.connect([server.url], name="test")
    is_back = asyncio.Event()
    broke = asyncio.ensure_future(bus.request("command.room.1", b"", timeout_s=3600))
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(message: Message) -> None:
        received.put_nowait(message.payload)

    async def note() -> None:
        is_back.set()

    bus.on_reconnect(note)
    with pytest.raises(NoResponders):
        await broke
    hanging = await bus.subscribe("command.room.2", _ignore)
    broke = asyncio.ensure_future(bus.request("command.room.2", b"", timeout_s=3600))
    await bus.flush()
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(BusDisconnected):
        await broke
    with pytest.raises(BusDisconnected):
        await bus.publish("fact.a", b"")
    with pytest.raises(BusDisconnected):
        await bus.request("fact.a", b"", timeout_s=3600)
    with pytest.raises(BusDisconnected):
        await bus.flush()
    await bus.subscribe("fact.a", receive)
    await hanging.unsubscribe()
    await asyncio.wait_for(is_back.wait(), 10)
    await bus.publish("fact.a", b"after")
    assert await asyncio.wait_for(received.get(), 5) == b"after"
    with pytest.raises(NoResponders):
        await bus.request("command.room.2", b"", timeout_s=5)
    await bus.close()
    await server.stop()


async def _ignore(message: Message) -> None:
    return


async def test_hanging_server_is_given_up_and_the_connection_made_again(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process keeps its sockets: only missing pongs tell, and what is unsent stays unsent."""
    monkeypatch.setattr(nats_module, "PING_INTERVAL_S", 0.02)
    bus = await NatsBus.connect([server.url], name="test")
    is_back = asyncio.Event()

    async def note() -> None:
        is_back.set()

    async def answer(message: Message) -> None:
        await message.reply(b"yes")

    bus.on_reconnect(note)
    await bus.subscribe("command.room.1", answer)
    await bus.flush()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        requests = [bus.request("command.room.1", b"x" * 4_000_000, timeout_s=3600) for _ in range(5)]
        waiting = [asyncio.ensure_future(request) for request in requests]
        publishing = asyncio.ensure_future(bus.publish("fact.a", b"x"))
        for work in [*waiting, publishing]:
            with pytest.raises(BusDisconnected):
                await asyncio.wait_for(work, 10)
    finally:
        os.kill(pid, signal.SIGKILL)
    await asyncio.wait_for(is_back.wait(), 10)
    assert await bus.request("command.room.1", b"?", timeout_s=10) == b"yes"
    await bus.close()


async def test_request_times_out_while_it_waits_to_be_sent(server: NatsServer) -> None:
    bus = await NatsBus.connect([server.url], name="test")
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        large = [asyncio.ensure_future(bus.publish("fact.a", b"x" * 8_000_000)) for _ in range(4)]
        await asyncio.wait(large, timeout=0.01)
        with pytest.raises(RequestTimeout):
            await bus.request("command.room.1", b"", timeout_s=0.01)
    finally:
        os.kill(pid, signal.SIGCONT)
    await asyncio.gather(*large)
    await bus.flush()
    await bus.close()


async def test_connection_that_the_server_ends_is_made_again(server: NatsServer) -> None:
    bus = await NatsBus.connect([server.url], name="test")
    is_back = asyncio.Event()

    async def note() -> None:
        is_back.set()

    async def answer(message: Message) -> None:
        await message.reply(b"yes")

    bus.on_reconnect(note)
    await bus.subscribe("command.room.1", answer)
    assert bus._connection is not None
    bus._connection.send(b"NONSENSE\r\n")
    await asyncio.wait_for(is_back.wait(), 10)
    assert await bus.request("command.room.1", b"?", timeout_s=10) == b"yes"
    await bus.close()


async def test_other_clients_understand_us_and_we_them(server: NatsServer) -> None:
    """The official Python client, which sends headers too."""
    bus = await NatsBus.connect([server.url], name="test")
    other = await nats.connect(server.url, allow_reconnect=False)
    received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def answer(message: Message) -> None:
        received.put_nowait((message.subject, message.payload))
        await message.reply(b"ours: " + message.payload)

    async def answer_too(message: nats.aio.msg.Msg) -> None:
        await message.respond(b"theirs: " + message.data)

    await bus.subscribe("ours.*", answer, queue_group="q")
    await bus.flush()
    await other.subscribe("theirs", cb=answer_too)
    await other.flush()
    assert (await other.request("ours.1", b"a", timeout=5, headers={"X": "y"})).data == b"ours: a"
    assert await bus.request("theirs", b"b", timeout_s=5) == b"theirs: b"
    assert received.get_nowait() == ("ours.1", b"a")
    await other.close()
    await bus.close()


async def test_no_server_is_an_error_that_says_why(server: NatsServer) -> None:
    with pytest.raises(BusDisconnected, match=r"Authorization|reset|closed"):
        await NatsBus.connect([f"nats://127.0.0.1:{server.port}"], name="test", token="wrong", timeout_s=0.3)
    port = server.port
    await server.stop()
    with pytest.raises(BusDisconnected, match=r"refused|Connect"):
        await NatsBus.connect([f"nats://127.0.0.1:{port}"], name="test", timeout_s=0.3)


async def test_second_server_of_the_list_is_used_when_the_first_is_down(server: NatsServer) -> None:
    bus = await NatsBus.connect(["nats://127.0.0.1:1", server.url], name="test")
    with pytest.raises(NoResponders):
        await bus.request("command.room.1", b"", timeout_s=5)
    await bus.close()


async def test_message_too_large_for_the_bus_harms_no_other(server: NatsServer) -> None:
    bus = await NatsBus.connect([server.url], name="test")
    with pytest.raises(BusError):
        await bus.request("command.room.1", b"x" * (8 * 1024 * 1024 + 1), timeout_s=5)
    await bus.subscribe("command.room.1", _ignore)
    with pytest.raises(RequestTimeout):
        await bus.request("command.room.1", b"", timeout_s=0.01)
    await bus.close()
