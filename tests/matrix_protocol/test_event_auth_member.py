"""The rule "If type is m.room.member", step by step, in every room version."""

from __future__ import annotations

import pytest

from matrix_protocol.event_auth import StateOfEvents, check_auth_rules
from matrix_protocol.events.format import event_from_pdu
from matrix_protocol.events.signing import sign_event_also
from tests.factories import NotAllowed, Room, User, signing_key_of, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, CAROL, DAVE = user("alice"), user("bob"), user("carol"), user("dave", "elsewhere.net")
LEVELS = {"users": {BOB.id: 50}}


def room_of(version: str, **options: object) -> Room:
    """Alice made it and may do everything; Bob is a moderator; Carol is an ordinary member."""
    levels = dict(LEVELS["users"])
    if int(version) < 12:
        levels[ALICE.id] = 100
    room = Room(ALICE, version, power_levels={"users": levels}, **options)  # type: ignore[arg-type]
    return room.join(BOB).join(CAROL)


def is_refused(room: Room, sender: User, target: User, membership: str, **content: object) -> bool:
    event = room.build(sender, "m.room.member", {"membership": membership, **content}, state_key=target.id)
    return room.verdict(event) is not None


@every_version
@pytest.mark.parametrize("membership", ["join", "invite", "leave", "ban", "knock"])
def test_member_event_without_state_key_is_rejected(version: str, membership: str) -> None:
    room = room_of(version).join_rule(ALICE, "knock")
    assert room.verdict(room.build(BOB, "m.room.member", {"membership": membership})) is not None


@every_version
@pytest.mark.parametrize("content", [{}, {"membership": 1}, {"membership": None}])
def test_member_event_without_membership_is_rejected(version: str, content: dict[str, object]) -> None:
    room = room_of(version)
    assert room.verdict(room.build(BOB, "m.room.member", content, state_key=BOB.id)) is not None


@every_version
def test_unknown_membership_is_rejected(version: str) -> None:
    assert is_refused(room_of(version), BOB, BOB, "lurk")


@every_version
def test_creator_joins_right_after_the_create_event(version: str) -> None:
    room = Room(ALICE, version, join_rule=None)
    assert room.state.membership(ALICE.id) == "join"


@every_version
def test_nobody_else_joins_right_after_the_create_event(version: str) -> None:
    room = Room(ALICE, version, join_rule=None)
    event = room.build(
        BOB, "m.room.member", {"membership": "join"}, state_key=BOB.id, prev_event_ids=[room.create_event.event_id]
    )
    assert room.verdict(event) is not None


def first_join(version: str, sender: User, target: User) -> bool:
    """Is the join right after a create event that Alice sent and, through version 10, names Bob allowed?"""
    room = Room(ALICE, version)
    content = {"creator": BOB.id} if int(version) < 11 else {}
    create_event = event_from_pdu({**room.create_event.pdu, "content": content}, room.create_event.event_id, room.rules)
    join = room.build(
        sender,
        "m.room.member",
        {"membership": "join"},
        state_key=target.id,
        prev_event_ids=[create_event.event_id],
    )
    return check_auth_rules(join, StateOfEvents([create_event], room.rules), room.rules) is None


@versions(1, 10)
def test_first_to_join_is_the_creator_in_the_content_through_version_10(version: str) -> None:
    assert first_join(version, BOB, BOB)
    assert not first_join(version, ALICE, ALICE)


@versions(11)
def test_first_to_join_is_the_sender_of_the_create_event_since_version_11(version: str) -> None:
    assert first_join(version, ALICE, ALICE)
    assert not first_join(version, BOB, BOB)


@every_version
def test_rule_about_the_first_join_comes_before_that_about_the_sender(version: str) -> None:
    creator = BOB if int(version) < 11 else ALICE
    assert first_join(version, CAROL, creator)


