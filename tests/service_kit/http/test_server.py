"""The listener, over real sockets on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from service_kit.clock import ManualClock
from service_kit.http.application import DrainSignal, HttpApplication, Response
from service_kit.http.connection import (
    EARLY_BODY_BYTES,
    HEAD_BYTES_MAX,
    KEEP_ALIVE_S,
    READ_TIMEOUT_S,
    encoded_head,
)
from service_kit.http.endpoint import Auth, Endpoint
from service_kit.http.rate_limits import RateLimits
from service_kit.http.request import Answer
from service_kit.http.server import HttpServer, serve


class Waiting:
    """An endpoint that waits, and what became of it."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def poll(self, signal: DrainSignal) -> object:
        self.started.set()
        try:
            await signal.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return {"drained": True}


async def hello() -> object:
    return {"hello": 1}


async def length_of(body: dict[str, str]) -> object:
    return {"length": len(body["x"])}


async def large() -> object:
    return {"x": "y" * 3_000_000}


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
async def server(waiting: Waiting) -> AsyncIterator[HttpServer]:
    clock = ManualClock()
    endpoints = [
        Endpoint("GET", "/hello", "hello", hello, auth=Auth.NONE),
        Endpoint("GET", "/large", "large", large, auth=Auth.NONE),
        Endpoint("PUT", "/length", "length", length_of, auth=Auth.NONE, body_bytes_max=200_000),
        Endpoint("GET", "/poll", "poll", waiting.poll, auth=Auth.NONE, long_poll=True),
    ]
    running = await serve(
        HttpApplication(endpoints, {}, None, RateLimits({}, clock), clock=clock), "127.0.0.1", 0, clock=clock
    )
    yield running
    await running.stop()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, head: bytes) -> tuple[int, dict[str, str], bytes]:
        self.writer.write(head)
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))


@pytest.fixture
async def connection(server: HttpServer) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    yield Connection(reader, writer)
    writer.close()


GET_HELLO = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n"


async def test_connection_is_kept_for_further_requests(connection: Connection) -> None:
    for _ in range(2):
        status, headers, body = await connection.ask(GET_HELLO)
        assert (status, orjson.loads(body)) == (200, {"hello": 1})
        assert "server" not in headers
        assert headers["date"].endswith("GMT")


async def test_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    status, _, _ = await connection.ask(GET_HELLO + GET_HELLO.replace(b"/hello", b"/nothing"))
    assert status == 200
    assert (await connection.answer())[0] == 404


@pytest.mark.parametrize("nonsense", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_not_http_is_told_so_in_json(connection: Connection, nonsense: bytes) -> None:
    status, headers, body = await connection.ask(nonsense)
    assert (status, orjson.loads(body)["errcode"]) == (400, "M_UNKNOWN")
    assert headers["access-control-allow-origin"] == "*"
    assert await connection.reader.read() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * HEAD_BYTES_MAX + b"\r\n",
    ],
)
async def test_head_has_a_longest_length(connection: Connection, head: bytes) -> None:
    status, _, body = await connection.ask(head)
    assert (status, orjson.loads(body)["errcode"]) == (431, "M_TOO_LARGE")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\nhost: y\r\nauthorization: a\r\nauthorization: b\r\n\r\n",
        b"GET /hello HTTP/1.0\r\n\r\n",
        b"GET http://x/hello HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /hello?%ff=%zz&&&= HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_unusual_requests_are_answered(connection: Connection, head: bytes) -> None:
    assert (await connection.ask(head))[0] == 200


async def test_client_that_goes_ends_its_long_poll(connection: Connection, waiting: Waiting) -> None:
    connection.writer.write(GET_HELLO.replace(b"/hello", b"/poll"))
    await waiting.started.wait()
    connection.writer.close()
    await asyncio.wait_for(waiting.cancelled.wait(), 5)


