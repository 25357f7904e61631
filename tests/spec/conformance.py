"""The hook of the tests' HTTP clients: every answer, and every request that succeeded, against the OpenAPI files.

    check_exchange("PUT", "/_matrix/client/v3/rooms/…", sent, HttpAnswer(…))

What is checked, and told when it is not so:

- the operation (found by method and path, so that no test has to name it) has this status among its answers, or it is
  an error whose errcode and status belong together in `matrix_protocol.errors`;
- the body is as the schema of this status says, and an error is a standard error response;
- what succeeded was asked as the specification says: body, and the query parameters that it names;
- a browser may read the answer, and it says what it is: CORS headers, `application/json`.

`EXCEPTIONS` lists what is otherwise on purpose. `successes` remembers which operations answered well so far.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple
from urllib.parse import parse_qs

import orjson

from matrix_protocol import errors
from matrix_protocol.errors import InvalidParam, MatrixError
from service_kit.http.router import Router
from tests.spec.openapi import Operation, SpecificationError, operations

V3 = "/_matrix/client/v3"


class Exchange(NamedTuple):
    """A request and what came of it."""

    method: str
    path: str
    """Percent-encoded, with the query."""
    sent: object
    """The request's JSON body; None if there was none, or none that should be looked at."""
    status: int
    headers: Mapping[str, str]
    """Of the answer, names in lower case."""
    body: bytes


EXCEPTIONS: dict[tuple[str, int], str] = {}
"""By operation and status: answers that the file of the specification does not describe, and why."""

ALIASES = {
    f"{V3}/rooms/{{roomId}}/state/{{eventType}}": f"{V3}/rooms/{{roomId}}/state/{{eventType}}/{{stateKey}}",
}
"""Where the state key is "an empty string, the trailing slash on this endpoint is optional." """

OF_THE_PROXY = ("M_UNKNOWN", 502)
"""What the proxy before the components says when one died with a request in its hands."""

successes: set[str] = set()
"""Operation IDs of which an answer without an error was checked in this process."""


def check_exchange(exchange: Exchange) -> None:
    """Raises SpecificationError, which says what is wrong with which operation."""
    operation = operation_of(exchange.method, exchange.path)
    if operation is None:
        return
    try:
        _check_headers(exchange)
        _check_answer(operation, exchange)
        if exchange.status < 400:
            _check_request(operation, exchange)
            successes.add(operation.operation_id)
    except SpecificationError as error:
        where = f"{exchange.method} {exchange.path} answered {exchange.status} {exchange.body[:300]!r}"
        raise SpecificationError(f"{operation.operation_id}: {error}\n  {where}") from None


def operation_of(method: str, path: str) -> Operation | None:
    """The specification's operation for this method and percent-encoded path, None if it has none.

    A parameter that the specification does not have yet makes another operation of it, too.
    """
    if "?org.matrix." in path or "&org.matrix." in path:
        return None
    try:
        match = _router().match(path.partition("?")[0])
    except InvalidParam:
        return None
    return None if match is None else match.methods.get("GET" if method == "HEAD" else method)


@cache
def _router() -> Router[Operation]:
    router: Router[Operation] = Router()
    for (method, path), operation in operations().items():
        router.add(method, path, operation)
    for alias, path in ALIASES.items():
        for method in ("GET", "PUT"):
            router.add(method, alias, operations()[method, path])
    return router


def _check_headers(exchange: Exchange) -> None:
    if exchange.headers.get("access-control-allow-origin") != "*":
        raise SpecificationError("the answer lacks the CORS headers, so no browser would show it to a client")
    if exchange.body and not exchange.headers.get("content-type", ""):
        raise SpecificationError("the answer does not say what its body is (Content-Type)")


def _check_answer(operation: Operation, exchange: Exchange) -> None:
    status, method = exchange.status, exchange.method
    if (operation.operation_id, status) in EXCEPTIONS or method == "HEAD":
        return
    is_json = exchange.headers.get("content-type", "").startswith("application/json")
    if status >= 400 and not is_json:
        raise SpecificationError("an error must be a JSON object")
    body = orjson.loads(exchange.body) if is_json and exchange.body else None
    operation.check_answer(status, body)
    if status >= 400 and "flows" not in body and (body["errcode"], status) not in _known_errors():
        expected = sorted(known for errcode, known in _known_errors() if errcode == body["errcode"])
        if not operation.has_answer(status):
            raise SpecificationError(f"{body['errcode']} goes with status {expected or 'nothing we know'}")


def _check_request(operation: Operation, exchange: Exchange) -> None:
    query = parse_qs(exchange.path.partition("?")[2], keep_blank_values=True)
    operation.check_query({name: values[0] for name, values in query.items()})
    if exchange.sent is not None:
        operation.check_request(exchange.sent)


@cache
def _known_errors() -> set[tuple[str, int]]:
    """Errcodes with the status that our table of errors gives them."""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, MatrixError)]
    return {(each.errcode, each.http_status) for each in classes} | {OF_THE_PROXY}
