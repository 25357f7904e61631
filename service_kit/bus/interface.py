"""The message bus, as services see it: publish, subscribe, request.

Delivery is at most once. Nothing is lost for good by a lost message: commands
are sent again (`service_kit.rpc.commands`), facts are repaired from the ledger
(`service_kit.ledger.follow`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
"""NATS `max_payload` as Plexus configures it; larger answers go over gRPC."""


class BusError(Exception):
    """The bus could not carry this message."""


class NoResponders(BusError):
    """Nobody listens on the subject now: the owner is moving, wait and try again."""


class RequestTimeout(BusError):
    """No answer in time; the request may or may not have been carried out."""


class BusDisconnected(BusError):
    """The connection broke while waiting; the request may or may not have been carried out."""


class Message(Protocol):
    subject: str
    payload: bytes

    async def reply(self, payload: bytes) -> None:
        """Answer a request. Silently nothing if nobody asked, or if the connection is gone: who asked asks again."""
        ...


Handler = Callable[[Message], Awaitable[None]]


class Subscription(Protocol):
    async def unsubscribe(self) -> None:
        """Hear nothing more. A message that is being handled is handled to its end; those that wait are dropped."""
        ...

    async def drain(self) -> None:
        """Take nothing new, and return when everything that was on its way here is handled.

        Who asks from now on is told that nobody is here. Not to be called by the handler itself.
        """
        ...


class Bus(Protocol):
    async def publish(self, subject: str, payload: bytes) -> None:
        """Raises BusDisconnected while there is no connection: nothing is kept for later."""
        ...

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """Raises NoResponders, RequestTimeout, BusDisconnected."""
        ...

    async def subscribe(
        self, subject: str, handler: Handler, *, queue_group: str = "", pending_messages_max: int = 65536
    ) -> Subscription:
        """Messages are handed over in order, one at a time: a handler that waits holds up the next one.

        When more than `pending_messages_max` wait, the newest are dropped (a gap that the consumer repairs).
        """
        ...

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Called after a broken connection is back: messages may have been missed."""
        ...

    async def flush(self) -> None:
        """Wait until the server has what was published so far."""
        ...

    async def close(self) -> None: ...
