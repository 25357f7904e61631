from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from matrix_protocol.errors import Forbidden, UnknownToken
from service_kit.bus.interface import BusDisconnected
from service_kit.clock import ManualClock
from service_kit.config import RateLimit as Rate
from service_kit.http.application import DrainSignal, HttpApplication
from service_kit.http.asgi import AsgiIncoming
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, Endpoint, collect, declarations_of, endpoint
from service_kit.http.rate_limits import MESSAGE, RateLimits
from service_kit.http.request import Answer, Request
from service_kit.store.interface import StoreUnavailable
from tests.asgi_client import AsgiClient, HttpAnswer

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "X-Requested-With, Content-Type, Authorization",
}


class Body(msgspec.Struct):
    reason: str | None = None


class Said(msgspec.Struct):
    text: str


class Tokens:
    """Knows one token, and a guest's."""

    def cached(self, token: str) -> Caller | None:
        known = {
            "token": Caller("@a:b", "D", False, False, b""),
            "guest": Caller("@1:b", "G", False, True, b"", restricted=True),
        }
        return known.get(token)

    async def caller_of(self, token: str, client_ip: str = "") -> Caller:
        raise UnknownToken("unknown", soft_logout=False)


@endpoint("PUT", "/v3/echo/{roomId}", operation="echo", rate_limit=MESSAGE)
async def echo(room_id: str, body: Body, caller: Caller, request: Request) -> object:
    return {"room_id": room_id, "reason": body.reason, "user_id": caller.user_id, "ip": request.client_ip}


@endpoint("GET", "/v3/open", operation="open", auth=Auth.NONE)
async def open_to_all() -> object:
    return Said("hello")


@endpoint("GET", "/v3/maybe", operation="maybe", auth=Auth.OPTIONAL, guests=True)
async def maybe(caller: Caller | None) -> object:
    return {"user_id": caller.user_id if caller else None}


@endpoint("GET", "/v3/text", operation="text", auth=Auth.NONE)
async def text() -> object:
    return Answer(201, b"<p>", ((b"content-type", b"text/html"),))


@endpoint("POST", "/v3/small", operation="small", auth=Auth.NONE, body_bytes_max=10)
async def small(body: Body) -> object:
    return {}


@endpoint("GET", "/v3/slow", operation="slow", auth=Auth.NONE, deadline_s=5.0, long_poll=True)
async def slow(request: Request) -> object:
    await asyncio.Event().wait()
    return {}


@endpoint("GET", "/v3/drained", operation="drained", auth=Auth.NONE, deadline_s=None, long_poll=True)
async def drained(signal: DrainSignal) -> object:
    await signal.wait()
    return {"drained": True}


def failing(error: Exception) -> Endpoint:
    async def fail() -> object:
        raise error

    return Endpoint("GET", "/v3/fail", "fail", fail, auth=Auth.NONE)


def application(*more: Endpoint, clock: ManualClock | None = None, **settings: Any) -> HttpApplication:
    clock = clock or ManualClock()
    handlers = (echo, open_to_all, maybe, text, small, slow, drained)
    endpoints = [declared for handler in handlers for declared in declarations_of(handler)]
    limits = RateLimits({"message": Rate(per_second=1, burst=2), "other": Rate(per_second=1, burst=3)}, clock)
    return HttpApplication([*endpoints, *more], {}, Tokens(), limits, clock=clock, **settings)


@pytest.fixture
def client() -> AsgiClient:
    return AsgiClient(application(), {"Authorization": "Bearer token"})


async def test_handler_gets_what_it_named(client: AsgiClient) -> None:
    answer = await client.request("PUT", "/v3/echo/%21a%3Ab", {"reason": "x"})
    assert (answer.status, answer.json) == (
        200,
        {"room_id": "!a:b", "reason": "x", "user_id": "@a:b", "ip": "192.0.2.1"},
    )
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_struct_is_encoded(client: AsgiClient) -> None:
    assert (await client.request("GET", "/v3/open")).json == {"text": "hello"}


