"""The membership of a user in a room: values, and what a change of it is called.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-membership
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

JOIN = "join"
INVITE = "invite"
KNOCK = "knock"
LEAVE = "leave"
BAN = "ban"

MEMBERSHIPS = frozenset({JOIN, INVITE, KNOCK, LEAVE, BAN})


class MembershipChange(Enum):
    """What a member event does to its target."""

    NONE = "none"
    """The membership is what it was: a new display name or avatar, perhaps."""
    JOIN = "join"
    INVITE = "invite"
    KNOCK = "knock"
    LEAVE = "leave"
    REJECT_INVITE = "reject invite"
    RETRACT_KNOCK = "retract knock"
    KICK = "kick"
    WITHDRAW_INVITE = "withdraw invite"
    DENY_KNOCK = "deny knock"
    BAN = "ban"
    UNBAN = "unban"


def membership_of(content: Mapping[str, Any]) -> str:
    """The `membership` of a member event's content; "leave" if it is none."""
    membership = content.get("membership")
    return membership if isinstance(membership, str) else LEAVE


def membership_change(previous: str, membership: str, *, by_target: bool) -> MembershipChange:
    """What it is called when the membership changes so; `by_target`: the sender is the state key."""
    if previous == membership:
        return MembershipChange.NONE
    if membership != LEAVE:
        return _ARRIVALS.get(membership, MembershipChange.NONE)
    by_self, by_other = _DEPARTURES.get(previous, (MembershipChange.NONE, MembershipChange.NONE))
    return by_self if by_target else by_other


_ARRIVALS = {
    JOIN: MembershipChange.JOIN,
    INVITE: MembershipChange.INVITE,
    KNOCK: MembershipChange.KNOCK,
    BAN: MembershipChange.BAN,
}
_DEPARTURES = {
    JOIN: (MembershipChange.LEAVE, MembershipChange.KICK),
    INVITE: (MembershipChange.REJECT_INVITE, MembershipChange.WITHDRAW_INVITE),
    KNOCK: (MembershipChange.RETRACT_KNOCK, MembershipChange.DENY_KNOCK),
    BAN: (MembershipChange.UNBAN, MembershipChange.UNBAN),
}
