"""What a room's successor begins with, in the order in which it is sent there.

    1 the state of `matrix_protocol.room_upgrade`, power levels apart
    2 a space's children
    3 bans: who was not wanted in the old room is not wanted in the new one
    4 the power levels

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"Replicates transferable state events to the new room. The exact details for what is transferred is left as an
implementation detail". Other memberships are not: "Membership events should not be transferred to the new room".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from matrix_protocol.errors import UnsupportedRoomVersion
from matrix_protocol.power_levels import POWER_LEVELS
from matrix_protocol.room_upgrade import CARRIED_TYPES, carried_content, carried_power_levels
from matrix_protocol.room_versions import ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.spaces import SPACE, SPACE_CHILD
from roomserver.input.upgrade import check_may_upgrade
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import CURRENT_STATE_BY_ROOM, CurrentStateRow
from service_kit.rpc.pb.room_directory_pb2 import CarriedEvent, UpgradeStateAnswer, UpgradeStateRequest
from service_kit.store.interface import SCAN_ROWS_MAX, Range

EVENTS_MAX: Final = 900
"""With the rest less than what one command may put into the ledger (`FACTS_PER_COMMAND_MAX`)."""
BYTES_MAX: Final = 2 * 1024 * 1024
"""What is beyond either is left behind: the last bans, and before them the last children of a space."""
_GET_AT_ONCE: Final = 500


async def upgrade_state(shard: OwnedShard, request: UpgradeStateRequest) -> UpgradeStateAnswer:
    """The tables hold what was committed. Raises Forbidden, UnsupportedRoomVersion."""
    room = check_may_upgrade(await shard.load(request.room_id), request.user_id)
    new_rules = ROOM_VERSIONS.get(request.room_version)
    if new_rules is None:
        raise UnsupportedRoomVersion(f"This server does not host rooms of version {request.room_version[:32]}")
    create_event = room.state_event("m.room.create", "")
    assert create_event is not None, "a room begins with its create event"
    answer = UpgradeStateAnswer(
        create_content_json=orjson.dumps(create_event.content), last_event_id=room.forward_extremity_ids[0]
    )
    levels = _levels(room, new_rules, [request.user_id, *request.additional_creators])
    size = len(levels.content_json)
    async for event in _carried(shard, room, new_rules):
        size += event.ByteSize()
        if size > BYTES_MAX or len(answer.events) >= EVENTS_MAX:
            break
        answer.events.append(event)
    answer.events.append(levels)
    return answer


async def _carried(shard: OwnedShard, room: RoomInMemory, rules: RoomVersionRules) -> AsyncIterator[CarriedEvent]:
    room_id = room.room_id
    keys = [(room_id, event_type, "") for event_type in CARRIED_TYPES if event_type != POWER_LEVELS]
    for row in await shard.store.get_many(CURRENT_STATE_BY_ROOM, keys):
        if row is not None:
            yield _event(row, carried_content(row.type, _content(row), rules))
    create_event = room.state_event("m.room.create", "")
    if create_event is not None and create_event.content.get("type") == SPACE:
        span = Range(prefix=(SPACE_CHILD,))
        for row in await shard.store.scan(CURRENT_STATE_BY_ROOM, (room_id,), range=span, limit=SCAN_ROWS_MAX):
            if content := _content(row):
                yield _event(row, content)
    members = room.state.members() if room.state.count("ban") else ()
    banned = [user_id for user_id, membership in members if membership == "ban"]
    for first in range(0, len(banned), _GET_AT_ONCE):
        keys = [(room_id, MEMBER, user_id) for user_id in banned[first : first + _GET_AT_ONCE]]
        for row in await shard.store.get_many(CURRENT_STATE_BY_ROOM, keys):
            if row is not None and row.membership == "ban":
                yield _event(
                    row, {key: value for key, value in _content(row).items() if key in ("membership", "reason")}
                )


def _levels(room: RoomInMemory, new_rules: RoomVersionRules, new_creators: list[str]) -> CarriedEvent:
    event = room.state_event(POWER_LEVELS, "")
    content = carried_power_levels(
        {} if event is None else event.content, room.power_levels(), room.rules, new_rules, new_creators
    )
    return CarriedEvent(type=POWER_LEVELS, content_json=orjson.dumps(content))


def _content(row: CurrentStateRow) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(row.client_json)["content"]
    return content


def _event(row: CurrentStateRow, content: Mapping[str, Any]) -> CarriedEvent:
    return CarriedEvent(type=row.type, state_key=row.state_key, content_json=orjson.dumps(content))
