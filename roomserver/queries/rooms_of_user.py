"""The rooms that a user is or was in, or is invited to."""

from __future__ import annotations

from collections.abc import AsyncIterator

from roomserver.tables import ROOMS_BY_USER, RoomByUserRow
from service_kit.rpc.pb.room_queries_pb2 import RoomOfUser, RoomsOfUserChunk
from service_kit.store.interface import Store


async def rooms_of_user_chunks(store: Store, user_id: str) -> AsyncIterator[RoomsOfUserChunk]:
    """A chunk for each page of the store (at most 1000)."""
    async for page in store.pages(ROOMS_BY_USER, (user_id,)):
        yield RoomsOfUserChunk(rooms=[_room(row) for row in page])


def _room(row: RoomByUserRow) -> RoomOfUser:
    return RoomOfUser(
        room_id=row.room_id,
        membership=row.membership,
        event_id=row.event_id,
        position=row.position,
        invite_state_json=row.invite_state_json,
        sender=row.sender,
        forgotten=row.forgotten,
        prev_membership=row.prev_membership,
    )
