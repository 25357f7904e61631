"""Which events of a room a user may see.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_protocol.membership import INVITE, JOIN

WORLD_READABLE = "world_readable"
SHARED = "shared"
INVITED = "invited"
JOINED = "joined"

HISTORY_VISIBILITIES = frozenset({WORLD_READABLE, SHARED, INVITED, JOINED})


def history_visibility_of(content: Mapping[str, Any] | None) -> str:
    """The setting of a room's `m.room.history_visibility` content (None: the room has no such event).

    "By default if no `history_visibility` is set, or if the value is not understood, the visibility is assumed to be
    `shared`."
    """
    visibility = content.get("history_visibility") if content is not None else None
    return visibility if isinstance(visibility, str) and visibility in HISTORY_VISIBILITIES else SHARED


def can_user_see_event(
    visibility: str, membership_at_event: str, current_membership: str = "leave", *, joined_later: bool = False
) -> bool:
    """May the user see an event that was sent under this visibility?

    `membership_at_event` is the user's in the state before the event. `joined_later`: the user joined at some point
    after the event, though perhaps isn't in the room any more; who is in it now and wasn't then, did.
    """
    # "1. If the `history_visibility` was set to `world_readable`, allow."
    # "2. If the user's `membership` was `join`, allow."
    if membership_at_event == JOIN or visibility == WORLD_READABLE:
        return True
    # "3. If `history_visibility` was set to `shared`, and the user joined the room at any point after the event was
    #  sent, allow."
    if visibility == INVITED:
        # "4. If the user's `membership` was `invite`, and the `history_visibility` was set to `invited`, allow."
        return membership_at_event == INVITE
    # "5. Otherwise, deny."
    return visibility != JOINED and (current_membership == JOIN or joined_later)


def can_user_see_visibility_change(
    before: str, after: str, membership_at_event: str, current_membership: str = "leave", *, joined_later: bool = False
) -> bool:
    """ "For `m.room.history_visibility` events themselves, the user should be allowed to see the event if the
    `history_visibility` before *or* after the event would allow them to see it."""
    return any(
        can_user_see_event(visibility, membership_at_event, current_membership, joined_later=joined_later)
        for visibility in (before, after)
    )


def can_user_see_own_membership_change(
    visibility: str, before: str, after: str, current_membership: str = "leave", *, joined_later: bool = False
) -> bool:
    """ "Likewise, for the user's own `m.room.member` events, the user should be allowed to see the event if their
    `membership` before *or* after the event would allow them to see it."""
    return any(
        can_user_see_event(visibility, membership, current_membership, joined_later=joined_later)
        for membership in (before, after)
    )
