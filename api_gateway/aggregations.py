"""Bundled aggregations as the caller sees them: without the users whom they ignore.

Only pages with something that ignored users may have a part in cost the question whom the caller ignores.

Spec: https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import orjson

from matrix_protocol.errors import NotFound
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import AggregationsRequest, TimelineEntry
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, UserCommand
from service_kit.rpc.queries import GET_AGGREGATIONS, Asker

IGNORED_USER_LIST: Final = "m.ignored_user_list"
IGNORED_USERS_MAX: Final = 1000
"""NOTSPEC: of a longer list, the first so many are left out of aggregations; their events, /sync leaves out anyway."""
POSITIONS_MAX: Final = 1000


async def ignored_by(caller: Caller, commands: CommandClient) -> list[str]:
    """The users whom the caller ignores."""
    command = GetAccountData(user_id=caller.user_id, type=IGNORED_USER_LIST)
    try:
        reply = await commands.user(caller.user_id, UserCommand(get_account_data=command))
    except NotFound:
        return []
    ignored = orjson.loads(reply.json).get("ignored_users")
    return list(ignored)[:IGNORED_USERS_MAX] if isinstance(ignored, dict) else []


async def leave_out_ignored(
    entries: Iterable[TimelineEntry], caller: Caller, asker: Asker, commands: CommandClient
) -> None:
    """Have what is bundled with these events counted anew if the caller ignores anybody. Changes the entries."""
    concerned = sorted((entry for entry in entries if _may_concern(entry)), key=lambda entry: entry.room_id)
    if not concerned:
        return
    ignored = await ignored_by(caller, commands)
    if not ignored:
        return
    for room_id, group in groupby(concerned, key=lambda entry: entry.room_id):
        of_room = list(group)
        for first in range(0, len(of_room), POSITIONS_MAX):
            await _replace(room_id, of_room[first : first + POSITIONS_MAX], ignored, caller, asker)


def _may_concern(entry: TimelineEntry) -> bool:
    """Edits are the sender's own: whoever ignores them does not get the event either."""
    if not entry.HasField("aggregations"):
        return False
    return entry.aggregations.replies > 0 or len(entry.aggregations.reference_event_ids) > 0


async def _replace(
    room_id: str, entries: Sequence[TimelineEntry], ignored: Sequence[str], caller: Caller, asker: Asker
) -> None:
    request = AggregationsRequest(
        room_id=room_id,
        as_user_id=caller.user_id,
        positions=[entry.position for entry in entries],
        ignored_user_ids=ignored,
    )
    by_position = {entry.position: entry for entry in entries}
    for entry in entries:
        entry.ClearField("aggregations")
    async for chunk in asker.stream(GET_AGGREGATIONS, request):
        for found in chunk.entries:
            by_position[found.position].aggregations.CopyFrom(found.aggregations)
