"""One event by its ID."""

from __future__ import annotations

from typing import NamedTuple

from matrix_protocol.errors import Forbidden, NotFound
from matrix_protocol.retention import is_expired
from roomserver.queries.viewer import memberships_of, viewer_of
from roomserver.tables import EVENTS_BY_ID, TIMELINE_BY_ROOM, TimelineRow
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility
from service_kit.store.interface import Store

NOT_FOUND = "There is no such event, or you may not see it"


class SeenEvent(NamedTuple):
    row: TimelineRow
    viewer_membership: str


async def room_of_event(store: Store, event_id: str) -> str:
    """Raises NotFound."""
    found = await store.get(EVENTS_BY_ID, (event_id,))
    if found is None:
        raise NotFound(NOT_FOUND)
    return found.room_id


async def read_event(store: Store, room_id: str, event_id: str, as_user_id: str, oldest_ms: int = 0) -> SeenEvent:
    """`oldest_ms`: messages from before are expired.

    Raises NotFound, also if the user ("" = the server itself) may not see it: nobody learns what there is.
    """
    found = await store.get(EVENTS_BY_ID, (event_id,))
    if found is None or found.room_id != room_id:
        raise NotFound(NOT_FOUND)
    row = await store.get(TIMELINE_BY_ROOM, (room_id, found.bucket, found.position))
    if row is None or is_expired(row.state_key, row.origin_server_ts_ms, oldest_ms):
        raise NotFound(NOT_FOUND)
    if not as_user_id:
        return SeenEvent(row, "")
    # "1. If the `history_visibility` was set to `world_readable`, allow", whatever it is now.
    if row.history_visibility == HistoryVisibility.WORLD_READABLE:
        memberships = await memberships_of(store, room_id, as_user_id)
        return SeenEvent(row, memberships.after(row.position))
    try:
        viewer = await viewer_of(store, room_id, as_user_id)
    except Forbidden:
        raise NotFound(NOT_FOUND) from None
    last_position = viewer.looks_until()
    if (last_position and row.position > last_position) or not await viewer.can_see(row):
        raise NotFound(NOT_FOUND)
    return SeenEvent(row, await viewer.membership_after(row.position))
