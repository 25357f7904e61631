"""What a room looks like from outside: its summary, and the children of a space, for those who may see them.

Spec: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy, which says:

"The server should return any rooms where at least one of the following conditions is true:

* The requesting user is currently a member (their room membership is `join`).
* The requesting user already has permission to join, i.e. one of the following:
  * The user's room membership is `invite`.
  * The room's join rules are set to `public`.
  * The room's join rules are set to `restricted`, provided the user meets one of the specified conditions.
* The room is "knockable" (the room's join rules are set to `knock`, or `knock_restricted`, in a room version that
  supports those settings).
* The room's `m.room.history_visibility` is set to `world_readable`."
"""

from __future__ import annotations

from typing import Final

import orjson

from matrix_protocol.join_rules import join_rule_of
from matrix_protocol.room_summary import room_summary
from matrix_protocol.spaces import SPACE, SPACE_CHILD, in_order, is_child, is_suggested
from roomserver.input.publication import content_of
from roomserver.input.restricted_join import allowed_room_ids, joined_rooms_among
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import CURRENT_STATE_BY_ROOM
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility
from service_kit.rpc.pb.room_directory_pb2 import SpaceChild, SummariesRequest, SummaryAnswer
from service_kit.store.interface import Range

ROOMS_MAX: Final = 100
"""In one question."""
CHILDREN_MAX: Final = 1000
CHILDREN_BYTES_MAX: Final = 256 * 1024
"""Both of one space; what is beyond is left out."""


async def look_at(shard: OwnedShard, room_id: str, request: SummariesRequest) -> SummaryAnswer:
    """One room; `visible` is false if there is none, or the user may not see it."""
    answer = SummaryAnswer(room_id=room_id)
    room = await shard.load(room_id)
    if room is None or not await _is_visible(shard, room, request.as_user_id):
        return answer
    answer.visible = True
    answer.membership = room.state.membership(request.as_user_id) if request.as_user_id else ""
    answer.summary_json = orjson.dumps(room_summary(room_id, content_of(room), room.state.count("join")))
    if request.with_children and _is_space(room):
        answer.children.extend(await _children(shard, room_id, request.suggested_only))
    return answer


async def _is_visible(shard: OwnedShard, room: RoomInMemory, user_id: str) -> bool:
    if room.history_visibility == HistoryVisibility.WORLD_READABLE:
        return True
    membership = room.state.membership(user_id) if user_id else ""
    if membership in ("join", "invite"):
        return True
    if membership == "ban":
        return False
    join_rules = room.state_event("m.room.join_rules", "")
    join_rule = join_rule_of(None if join_rules is None else join_rules.content)
    rules = room.rules.authorization
    if (
        join_rule == "public"
        or (join_rule == "knock" and rules.knocking)
        or (join_rule == "knock_restricted" and rules.knock_restricted_joins)
    ):
        return True
    allowed = allowed_room_ids(room) if user_id else []
    return bool(allowed) and bool(await joined_rooms_among(shard, user_id, allowed))


def _is_space(room: RoomInMemory) -> bool:
    """ "If the room is not a space-room, this should be empty." """
    create_event = room.state_event("m.room.create", "")
    return create_event is not None and create_event.content.get("type") == SPACE


async def _children(shard: OwnedShard, room_id: str, suggested_only: bool) -> list[SpaceChild]:
    rows = await shard.store.scan(
        CURRENT_STATE_BY_ROOM, (room_id,), range=Range(prefix=(SPACE_CHILD,)), limit=CHILDREN_MAX
    )
    events = [orjson.loads(row.client_json) for row in rows]
    wanted = [event for event in events if is_child(event) and (not suggested_only or is_suggested(event))]
    children: list[SpaceChild] = []
    size = 0
    for event in in_order(wanted):
        # "represented as Stripped State Events with an added `origin_server_ts` key"
        stripped = {name: event[name] for name in ("content", "origin_server_ts", "sender", "state_key", "type")}
        child = SpaceChild(room_id=event["state_key"], stripped_json=orjson.dumps(stripped))
        size += len(child.stripped_json)
        if size > CHILDREN_BYTES_MAX:
            break
        children.append(child)
    return children
