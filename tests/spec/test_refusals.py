"""What is wrong with a request is told by the right errcode, for every operation: tokens, methods, bodies, parameters.

Each request that succeeds (`successes`) is spoilt in every way that its OpenAPI file allows to see.

M_NOT_JSON: "Request did not contain valid JSON." M_BAD_JSON: "valid JSON, but it was malformed in some way, e.g.
missing required keys, invalid values for keys." M_MISSING_PARAM: "A required parameter was missing from the request."
M_INVALID_PARAM: "A parameter that was specified has the wrong value."
Spec: https://spec.matrix.org/v1.19/client-server-api/#common-error-codes
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

import api_gateway.endpoints
import sync_api.endpoints
from service_kit.http.endpoint import Auth, Endpoint, collect
from tests.asgi_client import HttpAnswer
from tests.in_process import Client, lenient_settings, running_server
from tests.spec.openapi import Operation, operations
from tests.spec.scene import Row, Scene
from tests.spec.successes import ROWS

DECLARED = [
    each
    for each in [*collect(api_gateway.endpoints), *collect(sync_api.endpoints)]
    if (each.method, each.path) in operations()
]
WITH_TOKEN = [each for each in DECLARED if each.auth is Auth.ACCESS_TOKEN]
OF_ANOTHER_TYPE = {"string": 5, "integer": "five", "boolean": "yes", "array": {}, "object": []}
BODY_ERRORS = {"M_BAD_JSON", "M_MISSING_PARAM", "M_INVALID_PARAM"}
QUERY_ERRORS = {"M_MISSING_PARAM", "M_INVALID_PARAM"}

LENIENT = {
    ("login", "medium"): "deprecated, and not looked at",
    ("login", "token"): "of another type of login",
    ("login", "address"): "deprecated, and not looked at",
    ("deactivateAccount", "id_server"): "we unbind nothing, whatever it is",
}
"""By operation and member: what is not refused as a missing or wrong member, and why."""


def by_operation(declared: Endpoint) -> str:
    return declared.operation


@asynccontextmanager
async def asked(declared: Endpoint) -> AsyncIterator[tuple[Scene, Client]]:
    """A scene in which the operation would succeed, and who would ask."""
    row = ROWS.get(declared.operation, Row())
    async with running_server(lenient_settings(**row.settings)) as server:
        scene = Scene(server)
        if not row.settings:
            await scene.set_up()
        scene.path |= row.path
        scene.query |= row.query
        scene.body |= row.body
        if row.prepare is not None:
            await row.prepare(scene)
        yield scene, scene.nobody if declared.auth is Auth.NONE else getattr(scene, row.caller)


async def test_a_token_is_demanded_before_anything_else() -> None:
    async with running_server() as server:
        client, scene = server.anonymous(), Scene(server)
        for declared in WITH_TOKEN:
            path = scene.filled(declared.path)
            missing = await client.request(declared.method, path, body=b"{")
            assert (missing.status, missing.errcode) == (401, "M_MISSING_TOKEN"), declared.operation
            for token in ("plx_0_" + "x" * 43, "x", "plx_99999999999999999999_x", "\x7f", "a b"):
                unknown = await client.request(declared.method, path, body=b"{", authorization=f"Bearer {token}")
                assert (unknown.status, unknown.errcode) == (401, "M_UNKNOWN_TOKEN"), (declared.operation, token)


async def test_other_methods_are_not_allowed() -> None:
    async with running_server() as server:
        client, scene = server.anonymous(), Scene(server)
        for declared in DECLARED:
            for method in ("PATCH", "TRACE", "get", "X"):
                answer = await client.request(method, scene.filled(declared.path))
                assert (answer.status, answer.errcode) == (405, "M_UNRECOGNIZED"), (declared.operation, method)


class Body(NamedTuple):
    sent: bytes
    status: int
    errcode: str


BAD_BODIES = {
    "no JSON": Body(b"{", 400, "M_NOT_JSON"),
    "no UTF-8": Body(b'{"a":"\xff"}', 400, "M_NOT_JSON"),
    "too deep": Body(b'{"a":' * 101 + b"1" + b"}" * 101, 400, "M_NOT_JSON"),
    "an array": Body(b"[]", 400, "M_BAD_JSON"),
    "a string": Body(b'"x"', 400, "M_BAD_JSON"),
    "too long": Body(b'{"a":"' + b"x" * 2 * 1024 * 1024 + b'"}', 413, "M_TOO_LARGE"),
}


@pytest.mark.parametrize("declared", DECLARED, ids=by_operation)
async def test_what_is_wrong_with_a_request_is_told(declared: Endpoint) -> None:
    operation = operations()[declared.method, declared.path]
    has_body = "body" in declared.handler.__annotations__
    if not has_body and not list(spoilt_queries(operation, {})):
        return
    async with asked(declared) as (scene, client):
        if has_body:
            await check_bodies(declared, scene, client)
            await check_members(declared, scene, client)
        await check_queries(declared, scene, client)


async def check_bodies(declared: Endpoint, scene: Scene, client: Client) -> None:
    """What is no object."""
    for what, body in BAD_BODIES.items():
        answer = await client.request(declared.method, scene.filled(declared.path), body=body.sent)
        assert (answer.status, answer.errcode) == (body.status, body.errcode), what


async def check_members(declared: Endpoint, scene: Scene, client: Client) -> None:
    """A member that is missing or of another type."""
    operation = operations()[declared.method, declared.path]
    for name, body in spoilt_bodies(operation, scene.body):
        if (declared.operation, name) not in LENIENT:
            answer = await client.request(declared.method, scene.filled(declared.path), body)
            assert is_refused(answer, BODY_ERRORS), (name, body, answer)


async def check_queries(declared: Endpoint, scene: Scene, client: Client) -> None:
    """A query parameter that is missing or of another type."""
    operation = operations()[declared.method, declared.path]
    for name, query in spoilt_queries(operation, dict(scene.query)):
        if (declared.operation, name) not in LENIENT:
            scene.query = query
            answer = await client.request(declared.method, scene.filled(declared.path), scene.body)
            assert is_refused(answer, QUERY_ERRORS), (name, query, answer)


def spoilt_bodies(operation: Operation, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Bodies that lack a required member, or have one of another type, with the member's name."""
    schema = operation.request_schema()
    for name in schema.get("required", ()):
        yield name, {key: value for key, value in body.items() if key != name}
    for name, member in schema.get("properties", {}).items():
        if member.get("type") in OF_ANOTHER_TYPE:
            yield name, body | {name: OF_ANOTHER_TYPE[member["type"]]}


def spoilt_queries(operation: Operation, query: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    for parameter in operation.query_parameters:
        name, schema = parameter["name"], parameter.get("schema", {})
        if parameter.get("required"):
            yield name, {key: value for key, value in query.items() if key != name}
        if schema.get("type") in ("integer", "boolean") or "enum" in schema:
            yield name, query | {name: "maybe"}


def is_refused(answer: HttpAnswer, errcodes: set[str]) -> bool:
    return answer.status == 400 and answer.errcode in errcodes


def test_leniency_is_for_operations_that_are_there() -> None:
    assert {operation for operation, _ in LENIENT} <= {each.operation for each in DECLARED}
