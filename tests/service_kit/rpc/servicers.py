"""A servicer that answers from what it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator

from matrix_protocol.errors import LimitExceeded, NotFound
from service_kit.clock import Clock
from service_kit.rpc.pb.room_queries_pb2 import (
    EventRequest,
    ReceiptsChunk,
    ReceiptsRequest,
    RoomsOfUserChunk,
    RoomsOfUserRequest,
    StateChunk,
    StateEntry,
    StateRequest,
    TimelineChunk,
    TimelineEntry,
    TimelineRequest,
)
from service_kit.rpc.queries import WrongOwner, deadline_s


class RoomAnswers:
    def __init__(self, clock: Clock, *, name: str = "a") -> None:
        self.clock = clock
        self.name = name
        self.wrong_owner_times = 0
        self.remaining_s = 0.0

    async def get_state(self, request: StateRequest) -> AsyncIterator[StateChunk]:
        for number in range(3):
            yield StateChunk(room_version=self.name, entries=[StateEntry(type=f"t{number}")])

    async def get_timeline(self, request: TimelineRequest) -> AsyncIterator[TimelineChunk]:
        yield TimelineChunk(next_position=request.from_position)
        if request.limit == 1:
            raise WrongOwner
        raise NotFound("There is no such room: ключ", room_id=request.room_id)

    async def get_event(self, request: EventRequest) -> TimelineEntry:
        self.remaining_s = deadline_s(self.clock) - self.clock.monotonic_s()
        if self.wrong_owner_times:
            self.wrong_owner_times -= 1
            raise WrongOwner
        if request.event_id == "$busy":
            raise LimitExceeded("Slowly", retry_after_ms=7)
        if request.event_id == "$flaw":
            raise RuntimeError("secret")
        return TimelineEntry(event_id=request.event_id, sender=self.name)

    async def get_receipts(self, request: ReceiptsRequest) -> AsyncIterator[ReceiptsChunk]:
        yield ReceiptsChunk()

    async def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]:
        yield RoomsOfUserChunk()
