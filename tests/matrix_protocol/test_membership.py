"""What changes of membership are called."""

from __future__ import annotations

import pytest

from matrix_protocol.membership import MembershipChange, membership_change, membership_of


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
