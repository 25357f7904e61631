"""The rules that are neither about members nor about power levels events."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth import (
    auth_event_keys,
    check_state_independent_auth_rules,
    power_levels_of,
    redaction_applies,
)
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, User, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, CAROL, EVE = user("alice"), user("bob"), user("carol"), user("eve", "elsewhere.net")


def room_of(version: str, **levels: Any) -> Room:
    users = {BOB.id: 50} if version == "12" else {ALICE.id: 100, BOB.id: 50}
    return Room(ALICE, version, power_levels={"users": users, **levels}).join(BOB).join(CAROL).join(EVE)


def is_allowed(room: Room, sender: User, event_type: str, state_key: str | None = None, **content: Any) -> bool:
    return room.verdict(room.build(sender, event_type, content, state_key=state_key)) is None


# Rules 6 to 9


@every_version
def test_message_of_a_member_is_allowed(version: str) -> None:
    assert is_allowed(room_of(version), CAROL, "m.room.message", body="hello")


@every_version
def test_only_members_send(version: str) -> None:
    room = room_of(version).leave(CAROL).ban(ALICE, EVE)
    for who in (CAROL, EVE, user("stranger")):
        assert not is_allowed(room, who, "m.room.message", body="hello")


@every_version
def test_third_party_invite_needs_the_invite_level_alone(version: str) -> None:
    room = room_of(version, invite=50, state_default=100)
    assert is_allowed(room, BOB, "m.room.third_party_invite", "token", display_name="x")
    assert not is_allowed(room, CAROL, "m.room.third_party_invite", "token", display_name="x")


@every_version
def test_third_party_invite_is_asked_nothing_after_the_invite_level(version: str) -> None:
    room = room_of(version, events={"m.room.third_party_invite": 100}, state_default=100)
    for state_key in ("token", "@token"):
        assert is_allowed(room, CAROL, "m.room.third_party_invite", state_key)


@every_version
def test_third_party_invite_needs_membership(version: str) -> None:
    assert not is_allowed(room_of(version), user("stranger"), "m.room.third_party_invite", "token")


@every_version
def test_event_needs_the_level_of_its_type(version: str) -> None:
    room = room_of(version, events={"m.room.message": 50, "m.room.topic": 0}, events_default=10)
    assert not is_allowed(room, CAROL, "m.room.message", body="hello")
    assert is_allowed(room, BOB, "m.room.message", body="hello")
    assert is_allowed(room, CAROL, "m.room.topic", "", topic="hello")
    assert not is_allowed(room, CAROL, "m.room.name", "", name="hello")
    assert not is_allowed(room, CAROL, "m.other")
    assert is_allowed(room, BOB, "m.other")


@every_version
def test_state_key_that_is_a_user_id_belongs_to_that_user(version: str) -> None:
    room = room_of(version, state_default=0)
    assert is_allowed(room, CAROL, "org.example.status", CAROL.id)
    assert not is_allowed(room, CAROL, "org.example.status", BOB.id)
    assert not is_allowed(room, CAROL, "org.example.status", "@")
    assert is_allowed(room, CAROL, "org.example.status", "anything else")


@versions(1, 5)
def test_aliases_belong_to_the_senders_server_through_version_5(version: str) -> None:
    room = room_of(version, events={"m.room.aliases": 100})
    assert is_allowed(room, user("stranger"), "m.room.aliases", "example.org", aliases=[])
    assert not is_allowed(room, ALICE, "m.room.aliases", "elsewhere.net", aliases=[])
    assert not is_allowed(room, ALICE, "m.room.aliases", aliases=[])


@versions(6)
def test_aliases_are_ordinary_state_since_version_6(version: str) -> None:
    room = room_of(version)
    assert not is_allowed(room, CAROL, "m.room.aliases", "example.org", aliases=[])
    assert is_allowed(room, BOB, "m.room.aliases", "anywhere", aliases=[])


# Redactions


@versions(1, 2)
def test_redaction_needs_the_redact_level_or_the_same_server(version: str) -> None:
    room = room_of(version).message(CAROL)
    target = room.last.event_id
    assert room.verdict(room.build(BOB, "m.room.redaction", {}, redacts=target)) is None
    assert room.verdict(room.build(CAROL, "m.room.redaction", {}, redacts=target)) is None
    assert room.verdict(room.build(EVE, "m.room.redaction", {}, redacts=target)) is not None
    assert room.verdict(room.build(EVE, "m.room.redaction", {})) is not None


@versions(1, 2)
def test_ids_without_a_domain_are_of_no_server(version: str) -> None:
    room = room_of(version)
    for own_id, redacts, allowed in [("$a:x.org", "$b:x.org", True), ("$a", "$b", False), ("$a", "$b:", False)]:
        pdu = room.build(EVE, "m.room.redaction", {}, redacts=redacts).pdu
        assert (room.verdict(event_from_pdu(pdu, own_id, room.rules)) is None) is allowed


@versions(1, 2)
def test_redaction_of_ones_own_needs_the_level_of_its_type_too(version: str) -> None:
    room = room_of(version, events={"m.room.redaction": 50}).message(CAROL)
    assert room.verdict(room.build(CAROL, "m.room.redaction", {}, redacts=room.last.event_id)) is not None
    room = room_of(version, redact=50).message(EVE)
    assert room.verdict(room.build(BOB, "m.room.redaction", {}, redacts=room.last.event_id)) is None


@versions(3)
def test_redaction_is_an_ordinary_event_since_version_3(version: str) -> None:
    room = room_of(version).message(CAROL)
    assert room.verdict(room.build(EVE, "m.room.redaction", {}, redacts=room.last.event_id)) is None
    room = room_of(version, events={"m.room.redaction": 50})
    assert room.verdict(room.build(CAROL, "m.room.redaction", {}, redacts=room.last.event_id)) is not None


@every_version
def test_redaction_applies_with_the_redact_level_or_from_the_same_server(version: str) -> None:
    room = room_of(version)
    levels = power_levels_of(room.create_event, room.state.get("m.room.power_levels", ""), room.rules.authorization)
    assert redaction_applies(BOB.id, EVE.id, levels)
    assert redaction_applies(CAROL.id, ALICE.id, levels)
    assert not redaction_applies(EVE.id, CAROL.id, levels)


# Rule 3: the auth events


def verdict_on(room: Room, event: Event, auth_events: list[Event], rejected: tuple[str, ...] = ()) -> bool:
    return check_state_independent_auth_rules(event, auth_events, rejected, room.rules) is None


@every_version
def test_selected_auth_events_are_right(version: str) -> None:
    room = room_of(version)
    content = {"membership": "invite"}
    for event_type, state_key, about in [("m.room.message", None, {}), ("m.room.member", "@x:example.org", content)]:
        event = room.build(BOB, event_type, about, state_key=state_key)
        assert verdict_on(room, event, room.auth_events_for(BOB, event_type, about, state_key))


@every_version
def test_doubled_auth_events_are_rejected(version: str) -> None:
    room = room_of(version)
    auth_events = room.auth_events_for(BOB, "m.room.message", {})
    old_member = room.state.event("m.room.member", BOB.id)
    room.join(BOB, displayname="Bob")
    new_member = room.state.event("m.room.member", BOB.id)
    assert old_member is not None
    assert new_member is not None
    event = room.build(BOB, "m.room.message", {})
    assert verdict_on(room, event, auth_events)
    assert not verdict_on(room, event, [*auth_events, new_member])


@every_version
def test_auth_events_that_the_selection_does_not_name_are_rejected(version: str) -> None:
    room = room_of(version)
    event = room.build(BOB, "m.room.message", {})
    right = room.auth_events_for(BOB, "m.room.message", {})
    for key in [("m.room.join_rules", ""), ("m.room.member", CAROL.id)]:
        other = room.state.event(*key)
        assert other is not None
        assert not verdict_on(room, event, [*right, other])
    assert not verdict_on(room, event, [*right, room.message(BOB).last])


@every_version
def test_rejected_auth_events_are_rejected(version: str) -> None:
    room = room_of(version)
    auth_events = room.auth_events_for(BOB, "m.room.message", {})
    event = room.build(BOB, "m.room.message", {})
    assert not verdict_on(room, event, auth_events, (auth_events[0].event_id,))


@versions(1, 11)
def test_create_event_must_be_among_the_auth_events_through_version_11(version: str) -> None:
    room = room_of(version)
    event = room.build(BOB, "m.room.message", {})
    auth_events = room.auth_events_for(BOB, "m.room.message", {})
    assert room.create_event in auth_events
    assert not verdict_on(room, event, [other for other in auth_events if other is not room.create_event])


@versions(12)
def test_create_event_must_not_be_among_the_auth_events_since_version_12(version: str) -> None:
    room = room_of(version)
    event = room.build(BOB, "m.room.message", {})
    auth_events = room.auth_events_for(BOB, "m.room.message", {})
    assert room.create_event not in auth_events
    assert not verdict_on(room, event, [*auth_events, room.create_event])


@every_version
def test_auth_events_of_another_room_are_rejected(version: str) -> None:
    room = room_of(version)
    other = Room(ALICE if version != "12" else CAROL, version, power_levels={}, join_rule=None)
    other.id = "!other:example.org"
    foreign = other.build(ALICE, "m.room.power_levels", {}, state_key="")
    auth_events = [event for event in room.auth_events_for(BOB, "m.room.message", {}) if event.type != foreign.type]
    assert not verdict_on(room, room.build(BOB, "m.room.message", {}), [*auth_events, foreign])


TARGET = ("m.room.member", "@x:example.org")
ORDINARY = [("m.room.power_levels", ""), ("m.room.member", BOB.id)]
JOIN_RULES, AUTHORISING = ("m.room.join_rules", ""), ("m.room.member", CAROL.id)
TOKEN = ("m.room.third_party_invite", "t")
CLAIM = {"signed": {"token": "t"}}
SELECTIONS: list[tuple[str, str | None, dict[str, Any], list[tuple[str, str]]]] = [
    ("m.room.message", None, {}, []),
    ("m.room.power_levels", "", {}, []),
    ("m.room.topic", BOB.id, {"membership": "join"}, []),
    ("m.room.member", None, {"membership": "join"}, []),
    ("m.room.member", BOB.id, {"membership": "join"}, [JOIN_RULES]),
    ("m.room.member", BOB.id, {"membership": "leave"}, []),
    ("m.room.member", TARGET[1], {"membership": "invite"}, [TARGET, JOIN_RULES]),
    ("m.room.member", TARGET[1], {"membership": "knock"}, [TARGET, JOIN_RULES]),
    ("m.room.member", TARGET[1], {"membership": "ban"}, [TARGET]),
    ("m.room.member", TARGET[1], {"membership": ["join"]}, [TARGET]),
    ("m.room.member", TARGET[1], {}, [TARGET]),
    ("m.room.member", TARGET[1], {"membership": "invite", "third_party_invite": CLAIM}, [TARGET, JOIN_RULES, TOKEN]),
    ("m.room.member", TARGET[1], {"membership": "join", "third_party_invite": CLAIM}, [TARGET, JOIN_RULES]),
    ("m.room.member", TARGET[1], {"membership": "invite", "third_party_invite": []}, [TARGET, JOIN_RULES]),
]


@every_version
@pytest.mark.parametrize(("event_type", "state_key", "content", "more"), SELECTIONS)
def test_auth_events_are_those_of_the_selection_and_no_others(
    version: str, event_type: str, state_key: str | None, content: dict[str, Any], more: list[tuple[str, str]]
) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    create = [("m.room.create", "")] if int(version) < 12 else []
    keys = auth_event_keys(event_type, state_key, BOB.id, content, rules)
    assert sorted(keys) == sorted([*ORDINARY, *create, *more])


@every_version
def test_create_event_has_no_auth_events(version: str) -> None:
    assert auth_event_keys("m.room.create", "", ALICE.id, {}, SPECIFIED_ROOM_VERSIONS[version]) == []


@every_version
@pytest.mark.parametrize(
    ("named", "more"), [(CAROL.id, [AUTHORISING]), (BOB.id, []), (TARGET[1], []), (1, []), (None, [])]
)
def test_authorising_user_is_selected_once_and_since_version_8(
    version: str, named: object, more: list[tuple[str, str]]
) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    content = {"membership": "join", "join_authorised_via_users_server": named}
    keys = auth_event_keys("m.room.member", TARGET[1], BOB.id, content, rules)
    create = [("m.room.create", "")] if int(version) < 12 else []
    expected = [*ORDINARY, *create, TARGET, JOIN_RULES, *(more if int(version) >= 8 else [])]
    assert sorted(keys) == sorted(expected)


@versions(8)
@pytest.mark.parametrize("membership", ["join", "invite"])
def test_authorising_user_is_an_auth_event_of_joins(version: str, membership: str) -> None:
    room = room_of(version)
    content = {"membership": membership, "join_authorised_via_users_server": CAROL.id}
    carol = room.state.event("m.room.member", CAROL.id)
    selected = room.auth_events_for(user("x"), "m.room.member", content, "@x:example.org")
    assert (carol in selected) is (membership == "join")


@versions(1, 7)
def test_authorising_user_is_no_auth_event_before_version_8(version: str) -> None:
    room = room_of(version)
    content = {"membership": "join", "join_authorised_via_users_server": CAROL.id}
    selected = room.auth_events_for(user("x"), "m.room.member", content, "@x:example.org")
    assert room.state.event("m.room.member", CAROL.id) not in selected


@every_version
@pytest.mark.parametrize(
    ("membership", "with_join_rules"),
    [("join", True), ("invite", True), ("knock", True), ("leave", False), ("ban", False)],
)
def test_join_rules_are_auth_events_of_joins_invites_and_knocks(
    version: str, membership: str, with_join_rules: bool
) -> None:
    room = room_of(version)
    selected = room.auth_events_for(BOB, "m.room.member", {"membership": membership}, CAROL.id)
    kinds = [(event.type, event.state_key) for event in selected]
    assert (("m.room.join_rules", "") in kinds) is with_join_rules
    assert ("m.room.member", CAROL.id) in kinds
    assert len(kinds) == len(set(kinds))
