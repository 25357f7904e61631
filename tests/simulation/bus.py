"""A bus that loses, doubles, delays and reorders: nats-server and the network to it, with one connection a process.

Messages from one process to another come in order, as NATS has it, but for those that are singled out to be
delayed. A connection can be broken (both sides know), silent (nobody knows: everything is lost on the way) or, with
the server's restart, broken for everybody at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count

from service_kit.bus.delivery import Delivery
from service_kit.bus.interface import BusDisconnected, Handler, NoResponders, RequestTimeout
from service_kit.bus.subjects import matches
from tests.simulation.loop import Process, State, VirtualLoop
from tests.simulation.trace import Trace

LATENCY_S = (0.0002, 0.003)
DELAY_S = (0.02, 4.0)


class BusRates:
    """Probabilities for each message on each of its ways."""

    def __init__(self, *, drop: float = 0.0, double: float = 0.0, delay: float = 0.0) -> None:
        self.drop = drop
        self.double = double
        self.delay = delay


class _Message:
    __slots__ = ("_asker", "_connection", "_inbox", "payload", "subject")

    def __init__(
        self, subject: str, payload: bytes, inbox: int, asker: SimulatedBus | None, connection: SimulatedBus
    ) -> None:
        self.subject = subject
        self.payload = payload
        self._inbox = inbox
        self._asker = asker
        self._connection = connection

    async def reply(self, payload: bytes) -> None:
        if self._asker is not None and self._connection.is_connected:
            asker = self._asker
            self._connection.hub.carry(
                self._connection, asker, f"reply to {self.subject}", lambda: asker.answer(self._inbox, payload)
            )


class _Subscription:
    def __init__(self, connection: SimulatedBus, subject: str, handler: Handler, pending_messages_max: int) -> None:
        self.connection = connection
        self.subject = subject
        self.delivery = Delivery(subject, handler, pending_messages_max)
        self.is_heard = True

    async def unsubscribe(self) -> None:
        self._leave_server()
        self.is_heard = False
        self.delivery.stop()

    async def drain(self) -> None:
        self._leave_server()
        await asyncio.sleep(2 * LATENCY_S[1])  # as long as the server's last messages take
        await self.delivery.join()
        self.is_heard = False

    def _leave_server(self) -> None:
        subscriptions = self.connection.hub.subscriptions
        if self in subscriptions:
            subscriptions.remove(self)


class Hub:
    """The server, and the lines to it."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, trace: Trace) -> None:
        self.loop = loop
        self.rng = rng
        self.trace = trace
        self.rates = BusRates()
        self.subscriptions: list[_Subscription] = []
        self.connections: list[SimulatedBus] = []
        self.is_up = True
        self._last_arrival_s: dict[tuple[SimulatedBus, SimulatedBus], float] = {}

    def connect(self, process: Process) -> SimulatedBus:
        connection = SimulatedBus(self, process)
        self.connections.append(connection)
        connection.is_connected = self.is_up
        if not self.is_up:  # a process that starts waits for its server; here it gets it late
            connection.wants_connection = True
        return connection

    def receivers(self, subject: str) -> list[_Subscription]:
        return [s for s in self.subscriptions if s.connection.is_connected and matches(s.subject, subject)]

    def carry(self, sender: SimulatedBus, receiver: SimulatedBus, what: str, arrive: Callable[[], None]) -> None:
        """From one process to another, with what may happen on the way."""
        rng, rates = self.rng, self.rates
        lives = (sender.life, receiver.life)
        if sender.is_silent or receiver.is_silent:
            self.trace.add("bus", f"lost in silence: {what}")
            return
        copies = 1
        chance = rng.random()
        if chance < rates.drop:
            self.trace.add("bus", f"dropped: {what}")
            return
        if chance < rates.drop + rates.double:
            self.trace.add("bus", f"doubled: {what}")
            copies = 2
        for _ in range(copies):
            self.loop.outside(self._way_s(sender, receiver, what), self._arrive, sender, receiver, lives, arrive)

    def _way_s(self, sender: SimulatedBus, receiver: SimulatedBus, what: str) -> float:
        now_s = self.loop.time()
        if self.rng.random() < self.rates.delay:
            self.trace.add("bus", f"delayed: {what}")
            return self.rng.uniform(*DELAY_S)
        line = (sender, receiver)
        at_s = max(now_s + self.rng.uniform(*LATENCY_S), self._last_arrival_s.get(line, 0.0))
        self._last_arrival_s[line] = at_s
        return at_s - now_s

    def _arrive(
        self, sender: SimulatedBus, receiver: SimulatedBus, lives: tuple[int, int], arrive: Callable[[], None]
    ) -> None:
        if receiver.is_connected and not receiver.is_silent and lives[1] == receiver.life:
            receiver.process.run(arrive)

    # --- misfortunes

    def disconnect(self, connection: SimulatedBus) -> None:
        if connection.is_connected:
            connection.is_connected = False
            connection.life += 1
            connection.process.run(connection.fail_requests)

    def reconnect(self, connection: SimulatedBus) -> None:
        connection.wants_connection = True
        if self.is_up and not connection.is_connected and connection.process.state is not State.DEAD:
            connection.wants_connection = False
            connection.is_connected = True
            connection.process.create_task(connection.tell_reconnected())

    def stop_server(self) -> None:
        self.is_up = False
        for connection in list(self.connections):
            self.disconnect(connection)
            connection.wants_connection = True

    def start_server(self) -> None:
        self.is_up = True
        for connection in list(self.connections):
            if connection.wants_connection:
                self.loop.outside(self.rng.uniform(0.0, 0.6), self.reconnect, connection)

    def forget(self, connection: SimulatedBus) -> None:
        """Its process is dead: the server sees the socket close."""
        connection.is_connected = False
        connection.wants_connection = False
        connection.life += 1
        self.subscriptions = [s for s in self.subscriptions if s.connection is not connection]
        if connection in self.connections:
            self.connections.remove(connection)