@every_version
def test_first_join_has_the_create_event_as_its_only_previous_one(version: str) -> None:
    room = Room(ALICE, version, join_rule=None).message(ALICE)
    create_id = room.create_event.event_id
    with_another = [create_id, room.last.event_id]
    event = room.build(CAROL, "m.room.member", {"membership": "join"}, state_key=ALICE.id, prev_event_ids=with_another)
    assert event.prev_event_ids == tuple(with_another)
    assert room.verdict(event) is not None


@every_version
def test_nobody_joins_for_somebody_else(version: str) -> None:
    assert is_refused(room_of(version), BOB, DAVE, "join")


@every_version
def test_banned_user_cannot_rejoin_before_unban(version: str) -> None:
    room = room_of(version).ban(BOB, CAROL)
    assert is_refused(room, CAROL, CAROL, "join")
    room.unban(BOB, CAROL).join(CAROL)


@every_version
def test_public_room_is_joined_by_anybody(version: str) -> None:
    assert room_of(version).join(DAVE).state.membership(DAVE.id) == "join"


@every_version
def test_room_without_join_rules_is_joined_by_invitation_only(version: str) -> None:
    room = Room(ALICE, version, join_rule=None)
    assert is_refused(room, BOB, BOB, "join")
    room.invite(ALICE, BOB).join(BOB)


@every_version
@pytest.mark.parametrize("join_rule", ["invite", "private", "unheard-of"])
def test_closed_room_is_not_joined_without_invitation(version: str, join_rule: str) -> None:
    assert is_refused(room_of(version).join_rule(ALICE, join_rule), DAVE, DAVE, "join")


@every_version
def test_invited_user_joins_and_may_join_again(version: str) -> None:
    room_of(version).join_rule(ALICE, "invite").invite(BOB, DAVE).join(DAVE).join(DAVE, displayname="Dave")


@every_version
@pytest.mark.parametrize("join_rule", ["private", "unheard-of"])
def test_invitation_does_not_help_under_other_join_rules(version: str, join_rule: str) -> None:
    room = room_of(version).join_rule(ALICE, join_rule).invite(BOB, DAVE)
    assert is_refused(room, DAVE, DAVE, "join")


@every_version
@pytest.mark.parametrize("join_rule", [1, True, None, [], {}, ["public"]])
def test_join_rule_that_is_no_string_lets_nobody_in(version: str, join_rule: object) -> None:
    room = room_of(version).send(ALICE, "m.room.join_rules", {"join_rule": join_rule}, state_key="").invite(BOB, DAVE)
    assert is_refused(room, DAVE, DAVE, "join")
    assert is_refused(room, user("erin"), user("erin"), "knock")


@every_version
def test_join_rules_that_say_nothing_mean_by_invitation(version: str) -> None:
    room = room_of(version).send(ALICE, "m.room.join_rules", {}, state_key="")
    assert is_refused(room, DAVE, DAVE, "join")
    assert is_refused(room, DAVE, DAVE, "knock")
    room.invite(BOB, DAVE).join(DAVE)


@versions(1, 6)
def test_knock_is_no_join_rule_and_no_membership_before_version_7(version: str) -> None:
    room = room_of(version).join_rule(ALICE, "knock").invite(BOB, DAVE)
    assert is_refused(room, DAVE, DAVE, "join")
    assert is_refused(room, user("erin"), user("erin"), "knock")


@versions(7)
def test_user_knocks_is_invited_and_joins(version: str) -> None:
    room = room_of(version).join_rule(ALICE, "knock").knock(DAVE)
    assert is_refused(room, DAVE, DAVE, "join")
    room.invite(BOB, DAVE).join(DAVE)


@versions(7)
def test_knock_is_retracted(version: str) -> None:
    room_of(version).join_rule(ALICE, "knock").knock(DAVE).leave(DAVE)


@versions(1, 6)
def test_knock_cannot_be_retracted_before_version_7(version: str) -> None:
    room = room_of(version)
    room.add(room.build(DAVE, "m.room.member", {"membership": "knock"}, state_key=DAVE.id))
    assert is_refused(room, DAVE, DAVE, "leave")