async def test_drain_answers_long_polls_and_takes_no_more_connections(
    server: HttpServer, connection: Connection, waiting: Waiting
) -> None:
    connection.writer.write(GET_HELLO.replace(b"/hello", b"/poll"))
    await waiting.started.wait()
    await server.drain()
    status, headers, body = await connection.answer()
    assert (status, orjson.loads(body), headers["connection"]) == (200, {"drained": True}, "close")
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(server.host, server.port)


async def test_stop_ends_requests_that_do_not_end_themselves(
    server: HttpServer, connection: Connection, waiting: Waiting
) -> None:
    connection.writer.write(GET_HELLO.replace(b"/hello", b"/poll"))
    await waiting.started.wait()
    await server.stop()
    assert waiting.cancelled.is_set()


async def test_port_in_use_is_said_so(server: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        await serve(server.application, "127.0.0.1", server.port, clock=ManualClock())


def put(length: int, *headers: str) -> bytes:
    body = b'{"x":"%b"}' % (b"y" * length)
    head = ["PUT /length HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("length", [0, 1000, EARLY_BODY_BYTES - 8, EARLY_BODY_BYTES, EARLY_BODY_BYTES + 1, 190_000])
async def test_body_of_any_permitted_length_comes_in_whole(connection: Connection, length: int) -> None:
    for _ in range(2):
        status, _, body = await connection.ask(put(length))
        assert (status, orjson.loads(body)) == (200, {"length": length})


async def test_body_in_small_pieces_and_in_chunks_comes_in_whole(connection: Connection) -> None:
    for byte in put(20):
        connection.writer.write(bytes([byte]))
        await connection.writer.drain()
    assert (await connection.answer())[0] == 200
    chunks = b'3\r\n{"x\r\n5;a=b\r\n":"y"\r\n1\r\n}\r\n0\r\ntrailer: x\r\n\r\n'
    head = b"PUT /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await connection.ask(head + chunks))[0] == 200


async def test_client_gets_to_read_that_its_body_is_too_long_and_may_go_on(connection: Connection) -> None:
    status, _, body = await connection.ask(put(1_000_000))
    assert (status, orjson.loads(body)["errcode"]) == (413, "M_TOO_LARGE")
    assert (await connection.ask(GET_HELLO))[0] == 200


async def test_body_without_end_is_cut_off(connection: Connection) -> None:
    async def send_for_ever() -> None:
        connection.writer.write(b"PUT /length HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000000\r\n\r\n")
        while True:
            connection.writer.write(b"y" * 100_000)
            await connection.writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send_for_ever(), 20)


async def test_refused_request_with_a_long_body_closes_the_connection(connection: Connection) -> None:
    connection.writer.write(b"PUT /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"y" * 70_000)
    status, headers, _ = await connection.answer()
    assert (status, headers["connection"]) == (404, "close")


async def test_client_that_asks_first_is_told_to_send_its_body(connection: Connection) -> None:
    head, _, body = put(10, "expect: 100-continue").partition(b"\r\n\r\n")
    connection.writer.write(head + b"\r\n\r\n")
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.ask(body))[0] == 200


async def test_head_has_the_length_and_no_body(connection: Connection) -> None:
    connection.writer.write(b"HEAD /hello HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await connection.reader.readuntil(b"\r\n\r\n")
    assert b"content-length: 11\r\n" in head
    assert (await connection.ask(GET_HELLO))[0] == 200


async def test_options_has_no_body(connection: Connection) -> None:
    connection.writer.write(b"OPTIONS /hello HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await connection.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 204")
    assert b"access-control-allow-methods" in head
    assert b"content-length" not in head


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.0\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    ],
)
async def test_connection_ends_after_the_last_request(connection: Connection, head: bytes) -> None:
    status, headers, _ = await connection.ask(head)
    assert (status, headers["connection"]) == (200, "close")
    assert await connection.reader.read() == b""


