"""Who may see which events."""

from __future__ import annotations

import pytest

from matrix_protocol.history_visibility import (
    can_user_see_event,
    can_user_see_own_membership_change,
    can_user_see_visibility_change,
    history_visibility_of,
)

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