class SimulatedBus:
    """One process's `Bus`."""

    def __init__(self, hub: Hub, process: Process) -> None:
        self.hub = hub
        self.process = process
        self.is_connected = True
        self.is_silent = False
        self.wants_connection = False
        self.life = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._inboxes = count()
        self._callbacks: list[Callable[[], Awaitable[None]]] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        self._check()
        for subscription in self.hub.receivers(subject):
            self._send(subscription, subject, payload, 0, None)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        self._check()
        receivers = self.hub.receivers(subject)
        if not receivers:
            raise NoResponders(subject)
        inbox = next(self._inboxes)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting[inbox] = answer
        timer = loop.call_later(timeout_s, _expire, answer, subject)
        try:
            for subscription in receivers:
                self._send(subscription, subject, payload, inbox, self)
            return await answer
        finally:
            timer.cancel()
            del self._waiting[inbox]

    def _send(
        self, subscription: _Subscription, subject: str, payload: bytes, inbox: int, asker: SimulatedBus | None
    ) -> None:
        def arrive() -> None:
            if subscription.is_heard:
                message = _Message(subject, payload, inbox, asker, subscription.connection)
                subscription.delivery.put(message)

        self.hub.carry(self, subscription.connection, f"{subject} ({len(payload)} bytes)", arrive)

    async def subscribe(
        self, subject: str, handler: Handler, *, queue_group: str = "", pending_messages_max: int = 65536
    ) -> _Subscription:
        assert not queue_group, "nothing in Plexus shares a subject"
        subscription = _Subscription(self, subject, handler, pending_messages_max)
        self.hub.subscriptions.append(subscription)
        return subscription

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        self._callbacks.append(callback)

    async def flush(self) -> None:
        self._check()
        await asyncio.sleep(self.hub.rng.uniform(*LATENCY_S))

    async def close(self) -> None:
        self.hub.forget(self)

    async def tell_reconnected(self) -> None:
        for callback in self._callbacks:
            await callback()

    def answer(self, inbox: int, payload: bytes) -> None:
        waiting = self._waiting.get(inbox)
        if waiting is not None and not waiting.done():
            waiting.set_result(payload)

    def fail_requests(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(BusDisconnected("the connection broke"))

    def _check(self) -> None:
        if not self.is_connected:
            raise BusDisconnected("not connected")


def _expire(answer: asyncio.Future[bytes], subject: str) -> None:
    if not answer.done():
        answer.set_exception(RequestTimeout(subject))
