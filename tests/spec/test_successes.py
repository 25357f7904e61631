"""Each operation that is there succeeds once, as the specification describes it."""

from __future__ import annotations

import pytest

import api_gateway.endpoints
import sync_api.endpoints
from service_kit.http.endpoint import Auth, Endpoint, collect
from tests.in_process import lenient_settings, running_server
from tests.spec import conformance
from tests.spec.openapi import operations
from tests.spec.scene import Row, Scene
from tests.spec.successes import ROWS

DECLARED = [
    each
    for each in [*collect(api_gateway.endpoints), *collect(sync_api.endpoints)]
    if (each.method, each.path) in operations()
]


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.operation)
async def test_operation_succeeds_as_specified(declared: Endpoint) -> None:
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
        caller = scene.nobody if declared.auth is Auth.NONE else getattr(scene, row.caller)
        conformance.successes.discard(declared.operation)
        body = None if declared.method == "GET" else scene.body
        answer = await caller.request(declared.method, scene.filled(declared.path), body)
        if row.never_succeeds:
            assert answer.status == 400
            assert answer.errcode in ("M_THREEPID_MEDIUM_NOT_SUPPORTED", "M_SERVER_NOT_TRUSTED")
            return
        assert answer.status < 400, (
            f"{declared.operation} answered {answer.status} {answer.body[:300]!r}: "
            f"it needs a row in tests/spec/successes.py that says how it is asked so that it succeeds"
        )
        assert declared.operation in conformance.successes


def test_every_row_is_of_an_operation_that_is_there() -> None:
    assert set(ROWS) - {each.operation for each in DECLARED} == set()


def test_every_exception_is_of_an_operation_of_the_specification() -> None:
    known = {operation.operation_id for operation in operations().values()}
    assert {operation for operation, _ in conformance.EXCEPTIONS} - known == set()
