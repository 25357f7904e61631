"""The protocol of a NATS connection, without a server: however the bytes are cut, and whatever they say."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from service_kit.bus.interface import BusDisconnected
from service_kit.bus.nats_protocol import LINE_BYTES_MAX, NatsProtocol
from service_kit.bus.nats_servers import Credentials, parse_address


class Wire(asyncio.Transport):
    """What was written, and whether the connection was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return


class Connection:
    """A protocol on a wire, with one subscription, number 7."""

    def __init__(self) -> None:
        self.lost: list[NatsProtocol] = []
        address = parse_address("nats://secret@127.0.0.1:4222")
        self.protocol = NatsProtocol(address, "test", Credentials(), None, self.lost.append)
        self.wire = Wire()
        self.protocol.connection_made(self.wire)
        self.received: list[tuple[bytes, bytes, bytes, bytes]] = []
        self.protocol.receivers[b"7"] = lambda *message: self.received.append(message)


MESSAGES = (
    b"MSG fact.a 7 5\r\nhello\r\n"
    b"+OK\r\n"
    b"MSG fact.a 7 _INBOX.x.1 12\r\nwith\r\nbreaks\r\n"
    b"MSG fact.b 8 3\r\nnot\r\n"
    b"PING\r\n"
    b"MSG  fact.a  7  0\r\n\r\n"
    b"HMSG _INBOX.x.2 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
    b"HMSG fact.a 7 reply 18 21\r\nNATS/1.0\r\nA: b\r\n\r\nabc\r\n"
    b"MSG fact.a 7 4\r\nMSG \r\n"
)
EXPECTED = [
    (b"fact.a", b"", b"", b"hello"),
    (b"fact.a", b"_INBOX.x.1", b"", b"with\r\nbreaks"),
    (b"fact.a", b"", b"", b""),
    (b"_INBOX.x.2", b"", b"NATS/1.0 503\r\n\r\n", b""),
    (b"fact.a", b"reply", b"NATS/1.0\r\nA: b\r\n\r\n", b"abc"),
    (b"fact.a", b"", b"", b"MSG "),
]


@pytest.mark.parametrize("seed", range(30))
async def test_messages_are_the_same_however_the_bytes_are_cut(seed: int) -> None:
    choose = random.Random(seed)
    connection = Connection()
    rest = MESSAGES
    while rest:
        size = 1 if seed == 0 else choose.randrange(1, 60)
        connection.protocol.data_received(rest[:size])
        rest = rest[size:]
    assert connection.received == EXPECTED
    await asyncio.sleep(0)
    assert connection.wire.written == b"PONG\r\n"


async def test_payload_in_many_pieces_is_put_together_once() -> None:
    connection = Connection()
    payload = random.Random(1).randbytes(3_000_000)
    data = b"MSG fact.a 7 3000000\r\n" + payload + b"\r\nMSG fact.a 7 1\r\nx\r\n"
    for start in range(0, len(data), 65536):
        connection.protocol.data_received(data[start : start + 65536])
    assert [message[3] for message in connection.received] == [payload, b"x"]


@pytest.mark.parametrize(
    "data",
    [
        b"MSG fact.a 7\r\n",
        b"MSG fact.a 7 -1\r\n",
        b"MSG fact.a 7 many\r\n",
        b"MSG\x20\r\n",
        b"HMSG fact.a 7 20 10\r\n",
        b"HMSG 7\r\n",
        b"MSG fact.a 7 99999999999999\r\n",
        b"INFO no JSON\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"x" * (LINE_BYTES_MAX + 1),
    ],
)
async def test_nonsense_ends_the_connection(data: bytes) -> None:
    connection = Connection()
    connection.protocol.data_received(data)
    assert connection.wire.is_aborted


async def test_commands_of_one_moment_are_one_write() -> None:
    connection = Connection()
    writes: list[bytes] = []
    connection.wire.write = writes.append  # type: ignore[method-assign,assignment]
    for number in range(5):
        connection.protocol.send(b"PUB fact.a  1\r\n%d\r\n" % number)
    await asyncio.sleep(0)
    assert writes == [b"".join(b"PUB fact.a  1\r\n%d\r\n" % number for number in range(5))]


async def test_greeting_answers_info_with_connect_and_the_credentials() -> None:
    connection = Connection()
    greeting = asyncio.ensure_future(connection.protocol.greet())
    connection.protocol.data_received(b'INFO {"max_payload": 100, "nonce": "n"}\r\n')
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    connect, ping, end = connection.wire.written.split(b"\r\n")
    assert (ping, end) == (b"PING", b"")
    options = json.loads(connect.removeprefix(b"CONNECT "))
    assert options["auth_token"] == "secret"
    assert options["no_responders"] is True
    assert not greeting.done()
    connection.protocol.data_received(b"PONG\r\n")
    await greeting
    assert connection.protocol.payload_bytes_max == 100


async def test_refusal_ends_the_greeting_with_its_reason() -> None:
    connection = Connection()
    greeting = asyncio.ensure_future(connection.protocol.greet())
    connection.protocol.data_received(b"INFO {}\r\n")
    connection.protocol.data_received(b"-ERR 'Authorization Violation'\r\n")
    await asyncio.sleep(0)
    connection.protocol.connection_lost(None)
    with pytest.raises(BusDisconnected, match="Authorization Violation"):
        await greeting


async def test_lost_connection_fails_everybody_who_waits() -> None:
    connection = Connection()
    pong = connection.protocol.ping()
    connection.protocol.pause_writing()
    writable = asyncio.ensure_future(connection.protocol.wait_until_writable())
    await asyncio.sleep(0)
    connection.protocol.connection_lost(OSError("reset"))
    for waiting in (pong, writable):
        with pytest.raises(BusDisconnected):
            await waiting
    assert connection.lost == [connection.protocol]
    written = connection.wire.written
    connection.protocol.send(b"PING\r\n")
    await asyncio.sleep(0)
    assert connection.wire.written == written


async def test_writers_go_on_when_the_wire_can_take_more() -> None:
    connection = Connection()
    connection.protocol.pause_writing()
    writable = asyncio.ensure_future(connection.protocol.wait_until_writable())
    await asyncio.sleep(0)
    assert not writable.done()
    connection.protocol.resume_writing()
    await writable
    assert not connection.protocol.is_paused
