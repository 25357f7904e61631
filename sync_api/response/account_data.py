"""`account_data`, of the user and of each room: what was set after the client's position.

Spec: https://spec.matrix.org/v1.19/client-server-api/#client-config
"""

from __future__ import annotations

import orjson

from sync_api.filters import EventFilter
from sync_api.scope import SyncScope


def changed_account_data(scope: SyncScope) -> dict[str, list[bytes]]:
    """Events by room ID, "" = global: everything in an initial sync."""
    user, through = scope.user, scope.through.user
    after = scope.since.user if scope.since is not None else 0
    if user.last_account_position <= after:
        return {}
    changed: dict[str, list[bytes]] = {}
    for (room_id, event_type), entry in user.account_data.items():
        if after < entry.position <= through and _is_wanted(scope, room_id, event_type):
            changed.setdefault(room_id, []).append(_event(event_type, entry.content_json))
    return changed


def all_account_data_of(scope: SyncScope, room_id: str) -> list[bytes]:
    """For a room that is new to the client."""
    return [
        _event(event_type, entry.content_json)
        for (of_room, event_type), entry in scope.user.account_data.items()
        if of_room == room_id and entry.position <= scope.through.user and _is_wanted(scope, room_id, event_type)
    ]


def _is_wanted(scope: SyncScope, room_id: str, event_type: str) -> bool:
    wanted: EventFilter = scope.filter.room_account_data if room_id else scope.filter.account_data
    if wanted.allows_all:
        return True
    return wanted.allows_type(event_type) and wanted.allows_room(room_id) and wanted.allows_sender(scope.user.user_id)


def _event(event_type: str, content_json: bytes) -> bytes:
    return b'{"content":%b,"type":%b}' % (content_json, orjson.dumps(event_type))
