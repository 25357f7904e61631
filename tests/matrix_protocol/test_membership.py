"""What changes of membership are called."""

from __future__ import annotations

import pytest

from matrix_protocol.membership import (
    MEMBERSHIPS,
    MembershipChange,
    is_possible,
    level_needed,
    membership_change,
    membership_of,
)
from tests.factories import Room, user


@pytest.mark.parametrize(
    ("previous", "membership", "by_target", "change"),
    [
        ("leave", "join", True, MembershipChange.JOIN),
        ("invite", "join", True, MembershipChange.JOIN),
        ("join", "join", True, MembershipChange.NONE),
        ("leave", "invite", False, MembershipChange.INVITE),
        ("leave", "knock", True, MembershipChange.KNOCK),
        ("join", "leave", True, MembershipChange.LEAVE),
        ("join", "leave", False, MembershipChange.KICK),
        ("invite", "leave", True, MembershipChange.REJECT_INVITE),
        ("invite", "leave", False, MembershipChange.WITHDRAW_INVITE),
        ("knock", "leave", True, MembershipChange.RETRACT_KNOCK),
        ("knock", "leave", False, MembershipChange.DENY_KNOCK),
        ("join", "ban", False, MembershipChange.BAN),
        ("ban", "leave", False, MembershipChange.UNBAN),
        ("leave", "leave", True, MembershipChange.NONE),
    ],
)
def test_change_has_its_name(previous: str, membership: str, by_target: bool, change: MembershipChange) -> None:
    assert membership_change(previous, membership, by_target=by_target) is change


def test_content_without_membership_means_leave() -> None:
    assert [membership_of(content) for content in ({}, {"membership": 1}, {"membership": "ban"})] == [
        "leave",
        "leave",
        "ban",
    ]


@pytest.mark.parametrize(
    ("membership", "by_target", "possible_from"),
    [
        ("join", True, "invite join knock leave"),
        ("join", False, ""),
        ("invite", True, ""),
        ("invite", False, "invite knock leave"),
        ("knock", True, "knock leave"),
        ("knock", False, ""),
        ("leave", True, "invite join knock"),
        ("leave", False, "ban invite join knock leave"),
        ("ban", True, ""),
        ("ban", False, "ban invite join knock leave"),
        ("unheard-of", True, ""),
    ],
)
def test_changes_that_can_be(membership: str, by_target: bool, possible_from: str) -> None:
    found = {previous for previous in MEMBERSHIPS if is_possible(previous, membership, by_target=by_target)}
    assert found == set(possible_from.split())


def test_others_need_a_level_for_what_they_do_to_a_user() -> None:
    needed = {change: level_needed(change) for change in MembershipChange}
    assert needed[MembershipChange.INVITE] == "invite"
    assert {change for change, level in needed.items() if level == "kick"} == {
        MembershipChange.KICK,
        MembershipChange.WITHDRAW_INVITE,
        MembershipChange.DENY_KNOCK,
    }
    assert {change for change, level in needed.items() if level == "ban"} == {
        MembershipChange.BAN,
        MembershipChange.UNBAN,
    }
    assert needed[MembershipChange.JOIN] is needed[MembershipChange.LEAVE] is None


@pytest.mark.parametrize("by_target", [True, False])
@pytest.mark.parametrize("membership", sorted(MEMBERSHIPS))
@pytest.mark.parametrize("previous", sorted(MEMBERSHIPS))
def test_auth_rules_allow_what_can_be_to_the_creator_and_the_target(
    previous: str, membership: str, by_target: bool
) -> None:
    creator, target = user("alice"), user("bob")
    room = Room(creator, "11", join_rule="knock")
    if previous == "knock":
        room.knock(target)
    elif previous == "join":
        room.invite(creator, target).join(target)
    elif previous != "leave":
        room.member(creator, target, previous)
    room.join_rule(creator, "knock" if membership == "knock" else "public")
    sender = target if by_target else creator
    event = room.build(sender, "m.room.member", {"membership": membership}, state_key=target.id)
    assert (room.verdict(event) is None) is is_possible(previous, membership, by_target=by_target)
