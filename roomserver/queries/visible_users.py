"""Whom a user may know of, as the user directory has it.

"Users that share a room with the requesting user; users who are joined to rooms known to the homeserver that have a
`public` join rule, […] that have a `world_readable` history visibility".
Spec: https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from matrix_protocol.errors import InvalidParam
from matrix_protocol.history_visibility import WORLD_READABLE, history_visibility_of
from matrix_protocol.join_rules import join_rule_of
from roomserver.tables import CURRENT_STATE_BY_ROOM, ROOMS_BY_USER, CurrentStateRow
from service_kit.store.interface import SCAN_ROWS_MAX, Store

PUBLIC: Final = "public"
USERS_MAX: Final = 200
ROOMS_LOOKED_AT_MAX: Final = 1000
"""Rooms of each of those people that are looked at."""
OPEN_ROOMS_TRIED_MAX: Final = 50
"""Rooms of one of them that are asked whether they are open to everybody."""


async def visible_users(store: Store, as_user_id: str, user_ids: Sequence[str]) -> list[str]:
    """Those of the users whom this one may know of, in the same order. Raises InvalidParam."""
    if len(user_ids) > USERS_MAX:
        raise InvalidParam(f"At most {USERS_MAX} users are looked at")
    own = {
        row.room_id
        async for page in store.pages(ROOMS_BY_USER, (as_user_id,))
        for row in page
        if row.membership == "join"
    }
    is_open: dict[str, bool] = {}
    return [user_id for user_id in user_ids if user_id == as_user_id or await _is_visible(store, own, user_id, is_open)]


async def _is_visible(store: Store, own: set[str], user_id: str, is_open: dict[str, bool]) -> bool:
    rows = await store.scan(ROOMS_BY_USER, (user_id,), limit=min(ROOMS_LOOKED_AT_MAX, SCAN_ROWS_MAX))
    joined = [row.room_id for row in rows if row.membership == "join"]
    if not own.isdisjoint(joined):
        return True
    for room_id in joined[:OPEN_ROOMS_TRIED_MAX]:
        known = is_open.get(room_id)
        if known is None:
            known = await _is_open(store, room_id)
            is_open[room_id] = known
        if known:
            return True
    return False


async def _is_open(store: Store, room_id: str) -> bool:
    """Whether anybody may join the room, or read it."""
    keys = [(room_id, "m.room.join_rules", ""), (room_id, "m.room.history_visibility", "")]
    join_rules, visibility = await store.get_many(CURRENT_STATE_BY_ROOM, keys)
    if join_rules is not None and join_rule_of(_content(join_rules)) == PUBLIC:
        return True
    return history_visibility_of(_content(visibility)) == WORLD_READABLE


def _content(row: CurrentStateRow | None) -> dict[str, object]:
    content = {} if row is None else orjson.loads(row.client_json)["content"]
    return content if isinstance(content, dict) else {}
