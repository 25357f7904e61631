"""Answers the questions of other processes over gRPC: unpack, ask the servicer, pack.

Importing this costs nothing; grpc itself is imported when a server is made.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from matrix_protocol.errors import MatrixError, Unknown
from service_kit import telemetry
from service_kit.clock import Clock
from service_kit.rpc.grpc_errors import metadata_of, status_of
from service_kit.rpc.queries import TIMEOUT_S, Question, WrongOwner, answer_within
from service_kit.shards import Shard, ShardMap

if TYPE_CHECKING:
    import grpc.aio

REQUEST_BYTES_MAX = 4 * 1024 * 1024
ANSWER_BYTES_MAX = 16 * 1024 * 1024
CALLS_AT_ONCE_MAX = 1000

_logger = logging.getLogger(__name__)


class GrpcServer:
    """One listener of one process. Add servicers, then start."""

    def __init__(self, shards: ShardMap, clock: Clock) -> None:
        import grpc.aio

        self._shards = shards
        self._clock = clock
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=CALLS_AT_ONCE_MAX,
            options=[
                ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
                ("grpc.max_send_message_length", ANSWER_BYTES_MAX),
                ("grpc.so_reuseport", 0),
            ],
        )

    def add(self, questions: Sequence[Question[Any, Any]], servicer: object, owns: Callable[[Shard], bool]) -> None:
        """Answer these questions with the servicer's methods, for shards that `owns` confirms at that moment."""
        import grpc

        services: dict[str, dict[str, Any]] = {}
        for question in questions:
            _, service, method = question.rpc.split("/")
            services.setdefault(service, {})[method] = self._handler(question, servicer, owns)
        self._server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(service, methods) for service, methods in services.items())
        )

    async def start(self, address: str) -> int:
        """Listen on host:port (port 0 = any free one); returns the port."""
        port = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """Take no new calls; those that run have this long to finish."""
        await self._server.stop(grace_s)

    def _handler(self, question: Question[Any, Any], servicer: object, owns: Callable[[Shard], bool]) -> Any:
        import grpc

        make = grpc.unary_stream_rpc_method_handler if question.is_streamed else grpc.unary_unary_rpc_method_handler
        answer = self._stream if question.is_streamed else self._single
        method = getattr(servicer, question.method)
        return make(
            answer(question, method, owns),
            request_deserializer=question.request_type.FromString,
            response_serializer=question.answer_type.SerializeToString,
        )

    def _stream(
        self, question: Question[Any, Any], method: Callable[[Any], AsyncIterator[Any]], owns: Callable[[Shard], bool]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            with self._span_and_deadline(question, context):
                try:
                    self._check_owner(question, request, owns)
                    async for chunk in method(request):
                        yield chunk
                except Exception as error:
                    await _abort(context, question, error)

        return answer

    def _single(
        self, question: Question[Any, Any], method: Callable[[Any], Awaitable[Any]], owns: Callable[[Shard], bool]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            with self._span_and_deadline(question, context):
                try:
                    self._check_owner(question, request, owns)
                    return await method(request)
                except Exception as error:
                    await _abort(context, question, error)

        return answer

    def _check_owner(self, question: Question[Any, Any], request: Any, owns: Callable[[Shard], bool]) -> None:
        if question.is_for_owner and not owns(question.shard_of(self._shards, request)):
            raise WrongOwner

    def _span_and_deadline(self, question: Question[Any, Any], context: grpc.aio.ServicerContext[Any, Any]) -> _Around:
        traceparent = ""
        for key, value in context.invocation_metadata() or ():
            if key == "traceparent" and isinstance(value, str):
                traceparent = value
        remaining_s = context.time_remaining()
        return _Around(
            telemetry.span(question.rpc, traceparent) if traceparent else telemetry.NO_SPAN,
            answer_within(TIMEOUT_S if remaining_s is None else remaining_s, self._clock),
        )


class _Around:
    """Two context managers as one."""

    def __init__(self, outer: Any, inner: Any) -> None:
        self._outer = outer
        self._inner = inner

    def __enter__(self) -> None:
        self._outer.__enter__()
        self._inner.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._inner.__exit__(*failure)
        self._outer.__exit__(*failure)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], question: Question[Any, Any], error: Exception) -> None:
    """End the call with this error; always raises (gRPC's own AbortError, where abort was called already)."""
    import grpc

    if isinstance(error, WrongOwner):
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "another worker owns this shard")
    if not isinstance(error, MatrixError):
        _logger.error("%s failed", question.rpc, exc_info=error)
        error = Unknown("The server failed to answer this")
    await context.abort(status_of(error), error.errcode, metadata_of(error))