async def test_other_content_type_replaces_json(client: AsgiClient) -> None:
    answer = await client.request("GET", "/v3/text")
    assert (answer.status, answer.headers["content-type"], answer.body) == (201, "text/html", b"<p>")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/open", 200),
        ("GET", "/v3/text", 201),
        ("OPTIONS", "/v3/open", 204),
        ("OPTIONS", "/nothing", 204),
        ("GET", "/nothing", 404),
        ("POST", "/v3/open", 405),
        ("GET", "/v3/echo/%ff", 400),
        ("PUT", "/v3/echo/a?" + "&".join("abc"), 200),
        ("GET", "/v3/maybe", 200),
    ],
)
async def test_cors_headers_and_a_request_id_are_on_every_answer(
    client: AsgiClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status == status
    assert CORS.items() <= answer.headers.items()
    assert method == "OPTIONS" or answer.headers["x-request-id"]


async def test_unknown_path_and_wrong_method_are_unrecognized(client: AsgiClient) -> None:
    unknown = await client.request("GET", "/nothing")
    assert (unknown.status, unknown.errcode) == (404, "M_UNRECOGNIZED")
    wrong = await client.request("DELETE", "/v3/open")
    assert (wrong.status, wrong.errcode) == (405, "M_UNRECOGNIZED")


async def test_options_runs_no_handler_and_needs_no_token() -> None:
    answer = await AsgiClient(application()).request("OPTIONS", "/v3/echo/a")
    assert (answer.status, answer.body) == (204, b"")


async def test_head_is_answered_as_get(client: AsgiClient) -> None:
    assert (await client.request("HEAD", "/v3/open")).status == 200
    assert (await client.request("HEAD", "/v3/small")).status == 405


async def test_missing_token_and_unknown_token() -> None:
    missing = await AsgiClient(application()).request("PUT", "/v3/echo/a", {})
    assert (missing.status, missing.errcode) == (401, "M_MISSING_TOKEN")
    unknown = await AsgiClient(application()).request("PUT", "/v3/echo/a", {}, authorization="Bearer other")
    assert (unknown.status, unknown.errcode, unknown.json["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", False)


async def test_optional_token_may_be_missing_but_not_wrong() -> None:
    client = AsgiClient(application())
    assert (await client.request("GET", "/v3/maybe")).json == {"user_id": None}
    assert (await client.request("GET", "/v3/maybe?access_token=token")).json == {"user_id": "@a:b"}
    assert (await client.request("GET", "/v3/maybe?access_token=wrong")).status == 401


async def test_guests_come_in_only_where_they_are_let_in() -> None:
    client = AsgiClient(application(), {"Authorization": "Bearer guest"})
    assert (await client.request("GET", "/v3/maybe")).status == 200
    refused = await client.request("PUT", "/v3/echo/a", {})
    assert (refused.status, refused.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_guessing_tokens_is_limited_by_address() -> None:
    client = AsgiClient(application())
    for _ in range(3):
        assert (await client.request("GET", "/v3/maybe", authorization="Bearer other")).status == 401
    assert (await client.request("GET", "/v3/maybe", authorization="Bearer other")).status == 429
    other = AsgiClient(client.application, peer="192.0.2.2")
    assert (await other.request("GET", "/v3/maybe", authorization="Bearer other")).status == 401


async def test_rate_limit_says_when_to_come_again(client: AsgiClient) -> None:
    for _ in range(2):
        assert (await client.request("PUT", "/v3/echo/a", {})).status == 200
    refused = await client.request("PUT", "/v3/echo/a", {})
    assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
    assert 0 < refused.json["retry_after_ms"] <= 1001
    assert int(refused.headers["retry-after"]) * 1000 + 1 >= refused.json["retry_after_ms"]


async def test_body_has_a_longest_length(client: AsgiClient) -> None:
    assert (await client.request("POST", "/v3/small", body=b"{}        ")).status == 200
    refused = await client.request("POST", "/v3/small", body=b"{}         ")
    assert (refused.status, refused.errcode) == (413, "M_TOO_LARGE")


async def parts(client: AsgiClient, *bodies: bytes) -> HttpAnswer:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/v3/small",
        "query_string": b"",
        "headers": [],
    }
    return await client.call(scope, list(bodies))


async def test_body_in_parts_is_put_together_and_bounded(client: AsgiClient) -> None:
    assert (await parts(client, b"{", b"", b"}")).status == 200
    assert (await parts(client, b"{", b"}" * 5, b" " * 5)).status == 413
    assert (await parts(client, *[b" " * 50] * 1000)).status == 413


async def test_client_that_goes_while_sending_gets_no_answer() -> None:
    app = application()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "raw_path": b"/v3/small",
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: object) -> None:
        raise AssertionError(f"nobody is there to read {message}")

    await app(scope, receive, send)
    assert app.active_requests == 0


async def test_limit_of_the_settings_holds_where_an_endpoint_has_none_of_its_own() -> None:
    client = AsgiClient(application(body_bytes_max=5), {"Authorization": "Bearer token"})
    assert (await client.request("PUT", "/v3/echo/a", body=b"{     }")).status == 413
    assert (await client.request("POST", "/v3/small", body=b"{     }")).status == 200


@pytest.mark.parametrize(
    ("error", "status", "errcode"),
    [
        (Forbidden("no", more=1), 403, "M_FORBIDDEN"),
        (StoreUnavailable("secret path"), 503, "M_UNKNOWN"),
        (BusDisconnected("secret host"), 503, "M_UNKNOWN"),
        (KeyError("secret"), 500, "M_UNKNOWN"),
        (RecursionError("secret"), 500, "M_UNKNOWN"),
        (TimeoutError("secret"), 500, "M_UNKNOWN"),
    ],
)
async def test_errors_become_answers_that_leak_nothing(error: Exception, status: int, errcode: str) -> None:
    answer = await AsgiClient(application(failing(error))).request("GET", "/v3/fail")
    assert (answer.status, answer.errcode) == (status, errcode)
    assert b"secret" not in answer.body
    assert isinstance(answer.json["error"], str)


async def test_unexpected_error_is_logged_with_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    await AsgiClient(application(failing(KeyError("x")))).request("GET", "/v3/fail", x_request_id="abc-1")
    assert "abc-1" in caplog.text
    assert "KeyError" in caplog.text


async def test_request_id_of_a_proxy_is_kept_if_it_is_harmless(client: AsgiClient) -> None:
    assert (await client.request("GET", "/v3/open", x_request_id="abc-1")).headers["x-request-id"] == "abc-1"
    assert "<" not in (await client.request("GET", "/v3/open", x_request_id="<x>")).headers["x-request-id"]


async def test_address_is_taken_from_trusted_proxies_alone() -> None:
    trusting = application(trusted_proxies=["192.0.2.0/24"])
    client = AsgiClient(trusting, {"Authorization": "Bearer token", "X-Forwarded-For": "203.0.113.5"})
    assert (await client.request("PUT", "/v3/echo/a", {})).json["ip"] == "203.0.113.5"


async def test_request_past_its_deadline_is_ended_and_told_so() -> None:
    clock = ManualClock()
    app = application(clock=clock)
    waiting = asyncio.create_task(AsgiClient(app).request("GET", "/v3/slow"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    app.cancel_overdue()
    await clock.advance(4.9)
    app.cancel_overdue()
    assert app.active_requests == 1
    await clock.advance(0.2)
    app.cancel_overdue()
    answer = await waiting
    assert (answer.status, answer.errcode) == (504, "M_UNKNOWN")
    assert app.active_requests == 0


async def test_long_poll_ends_when_its_client_goes() -> None:
    app = application()
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/v3/slow",
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> dict[str, Any]:
        return {}

    incoming = AsgiIncoming(scope, receive)
    waiting = asyncio.create_task(app.respond(incoming))
    await asyncio.sleep(0)
    assert incoming.waiting_task is waiting
    incoming.disconnected = True
    waiting.cancel()
    assert await waiting is None
    assert app.active_requests == 0


async def test_drain_ends_long_polls_with_their_answer_also_in_merged_applications() -> None:
    first, second = application(), HttpApplication([], {}, None, RateLimits({}, ManualClock()), clock=ManualClock())
    merged = HttpApplication.merge([second, first])
    waiting = asyncio.create_task(AsgiClient(merged).request("GET", "/v3/drained"))
    await asyncio.sleep(0)
    merged.drain()
    assert (await waiting).json == {"drained": True}


async def test_websocket_is_turned_away() -> None:
    sent: list[Any] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {}

    await application()({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_endpoints_of_a_folder_can_be_collected() -> None:
    import api_gateway.endpoints

    assert len({declared.operation for declared in collect(api_gateway.endpoints)}) > 20