@versions(7)
def test_who_has_left_may_knock_and_who_has_knocked_may_again(version: str) -> None:
    room_of(version).join_rule(ALICE, "knock").leave(CAROL).knock(CAROL).knock(CAROL)


@versions(7)
@pytest.mark.parametrize("join_rule", ["public", "invite", "restricted", "private"])
def test_nobody_knocks_under_other_join_rules(version: str, join_rule: str) -> None:
    assert is_refused(room_of(version).join_rule(ALICE, join_rule), DAVE, DAVE, "knock")


@versions(1, 9)
def test_knock_restricted_does_not_exist_before_version_10(version: str) -> None:
    room = room_of(version).join_rule(ALICE, "knock_restricted").invite(BOB, DAVE)
    assert is_refused(room, user("erin"), user("erin"), "knock")
    assert is_refused(room, DAVE, DAVE, "join")


@versions(10)
def test_knock_restricted_room_takes_knocks_and_invitations(version: str) -> None:
    room_of(version).join_rule(ALICE, "knock_restricted").knock(DAVE).invite(BOB, DAVE).join(DAVE)


@versions(7)
def test_nobody_knocks_for_somebody_else(version: str) -> None:
    assert is_refused(room_of(version).join_rule(ALICE, "knock"), BOB, DAVE, "knock")


@versions(7)
def test_member_invited_and_banned_users_cannot_knock(version: str) -> None:
    room = room_of(version).join_rule(ALICE, "knock").invite(ALICE, DAVE).ban(ALICE, BOB)
    for who in (CAROL, DAVE, BOB):
        assert is_refused(room, who, who, "knock")


@versions(1, 7)
def test_restricted_is_no_join_rule_before_version_8(version: str) -> None:
    room = room_of(version).join_rule(ALICE, "restricted").invite(BOB, DAVE)
    assert is_refused(room, DAVE, DAVE, "join")


def restricted_room(version: str, join_rule: str = "restricted") -> Room:
    return room_of(version).join_rule(ALICE, join_rule)


def restricted_join(room: Room, authorising_user: object) -> bool:
    """Is Dave's join, countersigned by example.org, allowed?"""
    content = {"membership": "join", "join_authorised_via_users_server": authorising_user}
    event = room.build(DAVE, "m.room.member", content, state_key=DAVE.id)
    event = sign_event_also(event, "example.org", signing_key_of("example.org"), room.rules)
    return check_auth_rules(event, room.state, room.rules) is None


@versions(8)
def test_restricted_join_is_authorised_by_a_member_who_may_invite(version: str) -> None:
    assert restricted_join(restricted_room(version), CAROL.id)


@versions(10)
def test_knock_restricted_join_is_authorised_by_a_member_who_may_invite(version: str) -> None:
    assert restricted_join(restricted_room(version, "knock_restricted"), CAROL.id)


@versions(8)
@pytest.mark.parametrize("authorising_user", ["@stranger:example.org", "", 1, None])
def test_restricted_join_is_not_authorised_by_others(version: str, authorising_user: object) -> None:
    assert not restricted_join(restricted_room(version), authorising_user)


@versions(8)
def test_restricted_join_is_not_authorised_by_a_member_below_the_invite_level(version: str) -> None:
    levels = {BOB.id: 50} if version == "12" else {ALICE.id: 100, BOB.id: 50}
    room = restricted_room(version).power_levels(ALICE, {"users": levels, "invite": 50})
    assert not restricted_join(room, CAROL.id)
    assert restricted_join(room, BOB.id)


@versions(8)
def test_restricted_join_without_authorisation_is_rejected(version: str) -> None:
    assert is_refused(restricted_room(version), DAVE, DAVE, "join")


@versions(8)
def test_invited_user_joins_a_restricted_room_and_rejoins_unauthorised(version: str) -> None:
    restricted_room(version).invite(CAROL, DAVE).join(DAVE).join(DAVE, displayname="Dave")


