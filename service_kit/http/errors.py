"""The one table from exceptions to answers. Nothing of an unexpected exception's text reaches a client."""

from __future__ import annotations

import logging
from math import ceil

import orjson

from matrix_protocol.errors import LimitExceeded, MatrixError, Unavailable, Unknown
from service_kit.bus.interface import BusError
from service_kit.http.request import Answer
from service_kit.store.interface import StoreError

log = logging.getLogger(__name__)


def answer_to(error: Exception, request_id: str, operation: str) -> Answer:
    """The standard error response for whatever was raised; logs what was not meant to be raised."""
    if isinstance(error, MatrixError):
        return error_answer(error)
    if isinstance(error, StoreError | BusError):
        log.warning("request %s (%s) could not be served: %r", request_id, operation, error)
        return error_answer(Unavailable("The server cannot do this right now; try again"))
    log.error("request %s (%s) failed", request_id, operation, exc_info=error)
    return error_answer(Unknown(f"The server failed to answer; its log tells more about request {request_id}"))


def error_answer(error: MatrixError) -> Answer:
    return Answer(error.http_status, orjson.dumps(error.body(), default=str), _headers(error))


def _headers(error: MatrixError) -> tuple[tuple[bytes, bytes], ...]:
    # "Homeservers SHOULD additionally include Retry-After": whole seconds, so never too early.
    retry_after_ms = error.extra.get("retry_after_ms")
    if isinstance(error, LimitExceeded) and isinstance(retry_after_ms, int):
        return ((b"retry-after", str(max(1, ceil(retry_after_ms / 1000))).encode()),)
    return ((b"retry-after", b"1"),) if isinstance(error, Unavailable) else ()
