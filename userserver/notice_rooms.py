"""In which room the server tells a user something: "Servers should manage exactly 1 server notices room per user."

The room is named here before it is made. If it never came to be (whoever was to make it died), another may be named
after `CLAIM_MS`.

Spec: https://spec.matrix.org/v1.19/client-server-api/#server-notices
"""

from __future__ import annotations

from typing import Final

from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, NoticeRoomFact
from service_kit.rpc.pb.user_commands_pb2 import ClaimNoticeRoom, UserReply
from service_kit.store.interface import Store
from userserver.live_rows import LiveRow, LiveRows
from userserver.report_tables import NOTICE_ROOMS, NoticeRoomRow
from userserver.unapplied import Unapplied

CLAIM_MS: Final = 5 * 60 * 1000
"""Much longer than making a room may take."""


class NoticeRooms:
    def __init__(self, store: Store, unapplied: Unapplied) -> None:
        self._rows = LiveRows(store, NOTICE_ROOMS, unapplied)

    async def prepare(self, command: ClaimNoticeRoom) -> LiveRow[NoticeRoomRow]:
        return await self._rows.load(command.user_id)

    def claim(self, command: ClaimNoticeRoom, live: LiveRow[NoticeRoomRow], batch: Batch) -> UserReply:
        """Answers with the room that it is now."""
        current = live.row
        if current is not None:
            is_abandoned = current.claimed_at_ms + CLAIM_MS < batch.now_ms
            if current.room_id != command.replaces_room_id or not is_abandoned:
                return UserReply(room_id=current.room_id)
        row = NoticeRoomRow(command.user_id, command.room_id, batch.now_ms)
        fact = NoticeRoomFact(user_id=row.user_id, room_id=row.room_id, claimed_at_ms=row.claimed_at_ms)
        self._rows.changed(live, row, batch.add(Fact(notice_room=fact)))
        return UserReply(room_id=row.room_id)
