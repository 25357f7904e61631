"""Which events of a room a user may see, or another server.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from matrix_protocol.events.redaction import redact
from matrix_protocol.json_types import JsonObject
from matrix_protocol.membership import INVITE, JOIN, LEAVE
from matrix_protocol.room_versions import RoomVersionRules

WORLD_READABLE = "world_readable"
SHARED = "shared"
INVITED = "invited"
JOINED = "joined"

_Event = TypeVar("_Event")

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


class VisibilityAtEvent(NamedTuple):
    """The room's history visibility in the state before an event and after it: two for a change of it, else one."""

    before: str
    after: str


class MembershipAtEvent(NamedTuple):
    """A user's membership in the state before an event and after it: two for the user's own member event, else one."""

    before: str
    after: str
    joined_later: bool = False
    """The user joined at some point after the event; who is joined now, but not after the event, did."""


STRANGER = MembershipAtEvent(LEAVE, LEAVE)


def is_visible(visibility: VisibilityAtEvent, membership: MembershipAtEvent) -> bool:
    """May the user see the event? All the rules at once, those for changes of visibility and membership included."""
    return any(
        can_user_see_event(setting, state, joined_later=membership.joined_later)
        for setting in dict.fromkeys(visibility)
        for state in dict.fromkeys((membership.before, membership.after))
    )


def visible_events(events: Iterable[tuple[_Event, VisibilityAtEvent, MembershipAtEvent]]) -> list[_Event]:
    """Those of the events that a user may see, in their order."""
    return [event for event, visibility, membership in events if is_visible(visibility, membership)]


def can_server_see_event(
    visibility: VisibilityAtEvent, memberships: Iterable[MembershipAtEvent], *, joined_later: bool = False
) -> bool:
    """May a server see the event: does it have a user who may?

    `memberships`: of those of its users who had any in the state before the event or after it. `joined_later`: some
    user of it joined after the event, also one who is not among them.
    """
    return is_visible(visibility, STRANGER._replace(joined_later=joined_later)) or any(
        is_visible(visibility, membership) for membership in memberships
    )


def needs_memberships(visibility: VisibilityAtEvent, *, joined_later: bool) -> bool:
    """Whether `can_server_see_event` depends on the memberships at the event: if not, they need not be read."""
    return not is_visible(visibility, STRANGER._replace(joined_later=joined_later))


class EventForServer(NamedTuple):
    """An event that a server has asked for, with what decides whether it may see it."""

    pdu: JsonObject
    visibility: VisibilityAtEvent
    memberships: Collection[MembershipAtEvent] = ()


def pdus_for_server(
    events: Iterable[EventForServer], rules: RoomVersionRules, *, joined_later: bool = False
) -> Iterator[JsonObject]:
    """The events as a server may see them: as they are, or redacted, in their order.

    NOTSPEC: the server-server API says nothing of history visibility. An event cannot be left out, since others refer
    to it; redacted, it keeps its ID, its signatures, and what the auth rules need. So a redacted copy is what a server
    gets of an event that none of its users may see.
    """
    for event in events:
        is_shown = can_server_see_event(event.visibility, event.memberships, joined_later=joined_later)
        yield event.pdu if is_shown else redact(event.pdu, rules)
