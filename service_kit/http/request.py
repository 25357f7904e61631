"""One HTTP request as handlers see it, and what they may answer.

Everything here comes from outside: headers may be missing, doubled or not
ASCII, the query may be malformed. Nothing raises anything but a MatrixError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from matrix_protocol.errors import InvalidParam, TooLarge
from service_kit.clock import Clock

Headers = Sequence[tuple[bytes, bytes]]

BODY_BYTES_MAX = 1024 * 1024
QUERY_FIELDS_MAX = 200

CORS_HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization"),
)


class ClientDisconnected(Exception):
    """Whoever asked is gone; nobody reads an answer."""


class Incoming(Protocol):
    """A request as a listener has it: the head, and a body that may still be on its way."""

    method: str
    raw_path: str
    """Percent-encoded."""
    query_string: bytes
    headers: Headers
    """Names in lower case."""
    peer: str
    """The address at the other end of the connection, "" if unknown."""
    waiting_task: asyncio.Task[Any] | None
    """Set by the application: what to cancel if the client goes."""
    disconnected: bool

    async def read_body(self, bytes_max: int) -> bytes:
        """Raises TooLarge, ClientDisconnected."""
        ...


class Answer(NamedTuple):
    """What a handler answers if it is more than 200 and a JSON body.

    `body` is bytes (sent as they are), or a dict, list or msgspec Struct (encoded as JSON). A `content-type`
    header of its own replaces `application/json`.
    """

    status: int
    body: object = b"{}"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request:
    """What was asked, apart from path parameters and the decoded body, which handlers get as arguments."""

    __slots__ = (
        "_clock",
        "_query",
        "_query_string",
        "body",
        "client_ip",
        "deadline_s",
        "headers",
        "method",
        "operation",
        "request_id",
        "started_s",
        "timed_out",
    )

    def __init__(
        self, method: str, query_string: bytes, headers: Headers, *, client_ip: str, request_id: str, clock: Clock
    ) -> None:
        self.method = method
        self.headers = headers
        self.client_ip = client_ip
        """Of the client, not of a trusted proxy in between; "" if unknown."""
        self.request_id = request_id
        self.body = b""
        self.operation = ""
        self.started_s = clock.monotonic_s()
        self.deadline_s: float | None = None
        self.timed_out = False
        self._clock = clock
        self._query_string = query_string
        self._query: dict[str, list[str]] | None = None

    @property
    def timeout_s(self) -> float:
        """How long this request may still take: the timeout for commands and questions to other components."""
        if self.deadline_s is None:
            return 30.0
        return max(0.001, self.deadline_s - self._clock.monotonic_s())

    def header(self, name: bytes) -> str:
        """The first header of this (lower-case) name, "" if there is none."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    @property
    def query(self) -> dict[str, list[str]]:
        """All query parameters. Raises InvalidParam if there are too many or they are not UTF-8."""
        if self._query is None:
            self._query = parse_query(self._query_string) if self._query_string else {}
        return self._query

    def query_value(self, name: str, default: str = "") -> str:
        """The first query parameter of this name."""
        values = self.query.get(name)
        return values[0] if values else default


def parse_query(query_string: bytes) -> dict[str, list[str]]:
    """The parameters of a query string, in order, by name. Raises InvalidParam."""
    try:
        pairs = parse_qsl(
            query_string.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX
        )
    except ValueError as error:
        raise InvalidParam("The query string has too many fields, or is not percent-encoded UTF-8") from error
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The request's body is longer than {bytes_max} bytes")


def header_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The first header of this (lower-case) name, b"" if there is none."""
    for key, value in headers:
        if key == name:
            return value
    return b""
