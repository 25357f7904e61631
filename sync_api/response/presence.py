"""`presence`: who has become what since the client's token, among those who share a room with the user.

| the client                          | is told of                                                        |
|-------------------------------------|-------------------------------------------------------------------|
| comes with a token of lately        | the changes noted in the user's view                              |
| comes with an older one             | those who changed since, the last 500 of them                     |
| is new, or new in a room            | whoever is there of the room's members                            |

Spec: https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson

from matrix_protocol.errors import MatrixError
from service_kit.limits import PRESENCE_ROOM_MEMBERS_MAX
from sync_api.presence.spread import PresenceSpread
from sync_api.presence.table import OFFLINE, Entry, PresenceTable
from sync_api.response.join import JoinedRoom
from sync_api.scope import SyncScope

PRESENCE = "m.presence"
CAUGHT_UP_MAX = 500


async def presence_events(
    scope: SyncScope, joins: Iterable[JoinedRoom], table: PresenceTable, spread: PresenceSpread
) -> list[bytes]:
    """Sets what the token says of presence."""
    view = scope.user
    after_ms = scope.since.presence_ms if scope.since is not None else 0
    through_ms = max(after_ms, table.through_ms)
    scope.through = scope.through._replace(presence_ms=through_ms)
    wanted = scope.filter.presence
    if not through_ms or not wanted.allows_type(PRESENCE):
        return []
    known_from_ms = view.presence_from_ms
    if known_from_ms is None:
        # What is being spread at this moment was perhaps not noted in this view.
        known_from_ms = view.presence_from_ms = max(through_ms, table.latest_ms)
    chosen: dict[str, None] = {}
    if scope.since is not None:
        # A token without a time is of before this worker, or this server, knew anybody's presence.
        if after_ms < known_from_ms:
            chosen |= dict.fromkeys([user_id async for user_id in _changed_since(scope, after_ms, table, spread)])
        for user_id, changed_at_ms in list(view.presence_news.items()):
            if after_ms < changed_at_ms <= through_ms:
                chosen[user_id] = None
    chosen |= dict.fromkeys(_members_of_new_rooms(scope, joins, table))
    events = []
    for user_id in chosen:
        entry = table.get(user_id)
        if entry is not None and user_id not in view.ignored_user_ids and wanted.allows_sender(user_id):
            events.append(_event(user_id, entry, scope.now_ms))
    return events if wanted.limit is None else events[-wanted.limit :] if wanted.limit else []


def _members_of_new_rooms(scope: SyncScope, joins: Iterable[JoinedRoom], table: PresenceTable) -> Iterable[str]:
    since = scope.since
    for room in joins:
        membership, contents = room.membership, room.view.contents
        if since is not None and not scope.full_state and membership.joined_at <= since.rooms[membership.shard_number]:
            continue
        if contents is None or contents.joined_count > PRESENCE_ROOM_MEMBERS_MAX:
            continue
        for user_id, member in contents.members.items():
            entry = table.get(user_id)
            if entry is not None and entry.presence != OFFLINE and member.membership == "join":
                yield user_id


async def _changed_since(
    scope: SyncScope, after_ms: int, table: PresenceTable, spread: PresenceSpread
) -> AsyncIterator[str]:
    """Those of the last changes that concern the user."""
    changed: list[str] = []
    for user_id, entry in table.newest_first():
        if entry.changed_at_ms <= after_ms or len(changed) == CAUGHT_UP_MAX:
            break
        changed.append(user_id)
    for user_id in changed:
        try:
            shared = await spread.shared_rooms(user_id)
        except MatrixError:
            continue
        if user_id == scope.user.user_id or not shared.isdisjoint(scope.user.joined):
            yield user_id


def _event(user_id: str, entry: Entry, now_ms: int) -> bytes:
    # "If `currently_active` is true, the server will not send further updates to the last active time until […] a
    #  presence state other than `online`": it is so as long as they are online.
    content: dict[str, Any] = {"presence": entry.presence, "currently_active": entry.presence == "online"}
    if entry.last_active_at_ms:
        content["last_active_ago"] = max(0, now_ms - entry.last_active_at_ms)
    if entry.status_msg:
        content["status_msg"] = entry.status_msg
    return b'{"content":%b,"sender":%b,"type":"m.presence"}' % (orjson.dumps(content), orjson.dumps(user_id))