@versions(8)
def test_member_event_that_its_authorising_server_did_not_sign_is_rejected(version: str) -> None:
    assert is_refused(room_of(version), DAVE, DAVE, "join", join_authorised_via_users_server="@a:third.example")


@versions(8)
@pytest.mark.parametrize("membership", ["join", "invite", "leave", "ban", "knock"])
@pytest.mark.parametrize("named", ["@a:third.example", "third.example", "a:example.org", "@a", "", 1, None, []])
def test_key_of_the_authorising_user_counts_in_every_member_event(version: str, membership: str, named: object) -> None:
    room = room_of(version).join_rule(ALICE, "knock")
    target = CAROL if membership in ("leave", "ban") else DAVE
    sender = DAVE if membership in ("join", "knock") else ALICE
    rejection = room.verdict(
        room.build(
            sender,
            "m.room.member",
            {"membership": membership, "join_authorised_via_users_server": named},
            state_key=target.id,
        )
    )
    assert rejection is not None
    assert "not signed" in rejection.reason


@versions(8)
def test_authorising_user_must_be_in_the_room(version: str) -> None:
    room = restricted_room(version).leave(CAROL)
    assert not restricted_join(room, CAROL.id)
    room.ban(ALICE, CAROL)
    assert not restricted_join(room, CAROL.id)


@versions(8)
def test_banned_user_is_not_let_in_by_an_authorising_user(version: str) -> None:
    assert not restricted_join(restricted_room(version).ban(ALICE, DAVE), CAROL.id)


@versions(8)
def test_authorisation_lets_nobody_into_a_room_that_is_not_restricted(version: str) -> None:
    for join_rule in ("invite", "knock", "private"):
        assert not restricted_join(restricted_room(version, join_rule), CAROL.id)


@versions(1, 7)
def test_join_authorised_via_users_server_means_nothing_before_version_8(version: str) -> None:
    room_of(version).join(DAVE, join_authorised_via_users_server="@a:third.example")


@every_version
def test_only_members_invite(version: str) -> None:
    assert is_refused(room_of(version), DAVE, user("erin"), "invite")


@every_version
def test_members_and_banned_users_are_not_invited(version: str) -> None:
    room = room_of(version).ban(ALICE, CAROL)
    assert is_refused(room, ALICE, BOB, "invite")
    assert is_refused(room, ALICE, CAROL, "invite")


@every_version
def test_invitation_needs_the_invite_level(version: str) -> None:
    levels = {BOB.id: 50} if version == "12" else {ALICE.id: 100, BOB.id: 50}
    room = room_of(version).power_levels(ALICE, {"users": levels, "invite": 50})
    assert is_refused(room, CAROL, DAVE, "invite")
    room.invite(BOB, DAVE)


@every_version
def test_member_leaves_and_invited_user_refuses(version: str) -> None:
    room = room_of(version).invite(BOB, DAVE).leave(DAVE).leave(CAROL)
    assert room.state.membership(CAROL.id) == "leave"


@every_version
def test_who_has_left_or_was_banned_cannot_leave(version: str) -> None:
    room = room_of(version).leave(CAROL).ban(ALICE, BOB)
    for who in (CAROL, BOB, DAVE):
        assert is_refused(room, who, who, "leave")


@every_version
def test_kick_needs_membership(version: str) -> None:
    room = room_of(version).leave(BOB)
    assert is_refused(room, BOB, CAROL, "leave")


@every_version
def test_kick_needs_the_kick_level(version: str) -> None:
    room = room_of(version)
    assert is_refused(room, CAROL, BOB, "leave")
    room.kick(BOB, CAROL)


@every_version
@pytest.mark.parametrize("membership", ["leave", "ban"])
def test_more_power_than_the_target_has_is_not_enough(version: str, membership: str) -> None:
    users = {CAROL.id: 49} | ({} if version == "12" else {ALICE.id: 100})
    room = room_of(version).power_levels(ALICE, {"users": users}).join(DAVE)
    assert is_refused(room, CAROL, DAVE, membership)


