"""The bus of a process that runs several components: what is for one of them does not leave the process.

                                  ┌─ a receiver here ──► its queue (no copy, no system call)
    publish, request ─► subject ──┤
                                  └─ otherwise ────────► the bus below (NATS)

Only subjects that have one receiver in the whole cluster are looked at (the
catalogue in `streams` says which): where that receiver is here, nobody else
waits for the message. The receiver is subscribed at the bus below as well, so
other processes reach it, and both ways end in one queue: still in order, one
at a time. Announcements to everybody always go through the bus below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service_kit.bus import streams
from service_kit.bus.delivery import Delivery
from service_kit.bus.interface import PAYLOAD_BYTES_MAX, Bus, BusError, Handler, Message, RequestTimeout, Subscription


class _LocalMessage:
    __slots__ = ("_answer", "payload", "subject")

    def __init__(self, subject: str, payload: bytes, answer: asyncio.Future[bytes] | None) -> None:
        self.subject = subject
        self.payload = payload
        self._answer = answer

    async def reply(self, payload: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(payload)


class _LocalSubscription:
    def __init__(self, bus: LocalFirstBus, subject: str, delivery: Delivery, below: Subscription) -> None:
        self._bus = bus
        self._subject = subject
        self._delivery = delivery
        self._below = below

    async def unsubscribe(self) -> None:
        self._bus.forget(self._subject, self._delivery)
        await self._below.unsubscribe()
        self._delivery.stop()

    async def drain(self) -> None:
        self._bus.forget(self._subject, self._delivery)
        await self._below.drain()
        await self._delivery.join()


class LocalFirstBus:
    """Implements `service_kit.bus.interface.Bus` over another one."""

    def __init__(self, below: Bus, has_one_receiver: Callable[[str], bool] = streams.has_one_receiver) -> None:
        self._below = below
        self._has_one_receiver = has_one_receiver
        self._receivers: dict[str, Delivery] = {}

    async def publish(self, subject: str, payload: bytes) -> None:
        receiver = self._receivers.get(subject)
        if receiver is None:
            await self._below.publish(subject, payload)
        else:
            _check_size(payload)
            receiver.put(_LocalMessage(subject, payload, None))

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        receiver = self._receivers.get(subject)
        if receiver is None:
            return await self._below.request(subject, payload, timeout_s=timeout_s)
        _check_size(payload)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        timer = loop.call_later(timeout_s, _expire, answer, subject)
        receiver.put(_LocalMessage(subject, payload, answer))
        try:
            return await answer
        finally:
            timer.cancel()

    async def subscribe(
        self, subject: str, handler: Handler, *, queue_group: str = "", pending_messages_max: int = 65536
    ) -> Subscription:
        if queue_group or not self._has_one_receiver(subject):
            return await self._below.subscribe(
                subject, handler, queue_group=queue_group, pending_messages_max=pending_messages_max
            )
        delivery = Delivery(subject, handler, pending_messages_max)

        async def queue(message: Message) -> None:
            delivery.put(message)

        below = await self._below.subscribe(subject, queue, queue_group="", pending_messages_max=pending_messages_max)
        self._receivers[subject] = delivery
        return _LocalSubscription(self, subject, delivery, below)

    def forget(self, subject: str, delivery: Delivery) -> None:
        """For its subscriptions: this receiver takes no more."""
        if self._receivers.get(subject) is delivery:
            del self._receivers[subject]

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        self._below.on_reconnect(callback)

    async def flush(self) -> None:
        await self._below.flush()

    async def close(self) -> None:
        self._receivers.clear()
        await self._below.close()


def _check_size(payload: bytes) -> None:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise BusError(f"a payload of {len(payload)} bytes is too large for the bus")


def _expire(answer: asyncio.Future[bytes], subject: str) -> None:
    if not answer.done():
        answer.set_exception(RequestTimeout(subject))
