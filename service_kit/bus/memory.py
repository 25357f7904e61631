"""The bus in memory, for tests and simulations: one hub, and a `Bus` for each component that connects.

hub = MemoryBus(clock=clock)
owner, gateway = hub.connect(), hub.connect()

hub.faults = SeededFaults(seed=7, drop=0.1, duplicate=0.1, delay=0.1)   or any function (subject, payload) -> Fate
owner.disconnect(); await owner.reconnect()                             as if the server had gone and come back
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count

from service_kit.bus.delivery import Delivery
from service_kit.bus.interface import (
    PAYLOAD_BYTES_MAX,
    BusDisconnected,
    BusError,
    Handler,
    NoResponders,
    RequestTimeout,
)
from service_kit.bus.subjects import is_valid, is_valid_pattern, matches
from service_kit.clock import Clock, SystemClock


class Fate(Enum):
    DELIVER = auto()
    DROP = auto()
    DUPLICATE = auto()
    DELAY = auto()
    """Deliver it after the next message that is not delayed itself (or on `release_delayed`)."""


Faults = Callable[[str, bytes], Fate]


class SeededFaults:
    """Misfortunes with these probabilities, for subjects that match the pattern; the same ones for the same seed."""

    def __init__(
        self, seed: int, *, drop: float = 0.0, duplicate: float = 0.0, delay: float = 0.0, pattern: str = ">"
    ) -> None:
        self._random = random.Random(seed)
        self._weights = (1.0 - drop - duplicate - delay, drop, duplicate, delay)
        self._pattern = pattern

    def __call__(self, subject: str, payload: bytes) -> Fate:
        if not matches(self._pattern, subject):
            return Fate.DELIVER
        fates = (Fate.DELIVER, Fate.DROP, Fate.DUPLICATE, Fate.DELAY)
        return self._random.choices(fates, self._weights)[0]


@dataclass(slots=True)
class _Message:
    subject: str
    payload: bytes
    reply_subject: str
    connection: MemoryConnection

    async def reply(self, payload: bytes) -> None:
        if self.reply_subject:
            with suppress(BusDisconnected):
                await self.connection.publish(self.reply_subject, payload)


class _Subscription:
    def __init__(
        self, connection: MemoryConnection, subject: str, queue_group: str, handler: Handler, pending_messages_max: int
    ) -> None:
        self.connection = connection
        self.subject = subject
        self.queue_group = queue_group
        self.delivery = Delivery(subject, handler, pending_messages_max)

    async def unsubscribe(self) -> None:
        self.connection.hub.remove(self)
        self.delivery.stop()

    async def drain(self) -> None:
        self.connection.hub.remove(self)
        await self.delivery.join()


class MemoryBus:
    """The hub: what nats-server is to the real bus."""

    def __init__(self, *, clock: Clock | None = None, seed: int = 0) -> None:
        self.clock = clock or SystemClock()
        self.faults: Faults | None = None
        self._random = random.Random(seed)
        self._subscriptions: list[_Subscription] = []
        self._connections: list[MemoryConnection] = []
        self._delayed: list[tuple[str, bytes, str]] = []

    def connect(self) -> MemoryConnection:
        connection = MemoryConnection(self)
        self._connections.append(connection)
        return connection

    def disconnect_all(self) -> None:
        for connection in self._connections:
            connection.disconnect()

    async def reconnect_all(self) -> None:
        for connection in list(self._connections):
            await connection.reconnect()

    def release_delayed(self) -> None:
        delayed, self._delayed = self._delayed, []
        for message in delayed:
            self._deliver(*message)

    def add(self, subscription: _Subscription) -> None:
        self._subscriptions.append(subscription)

    def remove(self, subscription: _Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def forget(self, connection: MemoryConnection) -> None:
        for subscription in [s for s in self._subscriptions if s.connection is connection]:
            self.remove(subscription)
            subscription.delivery.cancel()
        if connection in self._connections:
            self._connections.remove(connection)

    def has_responder(self, subject: str) -> bool:
        return any(s.connection.is_connected and matches(s.subject, subject) for s in self._subscriptions)

    def send(self, subject: str, payload: bytes, reply_subject: str = "") -> None:
        fate = self.faults(subject, payload) if self.faults is not None else Fate.DELIVER
        if fate is Fate.DELAY:
            self._delayed.append((subject, payload, reply_subject))
        if fate in (Fate.DELIVER, Fate.DUPLICATE):
            self._deliver(subject, payload, reply_subject)
            self.release_delayed()
        if fate is Fate.DUPLICATE:
            self._deliver(subject, payload, reply_subject)

    def _deliver(self, subject: str, payload: bytes, reply_subject: str) -> None:
        if subject.startswith(_INBOX):
            for connection in self._connections:
                connection.answer(subject, payload)
            return
        groups: dict[str | int, list[_Subscription]] = {}
        for number, subscription in enumerate(self._subscriptions):
            if subscription.connection.is_connected and matches(subscription.subject, subject):
                group = subscription.queue_group or number
                groups.setdefault(group, []).append(subscription)
        for members in groups.values():
            chosen = members[0] if len(members) == 1 else self._random.choice(members)
            chosen.delivery.put(_Message(subject, payload, reply_subject, chosen.connection))


_INBOX = "_INBOX."
_numbers = count(1)


class MemoryConnection:
    """One component's `Bus`."""

    def __init__(self, hub: MemoryBus) -> None:
        self.hub = hub
        self.is_connected = True
        self._is_closed = False
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._callbacks: list[Callable[[], Awaitable[None]]] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        self._check(subject, payload)
        self.hub.send(subject, payload)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        self._check(subject, payload)
        if not self.hub.has_responder(subject):
            raise NoResponders(subject)
        inbox = f"{_INBOX}{next(_numbers)}"
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[inbox] = answer
        timer = asyncio.ensure_future(self.hub.clock.sleep(timeout_s))
        try:
            self.hub.send(subject, payload, inbox)
            await asyncio.wait((answer, timer), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise RequestTimeout(subject)
            return answer.result()
        finally:
            timer.cancel()
            answer.cancel()
            del self._waiting[inbox]

    async def subscribe(
        self, subject: str, handler: Handler, *, queue_group: str = "", pending_messages_max: int = 65536
    ) -> _Subscription:
        if self._is_closed:
            raise BusDisconnected("the connection is closed")
        if not is_valid_pattern(subject):
            raise BusError(f"{subject!r} cannot be subscribed to")
        subscription = _Subscription(self, subject, queue_group, handler, pending_messages_max)
        self.hub.add(subscription)
        return subscription

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        self._callbacks.append(callback)

    async def flush(self) -> None:
        self._check("flush", b"")

    async def close(self) -> None:
        self.disconnect()
        self._is_closed = True
        self.hub.forget(self)

    def disconnect(self) -> None:
        """Lose the server: waiting requests fail at once, and nothing arrives any more."""
        self.is_connected = False
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BusDisconnected("the connection broke"))

    async def reconnect(self) -> None:
        if self._is_closed or self.is_connected:
            return
        self.is_connected = True
        for callback in self._callbacks:
            await callback()

    def answer(self, inbox: str, payload: bytes) -> None:
        answer = self._waiting.get(inbox)
        if answer is not None and self.is_connected and not answer.done():
            answer.set_result(payload)

    def _check(self, subject: str, payload: bytes) -> None:
        if not self.is_connected:
            raise BusDisconnected("not connected")
        if not is_valid(subject):
            raise BusError(f"{subject!r} is no subject")
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise BusError(f"a payload of {len(payload)} bytes is too large for the bus")
