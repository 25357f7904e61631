"""Input made from the OpenAPI files by schemathesis, right and wrong, makes no error of ours.

The requests go to the application in this process; the client checks each answer (`conformance`). The ordinary test run
takes a few of each; many of them: BAD_INPUT_EXAMPLES=500 pytest tests/spec/test_bad_input_by_schema.py -n 2
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

import api_gateway.endpoints
import sync_api.endpoints
from service_kit.http.endpoint import Endpoint, collect
from tests.in_process import running_server
from tests.spec.openapi import DATA, operations
from tests.spec.scene import Scene

EXAMPLES_MAX = int(os.environ.get("BAD_INPUT_EXAMPLES", "3"))
LONG_POLL_S = 0.02
"""Then the client goes away."""
NUMBERS = count(1)
LOGS_OUT = {"deactivateAccount", "logout", "logout_all", "changePassword", "deleteDevice", "deleteDevices"}
DECLARED = [
    each
    for each in [*collect(api_gateway.endpoints), *collect(sync_api.endpoints)]
    if (each.method, each.path) in operations()
]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running_server() as server:
        yield await Scene(server).set_up()


@cache
def _operations_of(module: str) -> dict[str, Any]:
    """schemathesis' operations of a file, by operationId."""
    schema = schemathesis.openapi.from_path(DATA / f"api/client-server/{module}.yaml")
    found = [result.ok() for result in schema.get_all_operations()]
    return {each.definition.raw["operationId"]: each for each in found}


@cache
def cases(module: str, operation_id: str) -> st.SearchStrategy[Any]:
    operation = _operations_of(module)[operation_id]
    right, wrong = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    return st.one_of(right, wrong)


def request_of(case: Any, declared: Endpoint, scene: Scene, is_known: dict[str, bool]) -> tuple[str, bytes]:
    """Path with query, and body. Path parameters are the scene's where `is_known`, else what the case has."""
    path = declared.path
    for name, value in (case.path_parameters or {}).items():
        known = scene.path.get(name, "x") if is_known.get(name, True) else str(value)
        path = path.replace("{" + name + "}", quote(known, safe="", errors="surrogatepass"))
    query = urlencode(dict(case.query or {}), doseq=True, errors="surrogatepass")
    body = case.body
    if isinstance(body, bytes):
        return f"{path}?{query}", body
    if type(body).__name__ == "NotSet":
        return f"{path}?{query}", b""
    return f"{path}?{query}", json.dumps(body, default=str).encode()


@pytest.mark.slow
@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.operation)
@given(data=st.data())
@settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
async def test_no_input_made_from_the_schema_is_an_error_of_ours(
    scene: Scene, declared: Endpoint, data: st.DataObject
) -> None:
    operation = operations()[declared.method, declared.path]
    case = data.draw(cases(operation.module, operation.operation_id))
    is_known = {name: data.draw(st.integers(0, 3)) > 0 for name in case.path_parameters or {}}
    path, body = request_of(case, declared, scene, is_known)
    client = scene.alice
    asking = asyncio.ensure_future(client.request(declared.method, path, body=body))
    if declared.long_poll:
        await asyncio.wait({asking}, timeout=LONG_POLL_S)
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking})
            return
    answer = await asking
    assert answer.status < 500, (declared.operation, path, body, answer.body)
    if declared.operation in LOGS_OUT and answer.status == 200:
        scene.alice = await scene.server.register(f"alice{next(NUMBERS)}")
