"""The HTTP application of a component: what happens to a request, in order.

    1 route        no such path: 404 M_UNRECOGNIZED; other methods only: 405; OPTIONS: the CORS headers
    2 caller       no token: 401 M_MISSING_TOKEN; unknown: 401 M_UNKNOWN_TOKEN; a guest, or locked, or suspended,
                   where that may not be: 403 M_GUEST_ACCESS_FORBIDDEN, 401 M_USER_LOCKED, 403 M_USER_SUSPENDED
    3 rate limit   429 M_LIMIT_EXCEEDED with Retry-After
    4 body         too long: 413 M_TOO_LARGE; then as in `decoding`
    5 handler      its answer, or whatever error it raised, as in `errors`
    6 answer       with CORS headers and X-Request-ID, whatever happened

"Servers MUST expect that clients will approach them with OPTIONS requests […]
should respond with the CORS headers for that route", and on every answer.
Spec: https://spec.matrix.org/v1.19/client-server-api/#web-browser-clients
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec
import orjson

from matrix_protocol.errors import MatrixError, MissingToken, Unrecognized, UnrecognizedMethod
from service_kit.clock import Clock
from service_kit.http.asgi import AsgiIncoming, Receive, Scope, Send, send_answer
from service_kit.http.authentication import Authenticator, Caller, access_token_of
from service_kit.http.endpoint import Auth, BoundEndpoint, Endpoint, Providers
from service_kit.http.errors import answer_to, error_answer
from service_kit.http.metrics import HTTP_METRICS
from service_kit.http.proxies import TrustedProxies
from service_kit.http.rate_limits import OTHER, RateLimit, RateLimits
from service_kit.http.request import (
    BODY_BYTES_MAX,
    Answer,
    ClientDisconnected,
    Headers,
    Incoming,
    Request,
    header_of,
)
from service_kit.http.router import Router
from service_kit.telemetry import is_tracing, request_id, request_span

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class DrainSignal(asyncio.Event):
    """Set when the server stops: whoever waits on purpose (long polls) answers now."""


class _Route(NamedTuple):
    target: _Target
    path_names: tuple[str, ...]


class Response(NamedTuple):
    """What to send: an answer whose body is bytes. The listener adds the CORS headers."""

    answer: Answer
    request_id: str


class HttpApplication:
    """The endpoints of one component, or of several (`merge`)."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        providers: Providers,
        authenticate: Authenticator | None,
        rate_limits: RateLimits,
        *,
        clock: Clock,
        trusted_proxies: Sequence[str] = (),
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """`body_bytes_max` holds for endpoints that do not declare another limit themselves.

        Besides the given providers, handlers may ask for the application's DrainSignal.
        """
        self.drain_signal = DrainSignal()
        self._clock = clock
        self._proxies = TrustedProxies(trusted_proxies)
        known = {DrainSignal: self.drain_signal, RateLimits: rate_limits, **providers}
        self.targets = [
            _Target(BoundEndpoint(endpoint, known), authenticate, rate_limits, body_bytes_max) for endpoint in endpoints
        ]
        self._merged: list[HttpApplication] = []
        self._active: dict[Request, asyncio.Task[Any]] = {}
        self._request_ids = count(1)
        self._request_id_prefix = secrets.token_hex(4)
        self._make_router()

    def _make_router(self) -> None:
        self.router: Router[_Route] = Router()
        for target in self.targets:
            declaration = target.endpoint.declaration
            for path in declaration.paths:
                self.router.add(declaration.method, path, _Route(target, target.endpoint.path_names(path)))

    @classmethod
    def merge(cls, applications: Sequence[HttpApplication]) -> HttpApplication:
        """One application with the endpoints of all, each with the providers and limits of its own."""
        first = applications[0]
        merged = cls([], {}, None, RateLimits({}, first._clock), clock=first._clock)
        merged._proxies = first._proxies
        merged._merged = list(applications)
        merged.targets = [target for application in applications for target in application.targets]
        merged._make_router()
        return merged

    @property
    def endpoints(self) -> list[Endpoint]:
        return [target.endpoint.declaration for target in self.targets]

    @property
    def active_requests(self) -> int:
        return len(self._active)

    def drain(self) -> None:
        """Tell long polls to answer now."""
        self.drain_signal.set()
        for application in self._merged:
            application.drain()

    def cancel_overdue(self) -> None:
        """Cancel every request that is past its deadline; its client is told so. Called once a second."""
        now_s = self._clock.monotonic_s()
        for request, task in self._active.items():
            if request.deadline_s is not None and request.deadline_s <= now_s and not request.timed_out:
                request.timed_out = True
                task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        if scope["type"] == "http":
            response = await self.respond(AsgiIncoming(scope, receive))
            if response is not None:
                await send_answer(send, *response)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def respond(self, incoming: Incoming) -> Response | None:
        """Answer a request; None if nobody is there any more to read it. To be called in a task of its own."""
        headers = incoming.headers
        request = Request(
            incoming.method,
            incoming.query_string,
            headers,
            client_ip=self._proxies.client_ip(incoming.peer, headers),
            request_id=self._request_id(headers),
            clock=self._clock,
        )
        request_id.set(request.request_id)
        if incoming.method == "OPTIONS":
            return Response(_NOTHING, request.request_id)
        try:
            route, values = self._route(incoming)
        except MatrixError as error:
            return Response(error_answer(error), request.request_id)
        answer = await self._answer(route, values, request, incoming)
        if answer is None:
            return None
        route.target.observe(answer.status, self._clock.monotonic_s() - request.started_s)
        return Response(answer, request.request_id)

    def _route(self, incoming: Incoming) -> tuple[_Route, tuple[str, ...]]:
        """The endpoint of a request and its path's values. Raises Unrecognized and InvalidParam."""
        match = self.router.match(incoming.raw_path)
        if match is None:
            raise Unrecognized("There is no such endpoint")
        method = incoming.method
        route = match.methods.get("GET" if method == "HEAD" else method)
        if route is None:
            raise UnrecognizedMethod(f"This endpoint answers to {', '.join(sorted(match.methods))} only")
        return route, match.values

    async def _answer(
        self, route: _Route, values: tuple[str, ...], request: Request, incoming: Incoming
    ) -> Answer | None:
        target = route.target
        declaration = target.endpoint.declaration
        request.operation = declaration.operation
        if declaration.deadline_s is not None:
            request.deadline_s = request.started_s + declaration.deadline_s
        task = asyncio.current_task()
        assert task is not None
        self._active[request] = task
        if declaration.long_poll:
            incoming.waiting_task = task
        arguments: dict[str, object] = dict(zip(route.path_names, values, strict=True))
        try:
            if is_tracing():
                with request_span(declaration.operation, self._traceparent(incoming)):
                    return await target.answer(request, arguments, incoming)
            return await target.answer(request, arguments, incoming)
        except ClientDisconnected:
            return None
        except asyncio.CancelledError:
            if request.timed_out:
                task.uncancel()
                return _TOO_LATE
            if incoming.disconnected:
                task.uncancel()
                return None
            raise
        except Exception as error:
            return answer_to(error, request.request_id, declaration.operation)
        finally:
            del self._active[request]
            incoming.waiting_task = None

    def _traceparent(self, incoming: Incoming) -> str:
        """A trace that a proxy of ours began; others could make us sample everything."""
        if not self._proxies.trusts(incoming.peer):
            return ""
        return header_of(incoming.headers, b"traceparent").decode("latin-1")

    def _request_id(self, headers: Headers) -> str:
        given = header_of(headers, b"x-request-id")
        if given and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._request_id_prefix}-{next(self._request_ids)}"


