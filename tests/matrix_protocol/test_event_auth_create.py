"""Rules 1, 2 and 4: the create event, the room ID, m.federate."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.event_auth import (
    StateOfEvents,
    check_auth_rules,
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
    creators_of,
)
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.factories import Room, user
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, EVE = user("alice"), user("bob"), user("eve", "elsewhere.net")


def create_event(version: str, **changes: Any) -> Event:
    """A create event as a remote server could have sent it, with these members of the PDU changed."""
    room = Room(ALICE, version)
    pdu = {**room.create_event.pdu, **changes}
    return event_from_pdu(pdu, room.create_event.event_id, room.rules)


def is_allowed(event: Event, version: str) -> bool:
    return check_state_independent_auth_rules(event, [], (), SPECIFIED_ROOM_VERSIONS[version]) is None


@every_version
def test_create_event_is_allowed(version: str) -> None:
    assert is_allowed(create_event(version), version)


@every_version
def test_create_event_is_judged_by_itself_whatever_the_state_is(version: str) -> None:
    rules = SPECIFIED_ROOM_VERSIONS[version]
    good = create_event(version)
    bad = create_event(version, content={"creator": ALICE.id, "room_version": "unheard-of"})
    for state in (StateOfEvents((), rules), Room(BOB, version).state):
        assert check_auth_rules(good, state, rules) is None
        assert check_auth_rules(bad, state, rules) is not None
        assert check_state_dependent_auth_rules(bad, state, rules) is None  # it has no such rules


@every_version
def test_create_event_with_prev_events_is_rejected(version: str) -> None:
    prev_events: list[Any] = [["$a:example.org", {"sha256": ""}]] if version in ("1", "2") else ["$abc"]
    assert not is_allowed(create_event(version, prev_events=prev_events), version)


@versions(1, 11)
def test_create_event_for_another_servers_room_id_is_rejected(version: str) -> None:
    assert not is_allowed(create_event(version, room_id="!room:elsewhere.net"), version)


@versions(12)
def test_create_event_with_a_room_id_is_rejected(version: str) -> None:
    assert not is_allowed(create_event(version, room_id="!room:example.org"), version)


@every_version
@pytest.mark.parametrize("room_version", ["0", "13", "org.example.unheard", "", 12, None, [], {}])
def test_unrecognised_room_version_is_rejected(version: str, room_version: object) -> None:
    content = {"creator": ALICE.id, "room_version": room_version}
    assert not is_allowed(create_event(version, content=content), version)


@every_version
def test_room_version_may_be_left_out(version: str) -> None:
    assert is_allowed(create_event(version, content={"creator": ALICE.id}), version)


@versions(1, 10)
def test_create_event_must_name_its_creator_through_version_10(version: str) -> None:
    assert not is_allowed(create_event(version, content={"room_version": version}), version)


@versions(11)
def test_create_event_names_no_creator_since_version_11(version: str) -> None:
    assert "creator" not in Room(ALICE, version).create_event.content
    assert is_allowed(create_event(version, content={"room_version": version}), version)


@versions(12)
@pytest.mark.parametrize("additional", ["@bob:example.org", {}, [1], ["bob"], ["@bob"], ["@bob:bad_server"], None])
def test_malformed_additional_creators_are_rejected(version: str, additional: object) -> None:
    assert not is_allowed(create_event(version, content={"additional_creators": additional}), version)


@versions(12)
@pytest.mark.parametrize(
    "additional", [[], [BOB.id], [BOB.id, EVE.id, BOB.id], [ALICE.id], ["@Bob Ü:elsewhere.net:80"]]
)
def test_additional_creators_that_are_user_ids_are_allowed(version: str, additional: list[str]) -> None:
    assert is_allowed(create_event(version, content={"additional_creators": additional}), version)


@versions(1, 11)
def test_additional_creators_mean_nothing_before_version_12(version: str) -> None:
    room = Room(ALICE, version, create_content={"additional_creators": [BOB.id]})
    assert creators_of(room.create_event, room.rules.authorization) == {ALICE.id}
    assert is_allowed(create_event(version, content={"creator": ALICE.id, "additional_creators": 1}), version)


@versions(12)
def test_creators_are_the_sender_and_the_additional_ones(version: str) -> None:
    room = Room(ALICE, version, create_content={"additional_creators": [BOB.id, EVE.id]})
    assert creators_of(room.create_event, room.rules.authorization) == {ALICE.id, BOB.id, EVE.id}


@versions(1, 10)
def test_creator_of_the_content_counts_through_version_10(version: str) -> None:
    room = Room(ALICE, version)
    event = create_event(version, content={"creator": BOB.id})
    assert creators_of(event, room.rules.authorization) == {BOB.id}


@versions(12)
def test_room_id_is_the_create_events_id_with_another_sigil(version: str) -> None:
    room = Room(ALICE, version)
    assert room.id == "!" + room.create_event.event_id[1:]
    assert "room_id" not in room.create_event.pdu


@versions(12)
def test_event_of_a_room_id_that_is_not_the_create_events_is_rejected(version: str) -> None:
    room = Room(ALICE, version)
    event = room.build(ALICE, "m.room.message", {"body": "x"}, room_id="!" + "A" * 43)
    assert room.verdict(event) is not None


@versions(1, 11)
def test_room_id_is_not_held_against_the_create_event_before_version_12(version: str) -> None:
    room = Room(ALICE, version)
    assert room.verdict(room.build(ALICE, "m.room.message", {"body": "x"}, room_id="!x:example.org")) is None


@every_version
@pytest.mark.parametrize("event_type", ["m.room.aliases", "m.room.message", "m.room.third_party_invite"])
def test_unfederated_room_comes_before_the_rules_about_types(version: str, event_type: str) -> None:
    room = Room(ALICE, version, create_content={"m.federate": False})
    event = room.build(EVE, event_type, {}, state_key=EVE.server_name)
    rejection = room.verdict(event)
    assert rejection is not None
    assert "federated" in rejection.reason


@every_version
def test_unfederated_room_takes_events_of_the_creators_server_alone(version: str) -> None:
    room = Room(ALICE, version, create_content={"m.federate": False}).join(BOB).message(BOB)
    event = room.build(EVE, "m.room.member", {"membership": "join"}, state_key=EVE.id)
    assert room.verdict(event) is not None


@every_version
@pytest.mark.parametrize("federate", [True, None, "false", 0])
def test_room_is_federated_unless_the_property_is_false(version: str, federate: object) -> None:
    Room(ALICE, version, create_content={"m.federate": federate}).join(EVE)


@every_version
def test_state_without_create_event_allows_nothing(version: str) -> None:
    room = Room(ALICE, version)
    empty = type(room.state)((), room.rules)
    assert check_auth_rules(room.build(ALICE, "m.room.message", {}), empty, room.rules) is not None
