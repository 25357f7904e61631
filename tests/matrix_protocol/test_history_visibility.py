"""Who may see which events."""

from __future__ import annotations

import pytest

from matrix_protocol.history_visibility import (
    STRANGER,
    EventForServer,
    MembershipAtEvent,
    VisibilityAtEvent,
    can_server_see_event,
    can_user_see_event,
    can_user_see_own_membership_change,
    can_user_see_visibility_change,
    history_visibility_of,
    is_visible,
    needs_memberships,
    pdus_for_server,
    visible_events,
)
from matrix_protocol.room_versions import ROOM_VERSIONS

MEMBERSHIPS = ["join", "invite", "knock", "leave", "ban"]


@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("visibility", ["world_readable", "shared", "invited", "joined"])
def test_rules_of_the_specification(visibility: str, membership: str) -> None:
    never_joined_later = {
        "world_readable": True,
        "shared": membership == "join",
        "invited": membership in ("join", "invite"),
        "joined": membership == "join",
    }
    assert can_user_see_event(visibility, membership) is never_joined_later[visibility]
    for joined in ({"current_membership": "join"}, {"current_membership": "leave", "joined_later": True}):
        expected = never_joined_later[visibility] or visibility == "shared"
        assert can_user_see_event(visibility, membership, **joined) is expected


@pytest.mark.parametrize(
    "content", [None, {}, {"history_visibility": "unheard-of"}, {"history_visibility": 1}, {"history_visibility": []}]
)
def test_visibility_that_is_not_understood_is_shared(content: dict[str, object] | None) -> None:
    assert history_visibility_of(content) == "shared"
    assert history_visibility_of({"history_visibility": "joined"}) == "joined"


def test_change_of_visibility_is_seen_under_either_setting() -> None:
    assert can_user_see_visibility_change("world_readable", "joined", "leave")
    assert can_user_see_visibility_change("joined", "world_readable", "leave")
    assert not can_user_see_visibility_change("joined", "invited", "leave", "join")


def test_own_membership_change_is_seen_with_either_membership() -> None:
    assert can_user_see_own_membership_change("joined", "leave", "join")
    assert can_user_see_own_membership_change("joined", "join", "ban")
    assert can_user_see_own_membership_change("invited", "leave", "invite")
    assert not can_user_see_own_membership_change("joined", "leave", "invite")


SETTINGS = ["world_readable", "shared", "invited", "joined"]
JOINED = MembershipAtEvent("join", "join")


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("after", MEMBERSHIPS)
@pytest.mark.parametrize("before", MEMBERSHIPS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_one_judgement_knows_the_rules_for_changes(setting: str, before: str, after: str, later: bool) -> None:
    membership = MembershipAtEvent(before, after, later)
    expected = can_user_see_own_membership_change(setting, before, after, joined_later=later)
    assert is_visible(VisibilityAtEvent(setting, setting), membership) is expected
    for new in SETTINGS:
        expected = can_user_see_visibility_change(setting, new, before, joined_later=later)
        assert is_visible(VisibilityAtEvent(setting, new), MembershipAtEvent(before, before, later)) is expected


def test_events_of_a_user_are_chosen_in_their_order() -> None:
    joined = VisibilityAtEvent("joined", "joined")
    assert visible_events([(1, joined, JOINED), (2, joined, STRANGER), (3, joined, JOINED)]) == [1, 3]


@pytest.mark.parametrize("setting", SETTINGS)
def test_server_sees_what_one_of_its_users_sees(setting: str) -> None:
    visibility = VisibilityAtEvent(setting, setting)
    invited = MembershipAtEvent("invite", "invite")
    assert can_server_see_event(visibility, [STRANGER, JOINED])
    assert can_server_see_event(visibility, [invited]) is (setting in ("world_readable", "invited"))
    assert can_server_see_event(visibility, []) is (setting == "world_readable")
    assert can_server_see_event(visibility, [], joined_later=True) is (setting in ("world_readable", "shared"))
    assert needs_memberships(visibility, joined_later=True) is (setting in ("invited", "joined"))


def test_server_gets_a_redacted_copy_of_what_it_may_not_see() -> None:
    pdu = {"type": "m.room.message", "sender": "@a:a.example", "content": {"body": "secret"}, "depth": 7}
    joined = VisibilityAtEvent("joined", "joined")
    events = [EventForServer(pdu, joined), EventForServer(pdu, joined, [JOINED])]
    hidden, shown = pdus_for_server(events, ROOM_VERSIONS["11"], joined_later=True)
    assert hidden == {**pdu, "content": {}}
    assert shown is pdu
