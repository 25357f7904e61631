"""A Matrix client of few words, for tests that want to see every request and answer."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from tests.spec.conformance import Exchange, check_exchange

Json = dict[str, Any]


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.errcode = body.get("errcode", "")


class Client:
    """One device. Use with `async with`."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.user_id = ""
        self.access_token = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()
        await asyncio.sleep(0)  # aiohttp closes its transports in the next turn of the loop

    async def request(self, method: str, path: str, body: Json | None = None, *, timeout_s: float = 60.0) -> Json:
        """One request. Raises Refused for an error, aiohttp.ClientError if the connection broke."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        full_path = path if path.startswith("/_matrix") else f"/_matrix/client/v3{path}"
        url = self.base_url + full_path
        async with self._session.request(method, url, json=body, headers=headers, timeout=timeout) as answer:
            raw = await answer.read()
            answer_headers = {name.lower(): value for name, value in answer.headers.items()}
            check_exchange(Exchange(method, full_path, body, answer.status, answer_headers, raw))
            content: Json = orjson.loads(raw)
            if answer.status != 200:
                raise Refused(answer.status, content)
            return content

    async def register(self, username: str) -> Client:
        body = {"username": username, "password": f"secret of {username}", "auth": {"type": "m.login.dummy"}}
        self._adopt(await self.request("POST", "/register", body))
        return self

    async def log_in(self, username: str, password: str) -> Client:
        identifier = {"type": "m.id.user", "user": username}
        body = {"type": "m.login.password", "identifier": identifier, "password": password}
        self._adopt(await self.request("POST", "/login", body))
        return self

    def _adopt(self, session: Json) -> None:
        self.user_id, self.access_token = session["user_id"], session["access_token"]

    async def create_room(self, **options: Any) -> str:
        answer = await self.request("POST", "/createRoom", {"preset": "public_chat", **options})
        return str(answer["room_id"])

    async def join(self, room_id: str) -> None:
        await self.request("POST", f"/join/{quote(room_id)}", {})

    async def send(self, room_id: str, text: str, txn_id: str) -> str:
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{quote(txn_id)}"
        answer = await self.request("PUT", path, {"msgtype": "m.text", "body": text})
        return str(answer["event_id"])

    async def send_until_acknowledged(self, room_id: str, text: str, txn_id: str, *, timeout_s: float = 60.0) -> str:
        """As a client does on bad lines: the same transaction again, until there is an answer."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await self.send(room_id, text, txn_id)
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
                except Refused as refused:
                    if refused.status not in (500, 502, 503, 504):
                        raise
                    await asyncio.sleep(0.05)

    async def sync(self, since: str = "", timeout_ms: int = 0) -> Json:
        query = f"?timeout={timeout_ms}" + (f"&since={quote(since)}" if since else "")
        return await self.request("GET", f"/sync{query}", timeout_s=timeout_ms / 1000 + 30)

    async def all_messages(self, room_id: str) -> list[Json]:
        """The whole timeline, newest first, page by page."""
        events: list[Json] = []
        start = ""
        while True:
            page = await self.request(
                "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=100" + (f"&from={quote(start)}" if start else "")
            )
            events += page["chunk"]
            start = page.get("end", "")
            if not start:
                return events


def bodies(events: list[Json]) -> list[str]:
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]
