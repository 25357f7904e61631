"""The bus over NATS: one connection a component, made again for ever.

- Requests share one inbox subscription: a future and a timer each. They fail
  AT ONCE when the connection breaks, so that callers can send them again.
- While there is no connection, `publish` and `request` raise BusDisconnected
  instead of filling a buffer with what will be stale: facts are repaired from
  the ledger, commands are sent again by whoever waits for them.
- Subscriptions outlive connections; what is sent to them in between is missed.
- A server that does not answer pings is taken for dead.

No message of ours carries NATS headers; only the server sends any (a status).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from service_kit.bus.delivery import Delivery
from service_kit.bus.interface import (
    PAYLOAD_BYTES_MAX,
    BusDisconnected,
    BusError,
    Handler,
    NoResponders,
    RequestTimeout,
)
from service_kit.bus.nats_protocol import NatsProtocol, open_connection
from service_kit.bus.nats_servers import Credentials, ServerPool
from service_kit.bus.subjects import is_valid, is_valid_pattern

RECONNECT_PAUSES_S = (0.0, 0.01, 0.02, 0.04) + (0.08,) * 50
"""Before the first attempts, for about 4 s; then RECONNECT_PAUSE_S_MAX each."""
RECONNECT_PAUSE_S_MAX = 1.0
CONNECT_TIMEOUT_S = 5.0
PING_INTERVAL_S = 5.0
UNANSWERED_PINGS_MAX = 2
FLUSH_TIMEOUT_S = 10.0

_logger = logging.getLogger(__name__)


class _Message:
    __slots__ = ("_bus", "_reply_subject", "payload", "subject")

    def __init__(self, bus: NatsBus, subject: str, reply_subject: bytes, payload: bytes) -> None:
        self._bus = bus
        self._reply_subject = reply_subject
        self.subject = subject
        self.payload = payload

    async def reply(self, payload: bytes) -> None:
        if self._reply_subject:
            with suppress(BusDisconnected):
                await self._bus.send(self._reply_subject, b"", payload)


class _Subscription:
    """Outlives the connections that it is made on."""

    __slots__ = ("_bus", "_delivery", "_texts", "is_active", "number", "subscribe_line")

    def __init__(self, bus: NatsBus, number: bytes, subscribe_line: bytes, delivery: Delivery) -> None:
        self._bus = bus
        self._delivery = delivery
        self._texts: tuple[bytes, str] = (b"", "")
        self.number = number
        self.subscribe_line = subscribe_line
        self.is_active = True

    async def unsubscribe(self) -> None:
        if self.is_active:
            self.is_active = False
            self._delivery.stop()
            self._bus.forget(self)

    async def drain(self) -> None:
        if self.is_active:
            self.is_active = False
            await self._bus.end(self)
        await self._delivery.join()

    def cancel(self) -> None:
        self.is_active = False
        self._delivery.cancel()

    def receive(self, subject: bytes, reply_subject: bytes, _: bytes, payload: bytes) -> None:
        if self._texts[0] != subject:  # most subscriptions hear of one subject only
            self._texts = (subject, subject.decode(errors="replace"))
        self._delivery.put(_Message(self._bus, self._texts[1], reply_subject, payload))


class NatsBus:
    """Use `connect`."""

    def __init__(self, servers: ServerPool, name: str, credentials: Credentials, tls: ssl.SSLContext | None) -> None:
        self._servers = servers
        self._name = name
        self._credentials = credentials
        self._tls = tls
        self._connection: NatsProtocol | None = None
        self._inbox = b"_INBOX.%s." % token_hex(8).encode()
        self._numbers = count(1)
        self._answers: dict[bytes, asyncio.Future[bytes]] = {}
        self._subscriptions: dict[bytes, _Subscription] = {}
        self._callbacks: list[Callable[[], Awaitable[None]]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @classmethod
    async def connect(
        cls,
        servers: Sequence[str],
        *,
        name: str,
        tls: ssl.SSLContext | None = None,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        credentials_file: Path | None = None,
        timeout_s: float = 10.0,
    ) -> NatsBus:
        """Connect to one of the servers (`nats://host:port`, `tls://host:port`); they may still be starting.

        Raises BusDisconnected if none takes us within `timeout_s`.
        """
        bus = cls(ServerPool(servers), name, Credentials(user, password, token, credentials_file), tls)
        why: list[Exception] = []
        try:
            await asyncio.wait_for(bus._connect(why.append), timeout_s)
        except TimeoutError as error:
            await bus.close()
            last = why[-1] if why else "no answer"
            raise BusDisconnected(f"no NATS server took us within {timeout_s:g} s: {last}") from error
        bus._watch()
        return bus

    async def publish(self, subject: str, payload: bytes) -> None:
        """Hand the message to the connection. Raises BusDisconnected while there is none."""
        if not is_valid(subject):
            raise BusError(f"{subject!r} is no subject")
        await self.send(subject.encode(), b"", payload)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        if not is_valid(subject):
            raise BusError(f"{subject!r} is no subject")
        loop = asyncio.get_running_loop()
        number = b"%d" % next(self._numbers)
        answer: asyncio.Future[bytes] = loop.create_future()
        timer = loop.call_later(timeout_s, _expire, answer, subject)
        self._answers[number] = answer
        try:
            if self._connection is not None and self._connection.is_paused:
                async with asyncio.timeout(timeout_s):
                    await self._connection.wait_until_writable()
            await self.send(subject.encode(), self._inbox + number, payload)
            return await answer
        except TimeoutError as error:
            raise RequestTimeout(subject) from error
        finally:
            timer.cancel()
            del self._answers[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # it may have failed while we waited to send: that is no news

    async def subscribe(
        self, subject: str, handler: Handler, *, queue_group: str = "", pending_messages_max: int = 65536
    ) -> _Subscription:
        """Without a connection it begins with the next one."""
        if self._is_closed:
            raise BusDisconnected("the bus is closed")
        if not is_valid_pattern(subject) or not (queue_group == "" or is_valid(queue_group)):
            raise BusError(f"{subject!r} cannot be subscribed to")
        number = b"%d" % next(self._numbers)
        line = b"SUB %s %s %s\r\n" % (subject.encode(), queue_group.encode(), number)
        subscription = _Subscription(self, number, line, Delivery(subject, handler, pending_messages_max))
        self._subscriptions[number] = subscription
        if self._connection is not None:
            self._connection.receivers[number] = subscription.receive
            self._connection.send(line)
        return subscription

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        self._callbacks.append(callback)

    async def flush(self) -> None:
        if self._connection is None:
            raise BusDisconnected("not connected to NATS")
        try:
            await asyncio.wait_for(self._connection.ping(), FLUSH_TIMEOUT_S)
        except TimeoutError as error:
            raise BusDisconnected("NATS does not answer") from error

    async def close(self) -> None:
        self._is_closed = True
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._break()
        for subscription in self._subscriptions.values():
            subscription.cancel()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    # For messages and subscriptions of this bus.

    async def send(self, subject: bytes, reply_subject: bytes, payload: bytes) -> None:
        """Raises BusDisconnected, BusError."""
        connection = self._connection
        if connection is None:
            raise BusDisconnected("not connected to NATS")
        if len(payload) > PAYLOAD_BYTES_MAX or len(payload) > connection.payload_bytes_max:
            raise BusError(f"a payload of {len(payload)} bytes is too large for the bus")
        if connection.is_paused:
            await connection.wait_until_writable()
        connection.send(b"PUB %s %s %d\r\n%s\r\n" % (subject, reply_subject, len(payload), payload))

    def forget(self, subscription: _Subscription) -> None:
        del self._subscriptions[subscription.number]
        if self._connection is not None:
            self._connection.receivers.pop(subscription.number, None)
            self._connection.send(b"UNSUB %s\r\n" % subscription.number)

    async def end(self, subscription: _Subscription) -> None:
        """As `forget`, once all is here that the server sent before it knew."""
        del self._subscriptions[subscription.number]
        connection = self._connection
        if connection is None:
            return
        connection.send(b"UNSUB %s\r\n" % subscription.number)
        try:
            with suppress(BusDisconnected):
                await self.flush()
        finally:
            connection.receivers.pop(subscription.number, None)

    def _receive_answer(self, subject: bytes, _: bytes, headers: bytes, payload: bytes) -> None:
        answer = self._answers.get(subject[len(self._inbox) :])
        if answer is None or answer.done():
            return
        if headers.startswith(b"NATS/1.0 503"):
            answer.set_exception(NoResponders("nobody listens on the subject"))
        else:
            answer.set_result(payload)

    async def _connect(self, on_failure: Callable[[Exception], None]) -> None:
        """Try one server after the other until one takes us; then everything is as before on it."""
        attempt = 0
        while True:
            round_number = attempt // len(self._servers)
            pauses = RECONNECT_PAUSES_S
            await asyncio.sleep(pauses[round_number] if round_number < len(pauses) else RECONNECT_PAUSE_S_MAX)
            attempt += 1
            address = self._servers.next()
            try:
                # Not wait_for: on Python 3.11 it forgets to be cancelled when what it waits for fails just then.
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    connection = await open_connection(address, self._name, self._credentials, self._tls, self._lost)
            except (OSError, TimeoutError, BusError) as error:
                on_failure(error)
                continue
            if not connection.is_lost:
                break
        self._servers.stay()
        self._servers.discover(connection.info.get("connect_urls") or (), address)
        self._start_on(connection)

    def _start_on(self, connection: NatsProtocol) -> None:
        connection.receivers[b"0"] = self._receive_answer
        connection.send(b"SUB %s*  0\r\n" % self._inbox)
        for subscription in self._subscriptions.values():
            connection.receivers[subscription.number] = subscription.receive
            connection.send(subscription.subscribe_line)
        self._connection = connection

    def _lost(self, connection: NatsProtocol) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        self._break()
        if not self._is_closed:
            _logger.warning("the connection to NATS broke")
            self._in_background(self._reconnect())

    def _break(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BusDisconnected("the connection to NATS broke"))

    async def _reconnect(self) -> None:
        await self._connect(lambda error: _logger.debug("cannot connect to NATS: %s", error))
        with suppress(BusDisconnected):
            await self.flush()  # the server knows our subscriptions now
            _logger.warning("connected to NATS again")
            for callback in self._callbacks:
                self._in_background(_call(callback))

    def _watch(self) -> None:
        """Ping the server every few seconds."""
        self._ping_timer = asyncio.get_running_loop().call_later(PING_INTERVAL_S, self._watch)
        connection = self._connection
        if connection is None:
            return
        if connection.unanswered_pings >= UNANSWERED_PINGS_MAX:
            connection.abort()
        else:
            connection.ping()

    def _in_background(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _expire(answer: asyncio.Future[bytes], subject: str) -> None:
    if not answer.done():
        answer.set_exception(RequestTimeout(subject))


async def _call(callback: Callable[[], Awaitable[None]]) -> None:
    try:
        await callback()
    except Exception:
        _logger.exception("a callback after reconnecting failed")
