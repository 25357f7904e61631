"""A timeline without state events that something hidden has replaced.

    name "old"    shown
    name "new"    not shown: the filter, or the history visibility, leaves it out; it comes in `state`

Clients take `state` first and the timeline then, so that "old" would have the last word. The timeline begins after it
instead, and is limited: /messages leads back to what it left out. With `state_after` nothing of this is needed.
"""

from __future__ import annotations

from sync_api.entries import MEMBER, EntryKey, StateEvent
from sync_api.response.state import current_members
from sync_api.response.timeline import Window
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope
from sync_api.user_view import Membership


async def without_outdated_state(
    scope: SyncScope, contents: RoomContents, membership: Membership, window: Window, through_position: int
) -> Window:
    if scope.state_after or not _may_hide(scope, membership, window):
        return window
    last_shown: dict[EntryKey, int] = {}
    for event in window.events:
        if event.state_key is not None:
            last_shown[event.type, event.state_key] = event.position
    if not last_shown:
        return window
    current = await _current(scope, contents, membership.room_id, set(last_shown))
    shown = window.shown
    outdated = [
        last_shown[entry.key]
        for entry in current
        if last_shown[entry.key] < entry.position <= through_position and entry.event_id not in shown
    ]
    if not outdated:
        return window
    start = max(outdated)
    return Window([event for event in window.events if event.position > start], True, start)


def _may_hide(scope: SyncScope, membership: Membership, window: Window) -> bool:
    """Since they joined, a user sees everything."""
    return not scope.filter.timeline.allows_all or (
        bool(window.events) and window.events[0].position < membership.joined_at
    )


async def _current(scope: SyncScope, contents: RoomContents, room_id: str, keys: set[EntryKey]) -> list[StateEvent]:
    members = [state_key for event_type, state_key in keys if event_type == MEMBER]
    found = await current_members(scope, contents, room_id, members)
    return found + [contents.state[key] for key in keys if key in contents.state]