_NOTHING = Answer(204, b"")
_TOO_LATE = Answer(504, orjson.dumps({"errcode": "M_UNKNOWN", "error": "The server could not answer in time"}))


class _Target:
    """A bound endpoint with what its component demands of every request."""

    __slots__ = ("_authenticate", "_body_bytes_max", "_rate_limits", "endpoint", "observe")

    def __init__(
        self,
        endpoint: BoundEndpoint,
        authenticate: Authenticator | None,
        rate_limits: RateLimits,
        body_bytes_max: int,
    ) -> None:
        declaration = endpoint.declaration
        self.endpoint = endpoint
        self._authenticate = authenticate
        self._rate_limits = rate_limits
        own = declaration.body_bytes_max
        self._body_bytes_max = body_bytes_max if own == BODY_BYTES_MAX else own
        self.observe = HTTP_METRICS.of(declaration.operation).observe

    async def answer(self, request: Request, arguments: dict[str, object], incoming: Incoming) -> Answer:
        """Steps 2 to 5."""
        endpoint = self.endpoint
        declaration = endpoint.declaration
        caller = None if declaration.auth is Auth.NONE else await self._caller(request)
        if declaration.rate_limit is not None:
            self._check_rate(declaration.rate_limit, caller, request.client_ip, arguments)
        if endpoint.wants_caller:
            arguments["caller"] = caller
        if endpoint.wants_request:
            arguments["request"] = request
        if endpoint.decode_query is not None:
            arguments["query"] = endpoint.decode_query(request.query)
        if endpoint.decode_body is not None:
            request.body = await incoming.read_body(self._body_bytes_max)
            arguments["body"] = endpoint.decode_body(request.body)
        return _as_answer(await endpoint.call(**arguments))

    def _check_rate(
        self, limit: RateLimit, caller: Caller | None, client_ip: str, arguments: Mapping[str, object]
    ) -> None:
        if caller is None:
            self._rate_limits.check_request(limit, "", client_ip)
        elif caller.rate_limited:
            self._rate_limits.check_request(limit, caller.user_id, client_ip, str(arguments.get("room_id", "")))

    async def _caller(self, request: Request) -> Caller | None:
        declaration = self.endpoint.declaration
        token = access_token_of(request)
        if not token:
            if declaration.auth is Auth.OPTIONAL:
                return None
            raise MissingToken("This endpoint needs an access token")
        assert self._authenticate is not None
        caller = self._authenticate.cached(token)
        if caller is None:
            # Guessing tokens costs a question each, and is limited by address as nothing else is known.
            self._rate_limits.check_request(OTHER, "", request.client_ip)
            caller = await self._authenticate.caller_of(token, request.client_ip)
        if caller.restricted:
            declaration.check_restrictions(caller)
        return caller


def _as_answer(result: object) -> Answer:
    if type(result) is bytes:
        return Answer(200, result)
    if isinstance(result, Answer):
        return result if isinstance(result.body, bytes) else Answer(result.status, _json(result.body), result.headers)
    return Answer(200, _json(result))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value) if isinstance(value, msgspec.Struct) else orjson.dumps(value)
