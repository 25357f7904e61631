"""Who of a room's members may be a guest.

Spec: https://spec.matrix.org/v1.19/client-server-api/#guest-access
"""

from __future__ import annotations

from roomserver.state.shard import OwnedShard
from roomserver.tables import GUESTS_BY_ROOM
from service_kit.rpc.pb.room_directory_pb2 import GuestsAnswer, GuestsRequest
from service_kit.store.interface import SCAN_ROWS_MAX, Range


async def read_guests(shard: OwnedShard, request: GuestsRequest) -> GuestsAnswer:
    """Some of those who joined as guests and are joined still: the table also has some whom others removed."""
    room = await shard.load(request.room_id)
    if room is None:
        return GuestsAnswer()
    span = Range(after=request.after_user_id or None)
    rows = await shard.store.scan(GUESTS_BY_ROOM, (request.room_id,), range=span, limit=SCAN_ROWS_MAX)
    joined = [row.user_id for row in rows if room.state.membership(row.user_id) == "join"]
    return GuestsAnswer(user_ids=joined, next_user_id=rows[-1].user_id if len(rows) == SCAN_ROWS_MAX else "")
