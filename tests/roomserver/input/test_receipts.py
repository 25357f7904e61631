"""POST receipt."""

from __future__ import annotations

import pytest

from matrix_protocol.errors import Forbidden, InvalidParam, NotFound
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, ReceiptEntry, ReceiptsRequest
from tests.roomserver.scene import ALICE, BOB, Scene, gather


async def receipts(scene: Scene, room_id: str) -> list[ReceiptEntry]:
    request = ReceiptsRequest(room_id=room_id)
    return [entry async for chunk in scene.queries.get_receipts(request) for entry in chunk.receipts]


async def receipt_of(scene: Scene, room_id: str, user_id: str, receipt_type: str = "m.read") -> str:
    found = [entry.receipt for entry in await receipts(scene, room_id)]
    return next(r.event_id for r in found if (r.user_id, r.receipt_type) == (user_id, receipt_type))


async def test_a_receipt_never_moves_back(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_ids = [await scene.send(ALICE, room_id) for _ in range(3)]
    for index, expected in ((1, 1), (0, 1), (1, 1), (2, 2), (0, 2)):
        await scene.receipt(ALICE, room_id, event_ids[index])
        assert await receipt_of(scene, room_id, ALICE) == event_ids[expected]
    await scene.fail_over()
    await scene.receipt(ALICE, room_id, event_ids[1])
    assert await receipt_of(scene, room_id, ALICE) == event_ids[2]


async def test_receipts_that_come_at_once_leave_the_latest(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_ids = [await scene.send(ALICE, room_id) for _ in range(5)]
    await gather(*(scene.receipt(ALICE, room_id, event_id) for event_id in reversed(event_ids)))
    assert await receipt_of(scene, room_id, ALICE) == event_ids[-1]


async def test_public_private_and_threaded_receipts_stand_beside_each_other(scene: Scene) -> None:
    room_id = await scene.create_room()
    old, new = await scene.send(ALICE, room_id), await scene.send(ALICE, room_id)
    await scene.receipt(ALICE, room_id, new)
    await scene.receipt(ALICE, room_id, old, receipt_type="m.read.private")
    await scene.receipt(ALICE, room_id, old, thread_id="main")
    await scene.receipt(ALICE, room_id, old, thread_id=old)
    found = {(e.receipt.receipt_type, e.receipt.thread_id, e.receipt.event_id) for e in await receipts(scene, room_id)}
    assert found == {
        ("m.read", "", new),
        ("m.read.private", "", old),
        ("m.read", "main", old),
        ("m.read", old, old),
    }


async def test_a_receipt_has_its_time_and_position(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    await scene.receipt(ALICE, room_id, event_id)
    (entry,) = await receipts(scene, room_id)
    assert entry.receipt.ts_ms == scene.clock.now_ms()
    assert entry.position > (await scene.event(room_id, event_id)).position


async def test_receipts_need_a_member_and_an_event_of_the_room(scene: Scene) -> None:
    room_id, other_room_id = await scene.create_room(), await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    with pytest.raises(Forbidden):
        await scene.receipt(BOB, room_id, event_id)
    with pytest.raises(NotFound):
        await scene.receipt(ALICE, other_room_id, event_id)
    with pytest.raises(NotFound):
        await scene.receipt(ALICE, room_id, "$nothing")
    with pytest.raises(Forbidden):
        await scene.receipt(ALICE, "!nowhere:a.example", event_id)
    with pytest.raises(InvalidParam):
        await scene.receipt(ALICE, room_id, event_id, receipt_type="m.fully_read")
    with pytest.raises(InvalidParam):
        await scene.receipt(ALICE, room_id, event_id, thread_id="thread")


async def test_a_receipt_tells_where_its_event_stands(scene: Scene) -> None:
    room_id = await scene.create_room()
    event_id = await scene.send(ALICE, room_id)
    await scene.receipt(ALICE, room_id, event_id)
    await scene.fail_over()
    (entry,) = await receipts(scene, room_id)
    event = await scene.queries.get_event(EventRequest(room_id=room_id, event_id=event_id))
    assert entry.receipt.event_position == event.position > 0


async def test_receipts_of_one_user_are_those_of_all_threads_and_of_the_main_timeline(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    event_id = await scene.send(ALICE, room_id)
    for user_id in (ALICE, BOB):
        for thread_id in ("", "main", event_id):
            await scene.receipt(user_id, room_id, event_id, thread_id=thread_id)
    request = ReceiptsRequest(room_id=room_id, user_id=BOB)
    found = [entry.receipt async for chunk in scene.queries.get_receipts(request) for entry in chunk.receipts]
    assert sorted((receipt.user_id, receipt.thread_id) for receipt in found) == [(BOB, ""), (BOB, "main")]
