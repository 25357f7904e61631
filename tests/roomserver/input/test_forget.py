"""POST forget."""

from __future__ import annotations

import pytest

from matrix_protocol.errors import Forbidden, MatrixError
from service_kit.rpc.pb.room_queries_pb2 import RoomOfUser, RoomsOfUserRequest, StateRequest
from tests.roomserver.scene import ALICE, BOB, Action, Scene


async def rooms_of(scene: Scene, user_id: str) -> list[RoomOfUser]:
    request = RoomsOfUserRequest(user_id=user_id)
    return [room async for chunk in scene.queries.get_rooms_of_user(request) for room in chunk.rooms]


async def test_a_room_that_was_left_can_be_forgotten(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    left = await scene.leave(BOB, room_id)
    await scene.settle()
    await scene.forget(BOB, room_id)
    await scene.forget(BOB, room_id)
    await scene.settle()
    (room,) = await rooms_of(scene, BOB)
    assert (room.forgotten, room.membership, room.prev_membership, room.event_id) == (True, "leave", "join", left)
    with pytest.raises(Forbidden):
        [chunk async for chunk in scene.queries.get_state(StateRequest(room_id=room_id, as_user_id=BOB))]


async def test_joining_again_remembers(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.leave(BOB, room_id)
    await scene.settle()
    await scene.forget(BOB, room_id)
    await scene.join(BOB, room_id)
    await scene.settle()
    (room,) = await rooms_of(scene, BOB)
    assert (room.forgotten, room.membership) == (False, "join")


async def test_only_rooms_that_were_left_can_be_forgotten(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.invite(ALICE, BOB, room_id)
    for user_id, some_room_id in ((ALICE, room_id), (BOB, room_id), (BOB, "!nowhere:a.example")):
        with pytest.raises(MatrixError) as caught:
            await scene.forget(user_id, some_room_id)
        assert (caught.value.errcode, caught.value.http_status) == ("M_UNKNOWN", 400)
    await scene.change(Action.BAN, ALICE, BOB, room_id)
    await scene.settle()
    await scene.forget(BOB, room_id)
