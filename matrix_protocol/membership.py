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


def level_needed(change: MembershipChange) -> str | None:
    """The name in the power levels ("invite", "kick", "ban") of what the sender needs; None: no level, but see below.

    Kicks, bans and unbans need a level above the target's as well; joins and knocks are for the join rules to allow.
    """
    return _LEVELS_NEEDED.get(change)


def is_possible(previous: str, membership: str, *, by_target: bool) -> bool:
    """Whether a membership can change so at all, whatever the power levels and the join rules.

    The auth rules for `m.room.member`, without what they say about levels and join rules:

        by the target    join     from invite, join, leave, knock (not from ban)
                         knock    from leave, knock (not from ban, invite, join)
                         leave    from invite, join, knock
        by others        invite   from leave, invite, knock (not from join, ban)
                         leave    from any: kick, withdrawal, denial, unban
                         ban      from any
    """
    return previous in (_BY_TARGET if by_target else _BY_OTHERS).get(membership, frozenset())


_LEVELS_NEEDED = {
    MembershipChange.INVITE: "invite",
    MembershipChange.KICK: "kick",
    MembershipChange.WITHDRAW_INVITE: "kick",
    MembershipChange.DENY_KNOCK: "kick",
    MembershipChange.BAN: "ban",
    MembershipChange.UNBAN: "ban",
}
_BY_TARGET = {
    JOIN: frozenset({INVITE, JOIN, LEAVE, KNOCK}),
    KNOCK: frozenset({LEAVE, KNOCK}),
    LEAVE: frozenset({INVITE, JOIN, KNOCK}),
}
_BY_OTHERS = {
    INVITE: frozenset({LEAVE, INVITE, KNOCK}),
    LEAVE: MEMBERSHIPS,
    BAN: MEMBERSHIPS,
}