async def test_requests_after_the_last_are_not_carried_out(connection: Connection, server: HttpServer) -> None:
    last = b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert (await connection.ask(last + GET_HELLO))[0] == 200
    assert await connection.reader.read() == b""


async def test_nonsense_in_the_middle_of_a_body_ends_the_connection(connection: Connection, server: HttpServer) -> None:
    head = b"PUT /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.writer.write(head + b"12000\r\n" + b"y" * 0x12000 + b"\r\nnonsense\r\n")
    assert await connection.reader.read() == b""
    assert server.application.active_requests == 0


async def test_many_pipelined_requests_are_all_answered(connection: Connection) -> None:
    connection.writer.write(GET_HELLO * 500)
    for _ in range(500):
        assert (await connection.answer())[0] == 200


async def test_client_that_does_not_read_gets_no_further_answers_until_it_does(
    connection: Connection, server: HttpServer
) -> None:
    connection.writer.write(GET_HELLO.replace(b"/hello", b"/large") * 20)
    await asyncio.sleep(0.2)
    unsent = [each._transport.get_write_buffer_size() for each in server.connections if each._transport]
    assert 0 < unsent[0] <= 6_100_000
    for _ in range(20):
        assert len((await connection.answer())[2]) > 3_000_000


class TestOverdue:
    """Connections that are given up."""

    async def test_without_a_request(self, connection: Connection, server: HttpServer) -> None:
        assert (await connection.ask(GET_HELLO))[0] == 200
        (accepted,) = server.connections
        assert not accepted.overdue(KEEP_ALIVE_S)
        assert accepted.overdue(KEEP_ALIVE_S + 1)

    async def test_with_half_a_request(self, connection: Connection, server: HttpServer) -> None:
        assert (await connection.ask(GET_HELLO))[0] == 200
        connection.writer.write(put(50_000)[:-5])
        (accepted,) = server.connections
        for _ in range(1000):
            await asyncio.sleep(0)
        assert accepted.reading_since == 0
        assert not accepted.overdue(READ_TIMEOUT_S)
        assert accepted.overdue(READ_TIMEOUT_S + 1)

    async def test_but_never_while_it_waits_for_us(
        self, connection: Connection, server: HttpServer, waiting: Waiting
    ) -> None:
        connection.writer.write(GET_HELLO.replace(b"/hello", b"/poll"))
        await waiting.started.wait()
        (accepted,) = server.connections
        assert not accepted.overdue(10_000)

    async def test_when_it_has_stopped_reading(self, connection: Connection, server: HttpServer) -> None:
        connection.writer.write(GET_HELLO.replace(b"/hello", b"/large") * 5)
        await asyncio.sleep(0.2)
        (accepted,) = server.connections
        assert not accepted.overdue(1000)  # something has gone out since it was looked at last
        assert not accepted.overdue(1000 + KEEP_ALIVE_S)
        assert accepted.overdue(1001 + KEEP_ALIVE_S)

    async def test_is_closed(self, connection: Connection, server: HttpServer) -> None:
        clock = server._clock
        assert isinstance(clock, ManualClock)
        assert (await connection.ask(GET_HELLO))[0] == 200
        await clock.advance(KEEP_ALIVE_S + 2)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await connection.ask(GET_HELLO)


async def test_more_connections_than_the_most_are_turned_away(server: HttpServer, connection: Connection) -> None:
    assert (await connection.ask(GET_HELLO))[0] == 200
    server.connections_max = 1
    reader, writer = await asyncio.open_connection(server.host, server.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await Connection(reader, writer).ask(GET_HELLO)
    writer.close()
    assert (await connection.ask(GET_HELLO))[0] == 200


def test_header_with_a_line_break_is_never_sent() -> None:
    answer = Answer(200, b"{}", ((b"location", b"/x\r\nset-cookie: y"),))
    with pytest.raises(ValueError, match="location"):
        encoded_head(Response(answer, "x"), b"", closes=False)
