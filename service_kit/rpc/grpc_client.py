"""Asks questions over gRPC: finds the owner, and asks again elsewhere when the shard has moved.

Importing this costs nothing; grpc itself is imported with the first question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

from matrix_protocol.errors import MatrixError, Unavailable, Unknown
from service_kit import telemetry
from service_kit.clock import Clock
from service_kit.rpc.grpc_errors import matrix_error_in
from service_kit.rpc.queries import AnswerT, Question, RequestT
from service_kit.rpc.retry import Retry
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import StoreError

if TYPE_CHECKING:
    import grpc.aio

ANSWER_BYTES_MAX = 16 * 1024 * 1024
CHANNELS_MAX = 256


class Directory(Protocol):
    """Where owners answer (`service_kit.ledger.directory`)."""

    async def address_of(self, shard: Shard) -> str: ...

    def forget(self, shard: Shard) -> None: ...


class GrpcAsker:
    """One channel for each address, made when first needed; `close` when done."""

    def __init__(self, directory: Directory, shards: ShardMap, clock: Clock) -> None:
        self._directory = directory
        self._shards = shards
        self._clock = clock
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._methods: dict[tuple[str, str], Any] = {}

    async def stream(self, question: Question[RequestT, AnswerT], request: RequestT) -> AsyncIterator[AnswerT]:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._clock, shard)
        while True:
            method = await self._method_at_owner(shard, question)
            if method is not None:
                import grpc

                has_begun = False
                call = method(request, timeout=retry.remaining_s(), metadata=_metadata())
                try:
                    async for chunk in call:
                        has_begun = True
                        yield chunk
                    return
                except grpc.RpcError as error:
                    self._judge(error, shard, may_repeat=not has_begun)
                finally:
                    call.cancel()
            await retry.wait()

    async def single(self, question: Question[RequestT, AnswerT], request: RequestT) -> AnswerT:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._clock, shard)
        while True:
            method = await self._method_at_owner(shard, question)
            if method is not None:
                import grpc

                try:
                    answer: AnswerT = await method(request, timeout=retry.remaining_s(), metadata=_metadata())
                    return answer
                except grpc.RpcError as error:
                    self._judge(error, shard, may_repeat=True)
            await retry.wait()

    async def close(self) -> None:
        channels, self._channels = self._channels, {}
        self._methods.clear()
        for channel in channels.values():
            await channel.close(None)

    async def _method_at_owner(self, shard: Shard, question: Question[Any, Any]) -> Any:
        """The callable of gRPC, or None if nobody owns the shard now."""
        try:
            address = await self._directory.address_of(shard)
        except StoreError:
            return None
        if not address:
            return None
        method = self._methods.get((address, question.rpc))
        if method is None:
            channel = await self._channel(address)
            make = channel.unary_stream if question.is_streamed else channel.unary_unary
            method = self._methods[address, question.rpc] = make(
                question.rpc,
                request_serializer=question.request_type.SerializeToString,
                response_deserializer=question.answer_type.FromString,
            )
        return method

    async def _channel(self, address: str) -> grpc.aio.Channel:
        import grpc.aio

        channel = self._channels.get(address)
        if channel is None:
            if len(self._channels) >= CHANNELS_MAX:
                oldest = next(iter(self._channels))
                self._methods = {key: method for key, method in self._methods.items() if key[0] != oldest}
                await self._channels.pop(oldest).close(None)
            options = [("grpc.max_receive_message_length", ANSWER_BYTES_MAX), ("grpc.enable_http_proxy", 0)]
            channel = self._channels[address] = grpc.aio.insecure_channel(address, options=options)
        return channel

    def _judge(self, error: grpc.RpcError, shard: Shard, *, may_repeat: bool) -> None:
        """Raise what the owner said; return if the question should be asked again."""
        import grpc

        assert isinstance(error, grpc.aio.AioRpcError)
        said: MatrixError | None = matrix_error_in(error.trailing_metadata())
        if said is not None:
            raise said from None
        code = error.code()
        if code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE):
            self._directory.forget(shard)
            if may_repeat:
                return
            raise Unavailable(f"Shard {shard} changed hands during the answer") from None
        if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED):
            raise Unavailable(f"Shard {shard} did not answer in time; try again later") from None
        raise Unknown("A part of the server failed to answer") from error


def _metadata() -> tuple[tuple[str, str], ...] | None:
    traceparent = telemetry.current_traceparent()
    return (("traceparent", traceparent),) if traceparent else None
