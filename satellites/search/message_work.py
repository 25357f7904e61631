"""Keeps the index of one room shard: from its ledger, or from the tables, where that is too old or the index lost."""

from __future__ import annotations

from collections.abc import Sequence

from satellites.search.documents import Change, change_by, changes_of
from satellites.search.index import MessageIndex
from service_kit.clock import Clock
from service_kit.ledger.consumers import PositionedFact
from service_kit.rpc.pb.room_queries_pb2 import TimelineRequest
from service_kit.rpc.pb.search_queries_pb2 import RoomsOfShardRequest
from service_kit.rpc.queries import GET_ROOMS_OF_SHARD, GET_TIMELINE, Asker
from service_kit.shards import Shard

PAGE_EVENTS = 500


class MessageWork:
    """Implements `service_kit.ledger.consumers.ShardWork`."""

    def __init__(self, shard: Shard, index: MessageIndex, asker: Asker, clock: Clock) -> None:
        self._shard = shard
        self._asker = asker
        self._clock = clock
        self._position = 0
        self.index = index

    async def open(self, recorded_position: int) -> int:
        self._position = await self.index.open(recorded_position)
        return self._position

    async def take(self, facts: Sequence[PositionedFact]) -> None:
        changes = [change for position, fact in facts for change in changes_of(position, fact)]
        through_position = facts[-1].position
        await self.index.apply(changes, after_position=self._position, through_position=through_position)
        self._position = through_position

    async def rebuild(self) -> int:
        await self.index.clear()
        head = 0
        async for chunk in self._asker.stream(GET_ROOMS_OF_SHARD, RoomsOfShardRequest(shard=self._shard.number)):
            # The same in all chunks: everything through it is in the tables, and so in what is read from now on.
            head = chunk.position
            for room_id in chunk.room_ids:
                await self._read_room(room_id, head)
        await self.index.apply([], after_position=0, through_position=head)
        self._position = head
        return head

    async def close(self) -> None:
        await self.index.close()

    async def _read_room(self, room_id: str, head: int) -> None:
        request = TimelineRequest(room_id=room_id, limit=PAGE_EVENTS)
        while True:
            more = False
            changes: list[Change] = []
            async for chunk in self._asker.stream(GET_TIMELINE, request):
                found = (change_by(entry, room_id, self._clock.now_ms(), head) for entry in chunk.entries)
                changes.extend(change for change in found if change is not None)
                more, request.from_position = chunk.more, chunk.next_position
            await self.index.apply(changes, after_position=0, through_position=0)
            if not more:
                return
