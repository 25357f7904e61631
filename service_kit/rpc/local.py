"""Questions to owners in this process: the servicer is called directly, messages are not even copied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from matrix_protocol.errors import Unavailable
from service_kit.clock import Clock
from service_kit.rpc.queries import AnswerT, Question, RequestT, WrongOwner
from service_kit.rpc.retry import Retry
from service_kit.shards import Shard, ShardMap


class LocalAsker:
    """`servicer_of` gives the servicer of a shard's owner, or None while it is changing hands."""

    def __init__(self, servicer_of: Callable[[Shard], object | None], shards: ShardMap, clock: Clock) -> None:
        self._servicer_of = servicer_of
        self._shards = shards
        self._clock = clock

    async def stream(self, question: Question[RequestT, AnswerT], request: RequestT) -> AsyncIterator[AnswerT]:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._clock, shard)
        while True:
            servicer = self._servicer_of(shard)
            if servicer is not None:
                has_begun = False
                try:
                    async for chunk in getattr(servicer, question.method)(request):
                        has_begun = True
                        yield chunk
                        # Nothing here may have had to wait: without this a large answer would be made in one go.
                        await asyncio.sleep(0)
                    return
                except WrongOwner:
                    if has_begun:
                        raise Unavailable(f"Shard {shard} changed hands during the answer") from None
            await retry.wait()

    async def single(self, question: Question[RequestT, AnswerT], request: RequestT) -> AnswerT:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._clock, shard)
        while True:
            servicer = self._servicer_of(shard)
            if servicer is not None:
                try:
                    answer: AnswerT = await getattr(servicer, question.method)(request)
                    return answer
                except WrongOwner:
                    pass
            await retry.wait()


class Owned(Protocol):
    """Of a `ShardHolder`."""

    def owns(self, shard: Shard) -> bool: ...


def local_asker(services: Mapping[str, tuple[object, Owned]], shards: ShardMap, clock: Clock) -> LocalAsker:
    """For a process that owns all shards: by kind of shard, the servicer and whose shards it answers for."""

    def servicer_of(shard: Shard) -> object | None:
        servicer, holder = services[shard.kind]
        return servicer if holder.owns(shard) else None

    return LocalAsker(servicer_of, shards, clock)
