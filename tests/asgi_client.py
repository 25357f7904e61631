"""Calls an ASGI application in the same event loop, as a client would over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from service_kit.http.application import HttpApplication


class HttpAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def errcode(self) -> str:
        return str(self.json.get("errcode", ""))


class AsgiClient:
    """`headers` go with every request."""

    def __init__(
        self, application: HttpApplication, headers: Mapping[str, str] | None = None, *, peer: str = "192.0.2.1"
    ) -> None:
        self.application = application
        self.headers = dict(headers or {})
        self.peer = peer

    async def request(
        self, method: str, path: str, json: object = None, *, body: bytes | None = None, **headers: str
    ) -> HttpAnswer:
        """`path` is percent-encoded already and may have a query; `body` wins over `json`."""
        raw_path, _, query = path.partition("?")
        if body is None:
            body = b"" if json is None else orjson.dumps(json)
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http",
            "method": method,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": (self.peer, 50000),
        }
        return await self.call(scope, [body])

    async def call(self, scope: dict[str, Any], parts: list[bytes]) -> HttpAnswer:
        """One request whose body comes in these parts, in a task of its own as under a real server."""
        messages = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, start=1)
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.get_running_loop().create_task(self.application(scope, receive, send))
        if not sent:
            raise ConnectionError("The application gave no answer")
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return HttpAnswer(sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:]))
