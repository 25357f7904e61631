"""Questions to owners in this process: the servicer is called directly, messages are not even copied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from matrix_protocol.errors import Unavailable
from service_kit.clock import Clock
from service_kit.rpc.queries import (
    AskedRoomQueries,
    AskedUserQueries,
    Question,
    RoomQueries,
    UserQueries,
    WrongOwner,
)
from service_kit.rpc.retry import Retry
from service_kit.shards import Shard, ShardMap


class LocalAsker:
    """`servicer_of` gives the servicer of a shard's owner, or None while it is changing hands."""

    def __init__(self, servicer_of: Callable[[Shard], object | None], shards: ShardMap, clock: Clock) -> None:
        self._servicer_of = servicer_of
        self._shards = shards
        self._clock = clock

    async def stream(self, question: Question, request: Any) -> AsyncIterator[Any]:
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

    async def single(self, question: Question, request: Any) -> Any:
        shard = question.shard_of(self._shards, request)
        retry = Retry(self._clock, shard)
        while True:
            servicer = self._servicer_of(shard)
            if servicer is not None:
                try:
                    return await getattr(servicer, question.method)(request)
                except WrongOwner:
                    pass
            await retry.wait()


def local_room_queries(
    servicer_of: Callable[[Shard], RoomQueries | None], shards: ShardMap, clock: Clock
) -> RoomQueries:
    return AskedRoomQueries(LocalAsker(servicer_of, shards, clock))


def local_user_queries(
    servicer_of: Callable[[Shard], UserQueries | None], shards: ShardMap, clock: Clock
) -> UserQueries:
    return AskedUserQueries(LocalAsker(servicer_of, shards, clock))
