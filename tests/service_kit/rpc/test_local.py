from __future__ import annotations

import asyncio

import pytest

from matrix_protocol.errors import NotFound, Unavailable
from service_kit.clock import ManualClock
from service_kit.rpc.local import LocalAsker
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, RoomsOfUserRequest, StateRequest, TimelineRequest
from service_kit.rpc.queries import AskedRoomQueries, answer_within
from service_kit.shards import Shard, ShardMap
from tests.service_kit.ledger.counters import settle
from tests.service_kit.rpc.servicers import RoomAnswers

SHARDS = ShardMap(4, 4)
ROOM_ID = "!r:x"


async def test_answers_come_from_the_servicer_that_owns_the_shard() -> None:
    clock = ManualClock()
    servicers = {shard: RoomAnswers(clock, name=str(shard)) for shard in SHARDS.all_of("room")}
    queries = AskedRoomQueries(LocalAsker(servicers.get, SHARDS, clock))
    chunks = [chunk async for chunk in queries.get_state(StateRequest(room_id=ROOM_ID))]
    assert [chunk.room_version for chunk in chunks] == [str(SHARDS.of_room(ROOM_ID))] * 3
    assert [chunk async for chunk in queries.get_rooms_of_user(RoomsOfUserRequest(user_id="@u:x"))]


async def test_question_waits_while_the_shard_changes_hands() -> None:
    clock = ManualClock()
    owner: list[RoomAnswers] = []
    queries = AskedRoomQueries(LocalAsker(lambda shard: owner[0] if owner else None, SHARDS, clock))
    asking = asyncio.ensure_future(queries.get_event(EventRequest(room_id=ROOM_ID, event_id="$e")))
    await settle()
    await clock.advance(1)
    assert not asking.done()
    owner.append(RoomAnswers(clock))
    owner[0].wrong_owner_times = 2
    await clock.advance(1)
    assert (await asking).event_id == "$e"


async def test_question_is_given_up_at_its_deadline() -> None:
    clock = ManualClock()

    async def ask() -> None:
        with answer_within(2, clock), answer_within(50, clock):
            await queries.get_event(EventRequest(room_id=ROOM_ID, event_id="$e"))

    def nobody(shard: Shard) -> None:
        return None

    queries = AskedRoomQueries(LocalAsker(nobody, SHARDS, clock))
    asking = asyncio.ensure_future(ask())
    await settle()
    await clock.advance(2.1)
    with pytest.raises(Unavailable):
        await asking


async def test_errors_and_moves_in_the_middle_of_an_answer_reach_the_asker() -> None:
    clock = ManualClock()
    queries = AskedRoomQueries(LocalAsker(lambda shard: RoomAnswers(clock), SHARDS, clock))
    with pytest.raises(NotFound):
        async for _ in queries.get_timeline(TimelineRequest(room_id=ROOM_ID)):
            pass
    with pytest.raises(Unavailable):
        async for _ in queries.get_timeline(TimelineRequest(room_id=ROOM_ID, limit=1)):
            pass
