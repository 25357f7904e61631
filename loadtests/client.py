"""A Matrix client that costs little: one keep-alive HTTP/1.1 connection over asyncio streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

CLIENT = "/_matrix/client/v3"


class RequestFailed(Exception):
    """The server answered something else than 200."""


class Connection:
    """One request at a time, others wait; opened when first used, opened again once when the server closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        timeout_s: float = 120,
        parse: bool = True,
    ) -> tuple[int, Any]:
        """Status and JSON; the bytes of it if it is not to be parsed, which takes a large answer's time here."""
        data = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(data)}"]
        if data:
            head.append("Content-Type: application/json")
        if token:
            head.append(f"Authorization: Bearer {token}")
        message = ("\r\n".join(head) + "\r\n\r\n").encode() + data
        async with self._turn:
            try:
                status, answer = await asyncio.wait_for(self._exchange(message), timeout_s)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                status, answer = await asyncio.wait_for(self._exchange(message), timeout_s)
        return status, (json.loads(answer) if answer else {}) if parse else answer

    async def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**26)
        self._streams[1].write(message)
        return await self._answer(self._streams[0])

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self._chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split()[1]), body

    @staticmethod
    async def _chunks(reader: asyncio.StreamReader) -> bytes:
        body = b""
        while length := int((await reader.readline()).split(b";")[0], 16):
            body += (await reader.readexactly(length + 2))[:-2]
        await reader.readexactly(2)
        return body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class User:
    """A registered user with a connection of its own."""

    def __init__(self, connection: Connection, user_id: str, token: str) -> None:
        self.connection, self.user_id, self.token = connection, user_id, token

    async def call(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.connection.request(method, CLIENT + path, token=self.token, body=body)
        if status != 200:
            raise RequestFailed(f"{method} {path} -> {status} {answer}")
        return answer

    async def join(self, room_id: str) -> None:
        await self.call("POST", f"/rooms/{quote(room_id)}/join", {})

    async def send(self, room_id: str, client_txn_id: str, text: str, connection: Connection | None = None) -> str:
        path = f"/rooms/{quote(room_id)}/send/m.room.message/{quote(client_txn_id)}"
        status, answer = await (connection or self.connection).request(
            "PUT", CLIENT + path, token=self.token, body={"msgtype": "m.text", "body": text}
        )
        if status != 200:
            raise RequestFailed(f"send -> {status} {answer}")
        return str(answer["event_id"])


async def register(host: str, port: int, username: str) -> User:
    """Register through open registration (m.login.dummy), over a new connection."""
    return await register_over(Connection(host, port), username)


async def register_over(connection: Connection, username: str) -> User:
    body: dict[str, Any] = {
        "username": username,
        "password": "pw-Bench-12345",
        "device_id": "D",
        "auth": {"type": "m.login.dummy"},
    }
    status, answer = await connection.request("POST", CLIENT + "/register", body=body)
    if status == 401:
        body["auth"]["session"] = answer["session"]
        status, answer = await connection.request("POST", CLIENT + "/register", body=body)
    if status != 200:
        raise RequestFailed(f"register -> {status} {answer}")
    return User(connection, answer["user_id"], answer["access_token"])
