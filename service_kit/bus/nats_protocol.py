"""The NATS client protocol on one connection: lines of text, some followed by a payload.

    server: INFO {…} · MSG subject sid [reply] size ⏎ payload · HMSG … · PING · PONG · +OK · -ERR 'why'
    client: CONNECT {…} · PUB subject [reply] size ⏎ payload · SUB subject [group] sid · UNSUB sid · PING · PONG

Spoken here and not through nats-py, because that costs three times as much
(ADR-0007): its stream reader, parser, queue and flusher are tasks that wake
each other for every message.

Spec: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from service_kit.bus.interface import BusDisconnected
from service_kit.bus.nats_servers import Credentials, NatsAddress

LINE_BYTES_MAX = 64 * 1024
"""INFO of a large cluster is the longest."""
PAYLOAD_BYTES_LIMIT = 64 * 1024 * 1024
"""nats-server allows no more."""
GATHERED_BYTES_MAX = 128 * 1024
UNSENT_BYTES_HIGH = 4 * 1024 * 1024
"""More unsent data than this, and whoever sends waits."""

Receive = Callable[[bytes, bytes, bytes, bytes], None]
"""(subject, reply subject or b"", headers or b"", payload), called at once; must not wait or raise."""

_logger = logging.getLogger(__name__)


class NatsProtocol(asyncio.Protocol):
    """Use `open_connection`."""

    def __init__(
        self,
        address: NatsAddress,
        name: str,
        credentials: Credentials,
        tls: ssl.SSLContext | None,
        on_lost: Callable[[NatsProtocol], None],
    ) -> None:
        self.info: dict[str, Any] = {}
        self.receivers: dict[bytes, Receive] = {}
        """By subscription number, as it stands in a MSG line."""
        self.unanswered_pings = 0
        self._address = address
        self._name = name
        self._credentials = credentials
        self._tls = tls
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._partial = bytearray()
        self._needed = 0
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._can_write: asyncio.Future[None] | None = None
        self._greeting: asyncio.Future[None] = self._loop.create_future()
        self._last_error = ""
        self.is_lost = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_HIGH)

    def data_received(self, data: bytes) -> None:
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data = bytes(self._partial)
            self._partial.clear()
        try:
            end = self._parse(data)
        except (ValueError, IndexError) as error:
            self._last_error = f"a malformed message: {error}"
            self.abort()
            return
        if end < len(data):
            self._partial += data[end:]

    def pause_writing(self) -> None:
        self._can_write = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        self._can_write = None

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        why = BusDisconnected(f"the connection to NATS broke: {self._last_error or error or 'closed'}")
        for waiting in (self._greeting, self._can_write, *self._pongs):
            if waiting is not None and not waiting.done():
                waiting.set_exception(why)
                waiting.exception()  # nobody needs to have been waiting
        self._pongs.clear()
        self._outgoing.clear()
        self._on_lost(self)

    # What the bus calls.

    @property
    def payload_bytes_max(self) -> int:
        limit: int = self.info.get("max_payload", 0)
        return limit

    def send(self, command: bytes) -> None:
        """Write with the next turn of the event loop, together with everything else of this one."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command)
        self._outgoing_bytes += len(command)
        if self._outgoing_bytes > GATHERED_BYTES_MAX:
            self._flush()

    async def wait_until_writable(self) -> None:
        """Raises BusDisconnected."""
        while self._can_write is not None:
            await asyncio.shield(self._can_write)
        if self.is_lost:
            raise BusDisconnected("the connection to NATS broke")

    @property
    def is_paused(self) -> bool:
        return self._can_write is not None

    def ping(self) -> asyncio.Future[None]:
        """Done when the server has worked off everything that was sent before. Raises BusDisconnected."""
        pong: asyncio.Future[None] = self._loop.create_future()
        self._pongs.append(pong)
        self.unanswered_pings += 1
        self.send(b"PING\r\n")
        return pong

    def abort(self) -> None:
        """End the connection at once, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Send what waits, then end the connection."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    async def greet(self) -> None:
        """From the server's INFO to the answer to our CONNECT. Raises BusDisconnected, ssl.SSLError, OSError."""
        await self._greeting
        if self._tls is not None or self._address.wants_tls or self.info.get("tls_required"):
            await self._start_tls()
        nonce = self.info.get("nonce", "")
        options = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "version": "plexus",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "name": self._name,
            **self._credentials.connect_fields(self._address, nonce),
        }
        self.send(b"CONNECT %s\r\n" % json.dumps(options).encode())
        await self.ping()

    async def _start_tls(self) -> None:
        assert self._transport is not None
        context = self._tls or ssl.create_default_context()
        hostname = self._address.tls_hostname
        transport = await self._loop.start_tls(self._transport, self, context, server_hostname=hostname)
        assert transport is not None
        self.connection_made(transport)

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()
        self._outgoing_bytes = 0

    def _parse(self, data: bytes) -> int:
        """Take in whole messages; answers where the first incomplete one begins."""
        start, length = 0, len(data)
        receivers = self.receivers
        while start < length:
            line_end = data.find(b"\r\n", start)
            if line_end < 0:
                if length - start > LINE_BYTES_MAX:
                    raise ValueError("a line without end")
                self._needed = 0
                break
            if data.startswith(b"MSG ", start):
                fields = data[start + 4 : line_end].split()
                header_size = 0
            elif data.startswith(b"HMSG ", start):
                fields = data[start + 5 : line_end].split()
                header_size = int(fields.pop(-2))
            else:
                self._take_line(data[start:line_end])
                start = line_end + 2
                continue
            size = int(fields[-1])
            if not (3 <= len(fields) <= 4 and 0 <= header_size <= size <= PAYLOAD_BYTES_LIMIT):
                raise ValueError("an impossible message")
            body = line_end + 2
            if body + size + 2 > length:
                self._needed = body + size + 2 - start
                break
            receive = receivers.get(fields[1])
            if receive is not None:
                reply = fields[2] if len(fields) == 4 else b""
                headers = data[body : body + header_size]
                receive(fields[0], reply, headers, data[body + header_size : body + size])
            start = body + size + 2
        return start

    def _take_line(self, line: bytes) -> None:
        if line == b"PING":
            self.send(b"PONG\r\n")
        elif line == b"PONG":
            self.unanswered_pings = 0
            if self._pongs:
                pong = self._pongs.popleft()
                if not pong.done():
                    pong.set_result(None)
        elif line.startswith(b"INFO "):
            self.info = json.loads(line[5:])
            if not self._greeting.done():
                self._greeting.set_result(None)
        elif line.startswith(b"-ERR"):
            # The server closes the connection itself after all but a few of its errors.
            self._last_error = line[4:].decode(errors="replace").strip(" '")
            _logger.warning("NATS says: %s", self._last_error)
        elif line != b"+OK":
            raise ValueError(f"an unknown command {line[:20]!r}")


async def open_connection(
    address: NatsAddress,
    name: str,
    credentials: Credentials,
    tls: ssl.SSLContext | None,
    on_lost: Callable[[NatsProtocol], None],
) -> NatsProtocol:
    """Connect and authenticate. Raises BusDisconnected, OSError (as ssl.SSLError is)."""

    def make_protocol() -> NatsProtocol:
        return NatsProtocol(address, name, credentials, tls, on_lost)

    _, protocol = await asyncio.get_running_loop().create_connection(make_protocol, address.host, address.port)
    try:
        await protocol.greet()
    except BaseException:
        protocol.abort()
        raise
    return protocol
