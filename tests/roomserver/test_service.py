"""The worker as a whole: hand-over between workers, commands that come again, questions over gRPC."""

from __future__ import annotations

import asyncio

import pytest

from matrix_protocol.errors import Forbidden
from service_kit.bus.memory import SeededFaults
from service_kit.clock import SystemClock
from service_kit.ledger.directory import OwnerDirectory
from service_kit.ledger.tables import WORKERS
from service_kit.rpc.grpc_client import GrpcAsker
from service_kit.rpc.grpc_server import GrpcServer
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, StateRequest
from service_kit.rpc.queries import ROOM_QUESTIONS, AskedRoomQueries
from tests.roomserver.scene import ALICE, BOB, SHARDS, Scene, gather


async def let_time_pass(scene: Scene, seconds: int) -> None:
    for _ in range(seconds * 5):
        await scene.clock.advance(0.2)


async def messages_of(scene: Scene, room_id: str) -> list[str]:
    return [event["content"]["body"] for event in await scene.timeline(room_id) if event["type"] == "m.room.message"]


async def test_a_planned_hand_over_loses_and_doubles_nothing(scene: Scene) -> None:
    room_id = await scene.create_room()
    sends = [asyncio.ensure_future(scene.send(ALICE, room_id, {"body": str(n)})) for n in range(20)]
    await asyncio.sleep(0)
    former, scene.service = scene.service, scene.new_service("worker-2")
    starting = asyncio.ensure_future(scene.service.start())
    await former.drain()
    await starting
    sends.extend(asyncio.ensure_future(scene.send(ALICE, room_id, {"body": str(n)})) for n in range(20, 40))
    await let_time_pass(scene, 10)
    event_ids = await gather(*sends)
    assert len(set(event_ids)) == 40
    assert sorted(map(int, await messages_of(scene, room_id))) == list(range(40))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_lost_and_doubled_messages_of_the_bus_make_one_event_each(scene: Scene, seed: int) -> None:
    room_id = await scene.create_room()
    scene.hub.faults = SeededFaults(seed, drop=0.2, duplicate=0.2, delay=0.1, pattern="command.>")
    sends = [asyncio.ensure_future(scene.send(ALICE, room_id, {"body": str(n)})) for n in range(30)]
    await let_time_pass(scene, 30)
    scene.hub.faults = None
    await let_time_pass(scene, 5)
    assert len(set(await gather(*sends))) == 30
    assert sorted(map(int, await messages_of(scene, room_id))) == list(range(30))


async def test_two_workers_share_the_shards(scene: Scene) -> None:
    other = scene.new_service("worker-2")
    await other.start()
    await let_time_pass(scene, 10)
    assert len(scene.holder.owned_shards) == len(other.holder.owned_shards) == 1
    rooms = [await scene.create_room(preset="public_chat") for _ in range(6)]
    for room_id in rooms:
        await scene.join(BOB, room_id)
        await scene.send(BOB, room_id)
    await other.stop()


async def test_questions_are_answered_over_grpc() -> None:
    scene = await Scene.create()
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    clock = SystemClock()
    server = GrpcServer(SHARDS, clock)
    server.add(ROOM_QUESTIONS, scene.service.queries, scene.holder.owns)
    port = await server.start("127.0.0.1:0")
    (row,) = await scene.store.scan(WORKERS, ("roomserver",), limit=2)
    assert await scene.store.replace_if(
        WORKERS,
        WORKERS.key_of(row),
        row,
        row._replace(grpc_address=f"127.0.0.1:{port}", expires_at_ms=clock.now_ms() + 60_000),
    )
    asker = GrpcAsker(OwnerDirectory(scene.store, clock), SHARDS, clock)
    queries = AskedRoomQueries(asker)
    chunks = [chunk async for chunk in queries.get_state(StateRequest(room_id=room_id, as_user_id=ALICE))]
    assert [len(chunk.entries) for chunk in chunks] == [6]
    entry = await queries.get_event(EventRequest(room_id=room_id, event_id=event_id, as_user_id=ALICE))
    assert entry.event_id == event_id
    with pytest.raises(Forbidden):
        [chunk async for chunk in queries.get_state(StateRequest(room_id=room_id, as_user_id=BOB))]
    await asker.close()
    await server.stop(0)
    await scene.close()
