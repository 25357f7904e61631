"""How far a user has read: receipts (at the room) and the fully-read marker (account data of the user)."""

from __future__ import annotations

import orjson

from api_gateway.checks import check_event_id
from service_kit.clock import Clock
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SetReceipt
from service_kit.rpc.pb.user_commands_pb2 import SetAccountData, UserCommand

READ = "m.read"
PRIVATE_READ = "m.read.private"
FULLY_READ = "m.fully_read"


class ReadMarks:
    """Sets receipts and markers of one user in one room after the other."""

    def __init__(self, commands: CommandClient, clock: Clock) -> None:
        self._commands = commands
        self._clock = clock

    async def set_receipt(
        self, user_id: str, room_id: str, receipt_type: str, event_id: str, *, thread_id: str = "", timeout_s: float
    ) -> None:
        receipt = SetReceipt(
            user_id=user_id,
            receipt_type=receipt_type,
            event_id=check_event_id(event_id),
            thread_id=thread_id,
            ts_ms=self._clock.now_ms(),
        )
        await self._commands.room(room_id, RoomCommand(set_receipt=receipt), timeout_s=timeout_s)

    async def set_fully_read(self, user_id: str, room_id: str, event_id: str, *, timeout_s: float) -> None:
        """NOTSPEC: whether the event belongs to the room is not checked; a wrong marker misleads only its user."""
        content = orjson.dumps({"event_id": check_event_id(event_id)})
        command = SetAccountData(user_id=user_id, room_id=room_id, type=FULLY_READ, content_json=content)
        await self._commands.user(user_id, UserCommand(set_account_data=command), timeout_s=timeout_s)
