from collections.abc import AsyncIterator
from typing import Any

import pytest

from matrix_protocol.errors import Forbidden, MatrixError, Unavailable
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import ChoreFact, LeaveRooms
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply
from service_kit.rpc.pb.room_queries_pb2 import RoomOfUser, RoomsOfUserChunk
from service_kit.rpc.queries import Question
from tests.userserver.cluster import ALICE
from userserver.chores import TryAgain
from userserver.room_leaver import RoomLeaver


class Rooms(CommandClient):
    """Rooms that may refuse, and tell which rooms alice is in."""

    def __init__(self) -> None:
        self.memberships = {"!a": "join", "!b": "invite", "!c": "knock", "!d": "leave", "!e": "ban"}
        self.refusals: dict[str, MatrixError] = {}
        self.error: MatrixError | None = None
        self.left: list[str] = []

    async def room(self, room_id: str, command: RoomCommand, *, timeout_s: float = 0) -> RoomReply:
        if room_id in self.refusals:
            raise self.refusals[room_id]
        assert command.change_membership.target == ALICE
        self.left.append(room_id)
        return RoomReply()

    async def stream(self, question: Question[Any, Any], request: Any) -> AsyncIterator[Any]:
        if self.error is not None:
            raise self.error
        for room_id, membership in self.memberships.items():
            yield RoomsOfUserChunk(rooms=[RoomOfUser(room_id=room_id, membership=membership)])

    async def single(self, question: Question[Any, Any], request: Any) -> Any:
        raise NotImplementedError


CHORE = ChoreFact(leave_rooms=LeaveRooms(user_id=ALICE))


async def test_joined_invited_and_knocked_rooms_are_left() -> None:
    rooms = Rooms()
    await RoomLeaver(rooms, rooms).do(CHORE)
    assert sorted(rooms.left) == ["!a", "!b", "!c"]


async def test_room_that_refuses_for_good_holds_nothing_up() -> None:
    rooms = Rooms()
    rooms.refusals["!a"] = Forbidden("no")
    await RoomLeaver(rooms, rooms).do(CHORE)
    assert sorted(rooms.left) == ["!b", "!c"]


async def test_what_is_not_available_is_tried_again() -> None:
    rooms = Rooms()
    rooms.refusals["!a"] = Unavailable("moving")
    with pytest.raises(TryAgain):
        await RoomLeaver(rooms, rooms).do(CHORE)
    assert sorted(rooms.left) == ["!b", "!c"]
    rooms.error = Unavailable("moving")
    with pytest.raises(TryAgain):
        await RoomLeaver(rooms, rooms).do(CHORE)
