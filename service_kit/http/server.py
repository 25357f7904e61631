"""A listener inside an event loop that is already there: start, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from email.utils import formatdate

from service_kit.clock import Clock
from service_kit.http.application import HttpApplication
from service_kit.http.connection import HttpConnection

__all__ = ["HttpApplication", "HttpServer", "serve"]

BACKLOG = 4096
CONNECTIONS_MAX = 50_000


class HttpServer:
    """A running listener. Made by `serve`. Implements `service_kit.http.connection.Listener`."""

    def __init__(
        self,
        application: HttpApplication,
        listening: socket.socket,
        clock: Clock,
        *,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.application = application
        self.connections: set[HttpConnection] = set()
        self.connections_max = connections_max
        self.loop = asyncio.get_running_loop()
        self.date_header = b""
        self.seconds = 0
        self.host, self.port = listening.getsockname()[:2]
        self._clock = clock
        self._listening = listening
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._update_date()
        self._server = await self.loop.create_server(
            lambda: HttpConnection(self), sock=self._listening, backlog=BACKLOG
        )
        self._ticker = self.loop.create_task(self._tick())

    async def drain(self, timeout_s: float = 20.0) -> None:
        """Accept no more connections, end long polls, wait until every request is answered (or the time is up)."""
        if self._server is not None:
            self._server.close()
        self.application.drain()
        # Idle connections are closed now, the others after their answer.
        for connection in list(self.connections):
            connection.drain()
        tasks = {connection.task for connection in self.connections if connection.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def stop(self) -> None:
        """Close everything; requests that are still there are cancelled."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        if self._server is not None:
            self._server.close()
        tasks = {connection.task for connection in self.connections if connection.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        for connection in list(self.connections):
            connection.abort()
        self._listening.close()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(1.0)
            self.seconds += 1
            self._update_date()
            self.application.cancel_overdue()
            for connection in [each for each in self.connections if each.overdue(self.seconds)]:
                connection.abort()

    def _update_date(self) -> None:
        date = formatdate(self._clock.now_ms() / 1000, usegmt=True)
        self.date_header = f"date: {date}\r\n".encode()


async def serve(application: HttpApplication, host: str, port: int, *, clock: Clock) -> HttpServer:
    """Listen and answer until `drain` and `stop`. Port 0 takes a free one: see `.port` of what is returned.

    Raises OSError if the address cannot be had.
    """
    server = HttpServer(application, _listen(host, port), clock)
    await server.start()
    return server


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
