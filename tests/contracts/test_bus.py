"""What every bus promises; run on the fake that we ship and on NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from service_kit.bus.interface import (
    PAYLOAD_BYTES_MAX,
    Bus,
    BusDisconnected,
    BusError,
    Message,
    NoResponders,
    RequestTimeout,
)
from service_kit.bus.memory import MemoryBus
from service_kit.bus.nats import NatsBus
from service_kit.bus.nats_server import NatsServer

Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["memory", "nats"])
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    opened: list[Bus] = []
    hub = MemoryBus()
    server = await NatsServer.start(tmp_path) if request.param == "nats" else None

    async def connect() -> Bus:
        bus: Bus = hub.connect() if server is None else await NatsBus.connect([server.url], name="test")
        opened.append(bus)
        return bus

    yield connect
    for bus in opened:
        await bus.close()
    if server is not None:
        await server.stop()


class Inbox:
    """Collects what a subscription receives."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def receive(self, message: Message) -> None:
        self.messages.put_nowait((message.subject, message.payload))

    async def next(self) -> tuple[str, bytes]:
        return await asyncio.wait_for(self.messages.get(), 5)


async def echo(message: Message) -> None:
    await message.reply(b"re: " + message.payload)


async def test_message_reaches_every_subscriber_unchanged(connect: Connect) -> None:
    sender, first, second = await connect(), await connect(), await connect()
    inboxes = [Inbox(), Inbox(), Inbox()]
    for bus, inbox in zip((sender, first, second), inboxes, strict=True):
        await bus.subscribe("fact.a", inbox.receive)
        await bus.flush()
    payload = bytes(range(256)) * 100
    await sender.publish("fact.a", payload)
    await sender.publish("fact.b", b"for nobody")
    await sender.publish("fact.a", b"")
    for inbox in inboxes:
        assert await inbox.next() == ("fact.a", payload)
        assert await inbox.next() == ("fact.a", b"")


async def test_messages_arrive_in_order_one_at_a_time(connect: Connect) -> None:
    sender, receiver = await connect(), await connect()
    seen: list[int] = []
    running = 0
    done = asyncio.Event()

    async def slow(message: Message) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        seen.append(int(message.payload))
        if len(seen) == 500:
            done.set()

    await receiver.subscribe("fact.a", slow)
    await receiver.flush()
    for number in range(500):
        await sender.publish("fact.a", b"%d" % number)
    await asyncio.wait_for(done.wait(), 10)
    assert seen == list(range(500))


async def test_wildcards_stand_for_tokens(connect: Connect) -> None:
    bus = await connect()
    star, rest = Inbox(), Inbox()
    await bus.subscribe("command.*.7", star.receive)
    await bus.subscribe("command.room.>", rest.receive)
    for subject in ("command.room", "command.user.7", "command.room.7", "command.room.8.x", "command.room.77"):
        await bus.publish(subject, b"")
    await bus.publish("command.end.7", b"")
    await bus.publish("command.room.end", b"")
    assert [(await star.next())[0] for _ in range(3)] == ["command.user.7", "command.room.7", "command.end.7"]
    expected = ["command.room.7", "command.room.8.x", "command.room.77", "command.room.end"]
    assert [(await rest.next())[0] for _ in range(4)] == expected


async def test_a_drained_subscription_handles_what_was_on_its_way_and_nothing_new(connect: Connect) -> None:
    sender, receiver = await connect(), await connect()
    may_go_on = asyncio.Event()

    async def slow_echo(message: Message) -> None:
        await may_go_on.wait()
        await message.reply(b"re: " + message.payload)

    subscription = await receiver.subscribe("command.a", slow_echo)
    await receiver.flush()
    asked = [asyncio.create_task(sender.request("command.a", b"%d" % number, timeout_s=5)) for number in range(20)]
    await sender.flush()
    draining = asyncio.create_task(subscription.drain())
    await receiver.flush()
    may_go_on.set()
    await asyncio.wait_for(draining, 5)
    assert await asyncio.gather(*asked) == [b"re: %d" % number for number in range(20)]
    with pytest.raises(NoResponders):
        await sender.request("command.a", b"too late", timeout_s=5)
    await subscription.drain()
    await subscription.unsubscribe()


async def test_queue_group_gets_each_message_once(connect: Connect) -> None:
    sender, first, second = await connect(), await connect(), await connect()
    together = Inbox()
    for bus in (first, second):
        await bus.subscribe("fact.a", together.receive, queue_group="senders")
        await bus.flush()
    for number in range(100):
        await sender.publish("fact.a", b"%d" % number)
    received = sorted([int((await together.next())[1]) for _ in range(100)])
    assert received == list(range(100))
    assert together.messages.empty()


async def test_request_is_answered(connect: Connect) -> None:
    client, owner = await connect(), await connect()
    await owner.subscribe("command.room.1", echo)
    await owner.flush()
    answers = await asyncio.gather(
        *(client.request("command.room.1", b"%d" % number, timeout_s=5) for number in range(200))
    )
    assert answers == [b"re: %d" % number for number in range(200)]


async def test_only_the_first_answer_counts(connect: Connect) -> None:
    client, owner = await connect(), await connect()

    async def chatty(message: Message) -> None:
        await message.reply(b"1")
        await message.reply(b"2")

    await owner.subscribe("command.room.1", chatty)
    await owner.flush()
    assert [await client.request("command.room.1", b"", timeout_s=5) for _ in range(3)] == [b"1"] * 3


async def test_empty_answer_is_an_answer(connect: Connect) -> None:
    bus = await connect()

    async def silent(message: Message) -> None:
        await message.reply(b"")

    await bus.subscribe("command.room.1", silent)
    assert await bus.request("command.room.1", b"", timeout_s=5) == b""


