"""The application as an ASGI application: for tests in one event loop, and for other servers.

Our own listener does without (`connection`): it saves a third of the CPU of a request. What ASGI cannot tell in time
is that a client has gone during a long poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from service_kit.http.request import CORS_HEADERS, Answer, ClientDisconnected, Headers, too_large

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DISCARDED_BYTES_MAX = 8 * 1024 * 1024


class AsgiIncoming:
    """Implements `service_kit.http.request.Incoming`."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        client = scope.get("client")
        self.method: str = scope["method"]
        self.raw_path: str = scope["raw_path"].decode("latin-1")
        self.query_string: bytes = scope["query_string"]
        self.headers: Headers = scope["headers"]
        self.peer: str = client[0] if client else ""
        self.waiting_task: asyncio.Task[Any] | None = None
        self.disconnected = False
        self._receive = receive

    async def read_body(self, bytes_max: int) -> bytes:
        parts: list[bytes] = []
        length = 0
        more = True
        while more and length <= bytes_max + DISCARDED_BYTES_MAX:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.disconnected = True
                raise ClientDisconnected
            part: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            length += len(part)
            if length <= bytes_max:
                parts.append(part)
        if length > bytes_max:
            raise too_large(bytes_max)
        return b"".join(parts)


async def send_answer(send: Send, answer: Answer, request_id: str) -> None:
    assert isinstance(answer.body, bytes)
    headers = [*CORS_HEADERS, *answer.headers, (b"x-request-id", request_id.encode())]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
        if not any(name == b"content-type" for name, _ in answer.headers):
            headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