@every_version
def test_kick_does_not_need_the_ban_level(version: str) -> None:
    users = {BOB.id: 50} | ({} if version == "12" else {ALICE.id: 100})
    room_of(version).power_levels(ALICE, {"users": users, "ban": 60, "kick": 50}).kick(BOB, CAROL)


@every_version
def test_kick_needs_more_power_than_the_target_has(version: str) -> None:
    room = room_of(version)
    users = {BOB.id: 50, CAROL.id: 50} if version == "12" else {ALICE.id: 100, BOB.id: 50, CAROL.id: 50}
    room.power_levels(ALICE, {"users": users})
    assert is_refused(room, BOB, CAROL, "leave")
    assert is_refused(room, BOB, ALICE, "leave")


@every_version
def test_unban_needs_the_ban_level_and_the_kick_level(version: str) -> None:
    users = {BOB.id: 50, CAROL.id: 60} if version == "12" else {ALICE.id: 100, BOB.id: 50, CAROL.id: 60}
    room = room_of(version).power_levels(ALICE, {"users": users, "ban": 60, "kick": 50}).ban(CAROL, DAVE)
    assert is_refused(room, BOB, DAVE, "leave")
    room.unban(CAROL, DAVE)


@every_version
def test_ban_needs_membership_level_and_more_power_than_the_target_has(version: str) -> None:
    room = room_of(version)
    assert is_refused(room, DAVE, CAROL, "ban")
    assert is_refused(room, CAROL, DAVE, "ban")
    assert is_refused(room, BOB, ALICE, "ban")
    assert is_refused(room, BOB, BOB, "ban")
    room.ban(BOB, CAROL).ban(BOB, DAVE)


@every_version
def test_nobody_bans_from_outside(version: str) -> None:
    assert is_refused(room_of(version).leave(BOB), BOB, CAROL, "ban")


@every_version
def test_banned_user_is_banned_again_and_invited_user_is_banned(version: str) -> None:
    room_of(version).invite(BOB, DAVE).ban(BOB, DAVE).ban(BOB, DAVE)


@every_version
def test_invitation_is_withdrawn_by_a_kick(version: str) -> None:
    room = room_of(version).invite(BOB, DAVE)
    assert is_refused(room, CAROL, DAVE, "leave")
    assert room.kick(BOB, DAVE).state.membership(DAVE.id) == "leave"


@every_version
def test_invited_user_is_invited_again(version: str) -> None:
    room_of(version).invite(BOB, DAVE).invite(CAROL, DAVE)


@every_version
def test_unban_needs_more_power_than_the_target_has(version: str) -> None:
    levels = {BOB.id: 50, DAVE.id: 50} | ({} if version == "12" else {ALICE.id: 100})
    room = room_of(version).power_levels(ALICE, {"users": levels}).ban(ALICE, DAVE)
    assert is_refused(room, BOB, DAVE, "leave")
    room.unban(ALICE, DAVE)


@every_version
def test_levels_that_are_reached_are_enough(version: str) -> None:
    levels = {BOB.id: 50} | ({} if version == "12" else {ALICE.id: 100})
    room = room_of(version).power_levels(ALICE, {"users": levels, "ban": 50, "kick": 50, "invite": 50})
    room.invite(BOB, DAVE).kick(BOB, CAROL).ban(BOB, CAROL).unban(BOB, CAROL)


@every_version
def test_room_without_power_levels_is_ruled_by_its_creator(version: str) -> None:
    room = Room(ALICE, version).join(BOB).join(CAROL)
    assert is_refused(room, BOB, CAROL, "leave")
    room.kick(ALICE, CAROL).ban(ALICE, BOB)


@every_version
def test_not_allowed_is_raised_by_the_factory(version: str) -> None:
    with pytest.raises(NotAllowed):
        room_of(version).ban(CAROL, BOB)