async def test_request_without_responder_fails_at_once(connect: Connect) -> None:
    bus = await connect()
    with pytest.raises(NoResponders):
        await bus.request("command.room.1", b"", timeout_s=60)


async def test_request_that_nobody_answers_times_out(connect: Connect) -> None:
    bus = await connect()
    inbox = Inbox()
    await bus.subscribe("command.room.1", inbox.receive)
    with pytest.raises(RequestTimeout):
        await bus.request("command.room.1", b"x", timeout_s=0.02)
    assert await inbox.next() == ("command.room.1", b"x")


async def test_answer_to_a_message_that_asked_for_none_goes_nowhere(connect: Connect) -> None:
    bus = await connect()
    inbox = Inbox()

    async def answer_then_note(message: Message) -> None:
        await message.reply(b"unwanted")
        await inbox.receive(message)

    await bus.subscribe("fact.a", answer_then_note)
    await bus.publish("fact.a", b"x")
    assert await inbox.next() == ("fact.a", b"x")


async def test_unsubscribed_handler_hears_nothing_more(connect: Connect) -> None:
    bus = await connect()
    old, new = Inbox(), Inbox()
    subscription = await bus.subscribe("fact.a", old.receive)
    await bus.subscribe("fact.a", new.receive)
    await bus.publish("fact.a", b"1")
    assert (await old.next(), await new.next()) == (("fact.a", b"1"),) * 2
    await subscription.unsubscribe()
    await bus.publish("fact.a", b"2")
    assert await new.next() == ("fact.a", b"2")
    assert old.messages.empty()
    await subscription.unsubscribe()


async def test_message_that_is_being_handled_is_handled_to_its_end(connect: Connect) -> None:
    client, owner = await connect(), await connect()
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(message: Message) -> None:
        has_begun.set()
        await may_end.wait()
        await message.reply(b"done")

    subscription = await owner.subscribe("command.room.1", slow)
    await owner.flush()
    answer = asyncio.ensure_future(client.request("command.room.1", b"", timeout_s=5))
    await asyncio.wait_for(has_begun.wait(), 5)
    await subscription.unsubscribe()
    may_end.set()
    assert await answer == b"done"
    await owner.flush()
    with pytest.raises(NoResponders):
        await client.request("command.room.1", b"", timeout_s=5)


async def test_handler_that_fails_is_called_for_the_next_message(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await connect()
    inbox = Inbox()

    async def fragile(message: Message) -> None:
        if message.payload == b"1":
            raise RuntimeError("deliberate")
        await inbox.receive(message)

    await bus.subscribe("fact.a", fragile)
    await bus.publish("fact.a", b"1")
    await bus.publish("fact.a", b"2")
    assert await inbox.next() == ("fact.a", b"2")
    assert "deliberate" in caplog.text


async def test_newest_messages_are_dropped_when_too_many_wait(connect: Connect) -> None:
    sender, receiver = await connect(), await connect()
    gate = asyncio.Event()
    inbox = Inbox()

    async def gated(message: Message) -> None:
        await gate.wait()
        await inbox.receive(message)

    sentinel = Inbox()
    await receiver.subscribe("fact.a", gated, pending_messages_max=10)
    await receiver.subscribe("fact.end", sentinel.receive)
    await receiver.flush()
    await sender.publish("fact.a", b"0")
    await sender.publish("fact.end", b"")
    await sentinel.next()  # the handler holds the first message now
    for number in range(1, 100):
        await sender.publish("fact.a", b"%d" % number)
    await sender.publish("fact.end", b"")
    await sentinel.next()
    gate.set()
    assert [int((await inbox.next())[1]) for _ in range(11)] == list(range(11))
    assert inbox.messages.empty()


async def test_largest_payload_passes_and_a_larger_one_is_refused(connect: Connect) -> None:
    bus = await connect()
    await bus.subscribe("command.room.1", echo_length)
    largest = b"x" * PAYLOAD_BYTES_MAX
    assert await bus.request("command.room.1", largest, timeout_s=10) == b"%d" % PAYLOAD_BYTES_MAX
    with pytest.raises(BusError):
        await bus.publish("command.room.1", largest + b"x")
    assert await bus.request("command.room.1", b"", timeout_s=5) == b"0"


async def echo_length(message: Message) -> None:
    await message.reply(b"%d" % len(message.payload))


@pytest.mark.parametrize("subject", ["", "fact a", "fact\r\nPUB x 0"])
async def test_impossible_subject_is_refused(connect: Connect, subject: str) -> None:
    bus = await connect()
    with pytest.raises(BusError):
        await bus.publish(subject, b"")
    with pytest.raises(BusError):
        await bus.request(subject, b"", timeout_s=1)
    with pytest.raises(BusError):
        await bus.subscribe(subject, echo)
    await bus.flush()


async def test_closed_bus_is_disconnected(connect: Connect) -> None:
    bus, owner = await connect(), await connect()
    inbox = Inbox()
    await owner.subscribe("command.room.1", inbox.receive)
    await owner.flush()
    waiting = asyncio.ensure_future(bus.request("command.room.1", b"x", timeout_s=60))
    await inbox.next()
    await bus.close()
    with pytest.raises(BusDisconnected):
        await waiting
    with pytest.raises(BusDisconnected):
        await bus.publish("fact.a", b"")
    with pytest.raises(BusDisconnected):
        await bus.request("fact.a", b"", timeout_s=1)
    with pytest.raises(BusDisconnected):
        await bus.subscribe("fact.a", echo)
    await bus.close()
