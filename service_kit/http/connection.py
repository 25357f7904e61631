"""One HTTP/1.1 connection: httptools parses, the application answers, one write sends it.

    bytes ──► parser ──► Exchange ──► queue ──► task: application.respond ──► head and body in one write
                          (head, body)  (pipelined requests wait for the one before)

A request is answered as soon as it is whole; a body longer than
`EARLY_BODY_BYTES` is only read on once the application has seen who asks. No
timers: the server looks at all connections once a second (`overdue`).

Spec: RFC 9112
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import Any, Protocol, cast

import httptools
import orjson

from service_kit.http.application import HttpApplication, Response
from service_kit.http.request import CORS_HEADERS, Answer, ClientDisconnected, Headers, too_large

log = logging.getLogger(__name__)

HEAD_BYTES_MAX = 64 * 1024
"""Longest URL and headers together."""
EARLY_BODY_BYTES = 64 * 1024
DISCARDED_BYTES_MAX = 8 * 1024 * 1024
"""So much of a body that nobody wants is read and thrown away, so that the client gets to read our answer."""
PIPELINED_MAX = 8
"""Requests of one connection that wait; then it is read no further."""
READ_TIMEOUT_S = 60
"""A request that has not come in whole so long after it began is given up."""
KEEP_ALIVE_S = 90
"""A connection without a request is closed after so long."""

_CORS = b"".join(b"%b: %b\r\n" % header for header in CORS_HEADERS)
_HEADS = {
    status.value: b"HTTP/1.1 %d %b\r\n%b" % (status.value, status.phrase.encode(), _CORS) for status in HTTPStatus
}
_JSON = b"content-type: application/json\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HeadTooLong(Exception):
    """Raised inside the parser, which then gives up."""


class Listener(Protocol):
    """What connections need of the server that accepted them."""

    application: HttpApplication
    connections: set[HttpConnection]
    connections_max: int
    loop: asyncio.AbstractEventLoop
    date_header: bytes
    """`date: …\\r\\n`, renewed every second."""
    seconds: int
    """Since the start, counted once a second."""


class Exchange:
    """One request on its way in; implements `service_kit.http.request.Incoming`."""

    __slots__ = (
        "_connection",
        "_length",
        "_limit",
        "_parts",
        "_reader",
        "disconnected",
        "expects_continue",
        "headers",
        "is_complete",
        "keep_alive",
        "method",
        "peer",
        "query_string",
        "raw_path",
        "waiting_task",
    )

    def __init__(self, connection: HttpConnection, peer: str) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._length = 0
        self._limit = EARLY_BODY_BYTES
        self._reader: asyncio.Future[None] | None = None
        self.method = ""
        self.raw_path = ""
        self.query_string = b""
        self.headers: Headers = []
        self.peer = peer
        self.waiting_task: asyncio.Task[Any] | None = None
        self.disconnected = False
        self.is_complete = False
        self.keep_alive = True
        self.expects_continue = False

    def add(self, part: bytes) -> bool:
        """More of the body. False: enough for now, read on only when `read_body` has said how much may come."""
        self._length += len(part)
        if self._length <= self._limit:
            self._parts.append(part)
            return True
        if self._limit == EARLY_BODY_BYTES and self._reader is None:
            self._parts.append(part)
            return False
        self._parts.clear()  # too long: nobody will see it
        if self._length > self._limit + DISCARDED_BYTES_MAX:
            self.keep_alive = False
            self._wake()
            return False
        return True

    def complete(self) -> None:
        self.is_complete = True
        self._wake()

    def abandon(self) -> None:
        """The client has gone."""
        self.disconnected = True
        self._wake()
        if self.waiting_task is not None:
            self.waiting_task.cancel()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def read_body(self, bytes_max: int) -> bytes:
        if not self.is_complete:
            await self._read_rest(bytes_max)
        if self._length > bytes_max:
            raise too_large(bytes_max)
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def _read_rest(self, bytes_max: int) -> None:
        if self.disconnected:
            raise ClientDisconnected
        self._limit = bytes_max
        self._reader = self._connection.listener.loop.create_future()
        self._connection.read_on()
        await self._reader
        if self.disconnected:
            raise ClientDisconnected


class HttpConnection(asyncio.Protocol):
    """See the module's description. `seconds` below are the listener's."""

    __slots__ = (
        "_exchange",
        "_head_bytes",
        "_is_closed",
        "_is_closing",
        "_is_paused",
        "_peer",
        "_queue",
        "_transport",
        "_unsent_bytes",
        "_url",
        "_writable",
        "idle_since",
        "listener",
        "parser",
        "reading_since",
        "task",
    )

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.parser = httptools.HttpRequestParser(self)
        self.task: asyncio.Task[None] | None = None
        """Answers the request whose turn it is."""
        self.reading_since: int | None = None
        """when the request began that is not whole yet"""
        self.idle_since = listener.seconds
        self._exchange: Exchange | None = None
        """The one that is being read."""
        self._queue: deque[Exchange] = deque()
        """Whole ones, and one that is being answered while its body comes in; the first one's turn it is."""
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._url = b""
        self._head_bytes = 0
        self._is_closing = False
        """No further request is taken."""
        self._is_closed = False
        """Nothing is sent any more."""
        self._is_paused = False
        self._writable: asyncio.Future[None] | None = None
        """There while the client reads more slowly than we write."""
        self._unsent_bytes = 0

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio's do, and are no subclass.
        transport = cast(asyncio.Transport, transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        if len(self.listener.connections) >= self.listener.connections_max:
            transport.abort()
            return
        self.listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.connections.discard(self)
        self._transport = None
        self._is_closed = True
        self.resume_writing()
        for exchange in self._queue:
            exchange.abandon()
        if self._exchange is not None:
            self._exchange.abandon()

    def data_received(self, data: bytes) -> None:
        if self._is_closing and self._exchange is None:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing here speaks another protocol: the request is answered, and what follows is not HTTP any more.
            self._is_closing = True
        except httptools.HttpParserError:
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, "M_TOO_LARGE", "The request's URL and headers are too long")
            else:
                self._refuse(400, "M_UNKNOWN", "This is not HTTP")

    def pause_writing(self) -> None:
        self._writable = self.listener.loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- the parser's side

    def on_message_begin(self) -> None:
        self._exchange = Exchange(self, self._peer)
        self._exchange.headers = []
        self._url = b""
        self._head_bytes = 0
        self.reading_since = self.listener.seconds

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        exchange = self._exchange
        assert exchange is not None
        name = name.lower()
        exchange.headers.append((name, value))  # type: ignore[attr-defined]
        if name == b"expect":
            exchange.expects_continue = value.lower() == b"100-continue"

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HeadTooLong

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.method = self.parser.get_method().decode("latin-1")
        exchange.raw_path, exchange.query_string = _split(self._url)
        if exchange.expects_continue and self._transport is not None and not self._queue:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        if exchange.add(body):
            return
        self._pause_reading()
        if not exchange.keep_alive:
            self._is_closing = True
        elif exchange not in self._queue:
            self._enqueue(exchange)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._exchange = None
        self.reading_since = None
        exchange.keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        exchange.complete()
        if not self._queue or exchange is not self._queue[-1]:
            self._enqueue(exchange)

    # --- answering

    def _enqueue(self, exchange: Exchange) -> None:
        self._queue.append(exchange)
        if self.task is None:
            self.task = self.listener.loop.create_task(self._answer_all())
        elif len(self._queue) > PIPELINED_MAX:
            self._pause_reading()

    async def _answer_all(self) -> None:
        """Answer what is in the queue, in order."""
        try:
            while self._queue and not self._is_closed:
                exchange = self._queue[0]
                response = await self.listener.application.respond(exchange)
                if response is not None:
                    self._send(exchange, response)
                elif not exchange.is_complete:
                    self.close()
                self._queue.popleft()
                self.read_on()
                if self._writable is not None:
                    await self._writable
        except Exception:
            log.exception("a request could not be answered")
            self.close()
        finally:
            self.task = None
            self.idle_since = self.listener.seconds

    def _send(self, exchange: Exchange, response: Response) -> None:
        if self._transport is None:
            return
        closes = self._is_closing or not exchange.keep_alive or not exchange.is_complete
        body = b"" if exchange.method == "HEAD" else response.answer.body
        head = encoded_head(response, self.listener.date_header, closes=closes)
        self._transport.write(head + body)  # type: ignore[operator]
        if closes:
            self.close()

    def _refuse(self, status: int, errcode: str, message: str) -> None:
        """Answer what never became a request, and close; but first answer the request that came in whole before it."""
        broken_off, self._exchange = self._exchange, None
        if self._queue:
            self._is_closing = True
            if broken_off is not None and not broken_off.is_complete:
                broken_off.abandon()
            return
        if self._transport is not None:
            answer = Answer(status, orjson.dumps({"errcode": errcode, "error": message}))
            head = encoded_head(Response(answer, "-"), self.listener.date_header, closes=True)
            self._transport.write(head + answer.body)  # type: ignore[operator]
        self.close()

    # --- flow and end

    def _pause_reading(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read further, if reading was paused."""
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what was written has gone out; what waits in the queue is not answered."""
        self._is_closing = self._is_closed = True
        if self._transport is not None:
            self._transport.close()

    def drain(self) -> None:
        """Close after the answer that is being made; at once if there is none."""
        self._is_closing = True
        if self.task is None:
            self.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def overdue(self, seconds: int) -> bool:
        """Whether this connection has waited too long for its client: for a request, its rest, or its reading us."""
        unsent_bytes = 0 if self._transport is None else self._transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self.idle_since = seconds
        if self._writable is None and self.task is not None and self._queue and self._queue[0].is_complete:
            return False  # it is the client who waits
        if self.reading_since is not None:
            return seconds - self.reading_since > READ_TIMEOUT_S
        return seconds - self.idle_since > KEEP_ALIVE_S


def encoded_head(response: Response, date_header: bytes, *, closes: bool) -> bytes:
    """Status line and headers, with the empty line at the end."""
    status, body, headers = response.answer
    assert isinstance(body, bytes)
    head = _HEADS[status] + date_header
    if headers:
        for name, value in headers:
            if b"\r" in value or b"\n" in value or b"\0" in value:
                raise ValueError(f"the header {name!r} may not hold line breaks")
            head += b"%b: %b\r\n" % (name, value)
    if status != 204:
        if not headers or not any(name == b"content-type" for name, _ in headers):
            head += _JSON
        head += b"content-length: %d\r\n" % len(body)
    if closes:
        head += b"connection: close\r\n"
    return b"%bx-request-id: %b\r\n\r\n" % (head, response.request_id.encode())


def _split(url: bytes) -> tuple[str, bytes]:
    """Path and query of a request's target, which may also be absolute (`http://…`), or `*`."""
    if not url.startswith(b"/"):
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            return "*", b""
        return (parsed.path or b"*").decode("latin-1"), parsed.query or b""
    path, _, query = url.partition(b"#")[0].partition(b"?")
    return path.decode("latin-1"), query
