"""Power levels: their meaning, and the rule "If type is m.room.power_levels", in every room version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matrix_protocol.event_auth import INFINITE_POWER_LEVEL, power_levels_of
from matrix_protocol.event_auth.power_levels import parse_level
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, CAROL, DAVE = user("alice"), user("bob"), user("carol"), user("dave")
ACTIONS = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")


def content_for(version: str, **levels: Any) -> dict[str, Any]:
    """Alice above all, Bob 50; with these levels beside."""
    users = {BOB.id: 50, **levels.pop("users", {})}
    if version != "12":
        users[ALICE.id] = 100
    return {"users": users, **levels}


def room_of(version: str, **levels: Any) -> Room:
    """Everybody at level 50 may try to send power levels: what stops them are the rules about changes."""
    levels = {"events": {"m.room.power_levels": 50}, **levels}
    return Room(ALICE, version, power_levels=content_for(version, **levels)).join(BOB).join(CAROL)


def bob_may_change(room: Room, **changes: Any) -> bool:
    content = dict(room.state.event("m.room.power_levels", "").content)  # type: ignore[union-attr]
    content.update(changes)
    content = {key: value for key, value in content.items() if value is not None}
    return room.verdict(room.build(BOB, "m.room.power_levels", content, state_key="")) is None


def alice_may_set(room: Room, **changes: Any) -> bool:
    content = content_for(room.rules.identifier, **changes)
    return room.verdict(room.build(ALICE, "m.room.power_levels", content, state_key="")) is None


# What levels mean


@every_version
def test_defaults_without_power_levels_event(version: str) -> None:
    levels = Room(ALICE, version).state.power_levels()
    creator = INFINITE_POWER_LEVEL if version == "12" else 100
    assert (levels.user_level(ALICE.id), levels.user_level(BOB.id)) == (creator, 0)
    assert (levels.event_level("m.room.topic", True), levels.event_level("m.room.message", False)) == (50, 0)
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)


@every_version
def test_defaults_of_an_empty_power_levels_event(version: str) -> None:
    levels = Room(ALICE, version, power_levels={}, join_rule=None).state.power_levels()
    assert levels.user_level(ALICE.id) == (INFINITE_POWER_LEVEL if version == "12" else 0)
    assert (levels.event_level("m.room.topic", True), levels.event_level("m.room.message", False)) == (50, 0)
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)
    assert levels.notification_level("room") == 50


@every_version
def test_levels_are_read(version: str) -> None:
    levels = room_of(
        version, users_default=1, events_default=2, state_default=3, ban=4, kick=5, redact=6, invite=7,
        notifications={"room": 8},
    ).state.power_levels()  # fmt: skip
    assert (levels.user_level(BOB.id), levels.user_level(CAROL.id)) == (50, 1)
    assert (levels.event_level("m.x", False), levels.event_level("m.x", True)) == (2, 3)
    assert levels.event_level("m.room.power_levels", True) == 50
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (4, 5, 6, 7)
    assert (levels.notification_level("room"), levels.notification_level("other")) == (8, 50)
    assert levels.can_send(CAROL.id, "m.x", False) is False
    assert levels.can_send(BOB.id, "m.room.power_levels", True) is True


@versions(12)
def test_creators_are_above_every_level(version: str) -> None:
    room = Room(ALICE, version, create_content={"additional_creators": [DAVE.id]}, power_levels={"users": {BOB.id: 1}})
    levels = room.state.power_levels()
    assert levels.user_level(ALICE.id) == levels.user_level(DAVE.id) == INFINITE_POWER_LEVEL
    assert levels.user_level(ALICE.id) > 2**53
    assert levels.user_level(BOB.id) == 1


@versions(1, 9)
@pytest.mark.parametrize(("written", "meant"), [("50", 50), (" +7 ", 7), ("-3", -3), ("00100", 100)])
def test_levels_may_be_strings_through_version_9(version: str, written: str, meant: int) -> None:
    levels = room_of(version, users={CAROL.id: written}, ban=written).state.power_levels()
    assert (levels.user_level(CAROL.id), levels.ban) == (meant, meant)


@versions(1, 5)
def test_levels_may_be_floats_through_version_5(version: str) -> None:
    assert room_of(version, users={CAROL.id: 50.57}).state.power_levels().user_level(CAROL.id) == 50


@versions(6)
def test_floats_mean_nothing_since_version_6(version: str) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version].authorization
    assert parse_level(50.57, rules) is None
    assert parse_level(50.0, rules) is None


@versions(1, 5)
@pytest.mark.parametrize(("written", "meant"), [("5.114698E4", 51146), ("-1.9", -1), ("50.0", 50), ("1e3", 1000)])
def test_floats_are_truncated_after_the_exponent_is_applied(version: str, written: str, meant: int) -> None:
    assert parse_level(json.loads(written), SPECIFIED_ROOM_VERSIONS[version].authorization) == meant


@every_version
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), "1e3", "50.0", "+-1", "1 0", "١", "1_0"])
def test_what_is_no_number_is_no_level(version: str, value: object) -> None:
    assert parse_level(value, SPECIFIED_ROOM_VERSIONS[version].authorization) is None


@versions(1, 9)
def test_string_levels_have_at_most_30_digits(version: str) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version].authorization
    assert parse_level("0" * 28 + "50", rules) == 50
    assert parse_level("0" * 29 + "50", rules) is None


@versions(10)
@pytest.mark.parametrize("written", ["50", " +7 ", "-3", "00100"])
def test_strings_mean_nothing_since_version_10(version: str, written: str) -> None:
    room = room_of(version)
    for changes in (
        {"ban": written},
        {"users": {CAROL.id: written}},
        {"events": {"m.room.name": written}},
        {"notifications": {"room": written}},
    ):
        assert not alice_may_set(room, **changes)


@versions(1, 9)
def test_strings_stand_in_every_property_through_version_9(version: str) -> None:
    room = room_of(version)
    assert alice_may_set(
        room, ban="50", users={CAROL.id: "7"}, events={"m.room.name": "8"}, notifications={"room": "9"}
    )
    assert not bob_may_change(room, events=event_levels(name=50) | {"m.room.topic": "51"})
    assert not bob_may_change(room, kick="51")


@versions(1, 5)
def test_malformed_notifications_are_not_looked_at_before_version_6(version: str) -> None:
    assert alice_may_set(room_of(version), notifications=[])


@every_version
def test_malformed_entries_of_a_stored_event_count_as_absent(version: str) -> None:
    room = Room(ALICE, version)
    event = room.build(
        ALICE, "m.room.power_levels", {"ban": "many", "users": [], "events": {"m.x": {}, "m.y": 1}}, state_key=""
    )
    levels = power_levels_of(room.create_event, event, room.rules.authorization)
    assert (levels.ban, levels.event_level("m.x", False), levels.event_level("m.y", False)) == (50, 0, 1)


# Steps 1 to 5: the new content by itself


@versions(10)
@pytest.mark.parametrize("value", ["50", True, [], {}, None])
@pytest.mark.parametrize("name", ACTIONS)
def test_level_that_is_no_integer_is_rejected(version: str, name: str, value: object) -> None:
    assert not alice_may_set(room_of(version), **{name: value})


@every_version
@pytest.mark.parametrize("value", ["5O", "1.5", "", "0x10", True, [], {}, None])
@pytest.mark.parametrize("name", ["ban", "users_default"])
def test_level_that_means_no_integer_is_rejected_in_every_version(version: str, name: str, value: object) -> None:
    assert not alice_may_set(room_of(version), **{name: value})


@every_version
@pytest.mark.parametrize("value", [[], "x", 1, {"m.room.name": "high"}, {"m.room.name": None}])
def test_events_that_are_no_object_of_levels_are_rejected(version: str, value: object) -> None:
    assert not alice_may_set(room_of(version), events=value)


@versions(6)
@pytest.mark.parametrize("value", [[], {"room": "high"}])
def test_notifications_that_are_no_object_of_levels_are_rejected(version: str, value: object) -> None:
    assert not alice_may_set(room_of(version), notifications=value)


@every_version
@pytest.mark.parametrize("users", [[], "x", {"bob": 1}, {"@bob": 1}, {BOB.id: "high"}, {BOB.id: None}])
def test_users_that_are_no_levels_by_user_id_are_rejected(version: str, users: Any) -> None:
    room = room_of(version)
    event = room.build(ALICE, "m.room.power_levels", {"users": users}, state_key="")
    assert room.verdict(event) is not None


@versions(12)
def test_creators_cannot_be_given_a_level(version: str) -> None:
    room = Room(ALICE, version, create_content={"additional_creators": [DAVE.id]})
    for creator in (ALICE, DAVE):
        event = room.build(ALICE, "m.room.power_levels", {"users": {creator.id: 100}}, state_key="")
        assert room.verdict(event) is not None


@versions(1, 11)
def test_creators_may_be_given_a_level_before_version_12(version: str) -> None:
    room = Room(ALICE, version, power_levels={"users": {ALICE.id: 90}})
    assert room.state.power_levels().user_level(ALICE.id) == 90


@every_version
def test_power_levels_event_without_users_is_allowed(version: str) -> None:
    room = Room(ALICE, version)
    assert room.verdict(room.build(ALICE, "m.room.power_levels", {}, state_key="")) is None


@every_version
def test_first_power_levels_event_is_checked_by_itself(version: str) -> None:
    room = Room(ALICE, version)
    for content in ({"users": {"bob": 1}}, {"users": []}, {"events": []}, {"ban": "many"}):
        assert room.verdict(room.build(ALICE, "m.room.power_levels", content, state_key="")) is not None


@every_version
def test_level_that_was_absent_counts_as_none_and_not_as_its_default(version: str) -> None:
    users = {BOB.id: 40} | ({} if version == "12" else {ALICE.id: 100})
    room = Room(ALICE, version, power_levels={"users": users, "events": {"m.room.power_levels": 40}}).join(BOB)
    assert bob_may_change(room, ban=40)  # the ban level was 50 by default
    assert not bob_may_change(room, ban=41)


@every_version
def test_first_power_levels_event_may_say_anything(version: str) -> None:
    Room(ALICE, version).power_levels(ALICE, {"users": {BOB.id: 1000}, "ban": 1000, "events": {"m.room.name": 1000}})


# Steps 6 to 10: what it changes


@every_version
@pytest.mark.parametrize("name", ACTIONS)
def test_default_and_action_levels_change_below_the_senders_own(version: str, name: str) -> None:
    assert bob_may_change(room_of(version), **{name: 50})  # added
    assert not bob_may_change(room_of(version), **{name: 51})
    assert bob_may_change(room_of(version, **{name: 30}), **{name: 40})  # changed
    assert bob_may_change(room_of(version, **{name: 30}), **{name: None})  # removed


@every_version
@pytest.mark.parametrize("name", ["ban", "redact", "kick"])
def test_level_above_the_senders_own_is_neither_lowered_nor_removed(version: str, name: str) -> None:
    room = room_of(version, **{name: 60})
    assert not bob_may_change(room, **{name: 50})
    assert not bob_may_change(room, **{name: None})
    assert bob_may_change(room, **{name: 60})


def event_levels(**levels: int | None) -> dict[str, int]:
    named = {f"m.room.{name}": level for name, level in levels.items()}
    return {"m.room.power_levels": 50, **{name: level for name, level in named.items() if level is not None}}


@every_version
def test_event_levels_change_below_the_senders_own(version: str) -> None:
    room = room_of(version, events=event_levels(name=30, topic=60))
    assert bob_may_change(room, events=event_levels(name=50, topic=60))
    assert not bob_may_change(room, events=event_levels(name=51, topic=60))
    assert bob_may_change(room, events=event_levels(topic=60))
    assert not bob_may_change(room, events=event_levels(name=30, topic=50))
    assert not bob_may_change(room, events=event_levels(name=30))
    assert bob_may_change(room, events=event_levels(name=30, topic=60, avatar=50))
    assert not bob_may_change(room, events=event_levels(name=30, topic=60, avatar=51))


@versions(6)
def test_notification_levels_change_below_the_senders_own_since_version_6(version: str) -> None:
    room = room_of(version, notifications={"room": 60})
    assert not bob_may_change(room, notifications={"room": 50})
    assert not bob_may_change(room, notifications=None)
    assert not bob_may_change(room, notifications={"room": 60, "x": 51})
    assert bob_may_change(room, notifications={"room": 60, "x": 50})


@versions(1, 5)
def test_notification_levels_are_free_before_version_6(version: str) -> None:
    assert bob_may_change(room_of(version, notifications={"room": 60}), notifications={"room": 1})


def user_levels(version: str, **levels: int | None) -> dict[str, int]:
    users = {f"@{name}:example.org": level for name, level in levels.items()}
    kept = {name: level for name, level in users.items() if level is not None}
    return kept if version == "12" else {ALICE.id: 100, **kept}


@every_version
def test_levels_of_others_change_if_they_are_below_the_senders(version: str) -> None:
    room = room_of(version, users={CAROL.id: 49, DAVE.id: 50})
    for carol, dave, allowed in [(50, 50, True), (51, 50, False), (None, 50, True), (49, 49, False), (49, None, False)]:
        assert bob_may_change(room, users=user_levels(version, bob=50, carol=carol, dave=dave)) is allowed
    assert bob_may_change(room, users=user_levels(version, bob=50, carol=49, dave=50, erin=50))
    assert not bob_may_change(room, users=user_levels(version, bob=50, carol=49, dave=50, erin=51))


@every_version
def test_sender_may_lower_but_not_raise_the_own_level(version: str) -> None:
    room = room_of(version)
    assert bob_may_change(room, users=user_levels(version, bob=10))
    assert bob_may_change(room, users=user_levels(version))
    assert not bob_may_change(room, users=user_levels(version, bob=51))


@versions(1, 9)
def test_level_written_in_another_way_is_no_change(version: str) -> None:
    room = room_of(version, ban="60")
    assert bob_may_change(room, ban=60)


@every_version
def test_power_levels_event_needs_its_required_level(version: str) -> None:
    room = room_of(version)
    content = room.state.event("m.room.power_levels", "").content  # type: ignore[union-attr]
    assert room.verdict(room.build(CAROL, "m.room.power_levels", content, state_key="")) is not None


@versions(12)
def test_creator_changes_levels_above_everything(version: str) -> None:
    room = room_of(version, ban=2**53 - 1, users={CAROL.id: 2**53 - 1})
    room.power_levels(ALICE, {}).ban(ALICE, CAROL)


@versions(12)
def test_nobody_acts_against_a_creator_with_any_level(version: str) -> None:
    room = room_of(version, users={CAROL.id: 2**53 - 1})
    for membership in ("leave", "ban"):
        event = room.build(CAROL, "m.room.member", {"membership": membership}, state_key=ALICE.id)
        assert room.verdict(event) is not None
    one_creator_to_another = Room(ALICE, version, create_content={"additional_creators": [BOB.id]}).join(BOB)
    event = one_creator_to_another.build(ALICE, "m.room.member", {"membership": "ban"}, state_key=BOB.id)
    assert one_creator_to_another.verdict(event) is not None


def test_a_thousand_users_are_parsed_once() -> None:
    room = Room(ALICE, "12", power_levels={"users": {f"@u{number}:example.org": 1 for number in range(1000)}})
    assert room.state.power_levels() is room.state.power_levels()
    assert SPECIFIED_ROOM_VERSIONS["12"] is room.rules
