"""Over real sockets on the loopback, with the real clock: gRPC keeps its own time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import LimitExceeded, NotFound, Unavailable, Unknown
from service_kit.clock import SystemClock
from service_kit.ledger.directory import OwnerDirectory
from service_kit.ledger.tables import SHARD_OWNERS, WORKERS, ShardOwnerRow, WorkerRow
from service_kit.rpc.grpc_client import GrpcAsker
from service_kit.rpc.grpc_server import GrpcServer
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, RoomsOfUserRequest, StateRequest, TimelineRequest
from service_kit.rpc.queries import ROOM_QUESTIONS, AskedRoomQueries, RoomQueries, answer_within
from service_kit.shards import Shard, ShardMap
from service_kit.store.memory import MemoryStore
from tests.service_kit.ledger.counters import TABLES
from tests.service_kit.rpc.servicers import RoomAnswers

pytestmark = pytest.mark.slow

SHARDS = ShardMap(1, 1)
SHARD = Shard("room", 0)
ROOM_ID = "!r:x"


class Worker:
    """A gRPC listener of a worker called `name`."""

    def __init__(self, name: str, clock: SystemClock) -> None:
        self.name = name
        self.owned = {SHARD}
        self.answers = RoomAnswers(clock, name=name)
        self.server = GrpcServer(SHARDS, clock)
        asked = [question for question in ROOM_QUESTIONS if hasattr(self.answers, question.method)]
        self.server.add(asked, self.answers, lambda shard: shard in self.owned)
        self.port = 0

    async def start(self) -> None:
        self.port = await self.server.start("127.0.0.1:0")


class Scene:
    def __init__(self) -> None:
        self.clock = SystemClock()
        self.store = MemoryStore(TABLES)
        self.workers = {name: Worker(name, self.clock) for name in ("a", "b")}
        self.asker = GrpcAsker(OwnerDirectory(self.store, self.clock), SHARDS, self.clock)
        self.queries: RoomQueries = AskedRoomQueries(self.asker)

    async def start(self) -> None:
        for worker in self.workers.values():
            await worker.start()
            row = WorkerRow("roomserver", worker.name, 2**53, f"127.0.0.1:{worker.port}", 0)
            await self.store.replace_if(WORKERS, WORKERS.key_of(row), None, row)

    async def give_to(self, worker: str) -> None:
        former = await self.store.get(SHARD_OWNERS, ("room", 0))
        row = ShardOwnerRow("room", 0, worker, former.epoch + 1 if former else 1)
        await self.store.replace_if(SHARD_OWNERS, ("room", 0), former, row)
        for name, other in self.workers.items():
            other.owned = {SHARD} if name == worker else set()

    async def event(self, event_id: str = "$e") -> str:
        return (await self.queries.get_event(EventRequest(room_id=ROOM_ID, event_id=event_id))).sender

    async def close(self) -> None:
        await self.asker.close()
        for worker in self.workers.values():
            await worker.server.stop(0)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    await scene.start()
    await scene.give_to("a")
    yield scene
    await scene.close()
    del scene
    gc.collect()


async def test_streams_and_single_answers_come_from_the_owner(scene: Scene) -> None:
    chunks = [chunk async for chunk in scene.queries.get_state(StateRequest(room_id=ROOM_ID))]
    assert [chunk.room_version for chunk in chunks] == ["a", "a", "a"]
    assert await scene.event() == "a"
    assert [chunk async for chunk in scene.queries.get_rooms_of_user(RoomsOfUserRequest(user_id="@u:x"))]


async def test_question_follows_the_shard_to_its_new_owner(scene: Scene) -> None:
    assert await scene.event() == "a"
    await scene.give_to("b")
    assert await scene.event() == "b"
    await scene.workers["b"].server.stop(0)
    await scene.give_to("a")
    assert await scene.event() == "a"


async def test_question_waits_for_an_owner_and_gives_up_at_its_deadline(scene: Scene) -> None:
    await scene.give_to("")
    asking = asyncio.ensure_future(scene.event())
    await asyncio.sleep(0.03)
    await scene.give_to("b")
    assert await asking == "b"
    await scene.give_to("")
    with pytest.raises(Unavailable), answer_within(0.05, scene.clock):
        await scene.event()


async def test_matrix_errors_arrive_whole(scene: Scene) -> None:
    with pytest.raises(LimitExceeded) as busy:
        await scene.event("$busy")
    assert busy.value.extra == {"retry_after_ms": 7}
    with pytest.raises(NotFound) as missing:
        async for _ in scene.queries.get_timeline(TimelineRequest(room_id=ROOM_ID)):
            pass
    assert missing.value.message == "There is no such room: ключ"
    assert missing.value.extra == {"room_id": ROOM_ID}


async def test_flaws_of_the_servicer_are_logged_and_not_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unknown) as flaw:
        await scene.event("$flaw")
    assert "secret" not in str(flaw.value)
    assert "secret" in caplog.text


async def test_shard_that_moves_in_the_middle_of_an_answer_ends_it(scene: Scene) -> None:
    with pytest.raises(Unavailable):
        async for _ in scene.queries.get_timeline(TimelineRequest(room_id=ROOM_ID, limit=1)):
            pass


async def test_the_askers_deadline_reaches_the_servicer(scene: Scene) -> None:
    with answer_within(5, scene.clock):
        await scene.event()
    assert 4 < scene.workers["a"].answers.remaining_s <= 5


async def test_reader_may_stop_in_the_middle(scene: Scene) -> None:
    async for chunk in scene.queries.get_state(StateRequest(room_id=ROOM_ID)):
        assert chunk.entries
        break
    assert await scene.event() == "a"
