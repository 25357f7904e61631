"""Steps 4 to 7 of the checks performed on receipt: auth events, state before, current state, Policy Server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.encoding import encode_base64
from matrix_protocol.event_auth import AuthState, StateOfEvents
from matrix_protocol.events.format import Event
from matrix_protocol.events.signing import sign_event_also
from matrix_protocol.receipt import (
    Arrival,
    AuthEvents,
    CheckedPdu,
    Dropped,
    NeedAuthEvents,
    NeedCurrentState,
    NeedPolicyServerSignature,
    NeedStateBefore,
    Outcome,
    PolicyServer,
    RoomState,
    Step,
    UnverifiedPdu,
    Verdict,
    answered_by,
    authorize,
    check_format,
    check_signatures,
)
from matrix_protocol.signatures import SigningKey
from tests.factories import Room, User, user
from tests.matrix_protocol.receipt.test_checked_pdu import KEYS
from tests.matrix_protocol.versions import every_version, versions

ALICE, BOB, CAROL, DAVE = user("alice"), user("bob"), user("carol"), user("dave", "elsewhere.net")
POLICY_KEY = SigningKey("ed25519:policy_server", bytes(range(32)))


class CurrentState(StateOfEvents):
    def has_joined_user(self, server_name: str) -> bool:
        return any(
            event.type == "m.room.member"
            and event.content.get("membership") == "join"
            and (event.state_key or "").endswith(f":{server_name}")
            for event in self.events()
        )


class Place:
    """Where an event is received: what `authorize` asks for, and what it did ask for."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.events = {event.event_id: event for event in room.events}
        self.rejected: set[str] = set()
        self.before: AuthState = room.state
        self.current: RoomState = CurrentState(room.state.events(), room.rules)
        self.asked: list[str] = []
        self.policy_key: SigningKey | None = None

    def receive(self, event: Event, arrival: Arrival = Arrival.NEW) -> Outcome:
        return answered_by(self, authorize(event, self.room.rules, arrival))

    def auth_events(self, event_ids: tuple[str, ...]) -> AuthEvents:
        self.asked.append("auth events")
        found = {event_id: self.events[event_id] for event_id in event_ids if event_id in self.events}
        return AuthEvents(found, self.rejected)

    def state_before(self, event: Event) -> AuthState:
        self.asked.append("state before")
        return self.before

    def current_state(self, room_id: str) -> RoomState:
        assert room_id == self.room.id
        self.asked.append("current state")
        return self.current

    def policy_server_signature(self, event: Event, policy_server: PolicyServer) -> str | None:
        self.asked.append(f"signature of {policy_server.server_name}")
        if self.policy_key is None:
            return None
        signed = sign_event_also(event, policy_server.server_name, self.policy_key, self.room.rules)
        return str(signed.pdu["signatures"][policy_server.server_name][self.policy_key.key_id])


def levels(version: str, user_id: str) -> dict[str, int]:
    return {user_id: 50} | ({ALICE.id: 100} if int(version) < 12 else {})


def scene(version: str) -> Room:
    return Room(ALICE, version, power_levels={"users": levels(version, BOB.id)}).join(BOB).join(CAROL)


def message(room: Room, sender: User = CAROL) -> Event:
    return room.build(sender, "m.room.message", {"body": "hello"})


@every_version
def test_allowed_event_is_accepted_and_everything_was_asked_for_in_order(version: str) -> None:
    place = Place(scene(version))
    assert place.receive(message(place.room)) == Outcome(Verdict.ACCEPTED)
    assert place.asked == ["auth events", "state before", "current state"]


@every_version
def test_create_event_needs_no_state(version: str) -> None:
    place = Place(scene(version))
    assert place.receive(place.room.create_event).verdict is Verdict.ACCEPTED
    assert place.asked == ["auth events"]


@every_version
def test_event_not_allowed_by_its_auth_events_is_rejected_at_step_4(version: str) -> None:
    place = Place(scene(version))
    outcome = place.receive(message(place.room, DAVE))
    assert (outcome.verdict, outcome.step) == (Verdict.REJECTED, Step.AUTH_EVENTS)
    assert place.asked == ["auth events"]  # nothing else was fetched for it


@every_version
def test_event_with_an_unknown_auth_event_stays_undecided(version: str) -> None:
    place = Place(scene(version))
    event = message(place.room)
    del place.events[event.auth_event_ids[0]]
    outcome = place.receive(event)
    assert (outcome.verdict, outcome.step) == (Verdict.UNDECIDED, Step.AUTH_EVENTS)
    assert event.auth_event_ids[0] in outcome.reason


@every_version
def test_event_with_a_rejected_auth_event_is_rejected_at_step_4(version: str) -> None:
    place = Place(scene(version))
    event = message(place.room)
    place.rejected = {event.auth_event_ids[0]}
    outcome = place.receive(event)
    assert (outcome.verdict, outcome.step) == (Verdict.REJECTED, Step.AUTH_EVENTS)


@versions(12)
@pytest.mark.parametrize("problem", ["rejected", "another type"])
def test_room_id_must_be_that_of_an_accepted_create_event(version: str, problem: str) -> None:
    place = Place(scene(version))
    create_id = place.room.create_event.event_id
    if problem == "rejected":
        place.rejected = {create_id}
    else:
        place.events[create_id] = place.room.last
    outcome = place.receive(message(place.room))
    assert (outcome.verdict, outcome.step) == (Verdict.REJECTED, Step.AUTH_EVENTS)
    assert "create event" in outcome.reason


@every_version
def test_event_not_allowed_by_the_state_before_it_is_rejected_at_step_5(version: str) -> None:
    place = Place(scene(version))
    event = message(place.room)
    place.before = place.room.ban(BOB, CAROL).state
    outcome = place.receive(event)
    assert (outcome.verdict, outcome.step) == (Verdict.REJECTED, Step.STATE_BEFORE)
    assert place.asked == ["auth events", "state before"]


@every_version
def test_event_not_allowed_by_the_current_state_is_soft_failed_at_step_6(version: str) -> None:
    place = Place(scene(version))
    event = message(place.room)
    place.before = StateOfEvents(place.room.state.events(), place.room.rules)
    place.current = CurrentState(place.room.ban(BOB, CAROL).state.events(), place.room.rules)
    outcome = place.receive(event)
    assert (outcome.verdict, outcome.step) == (Verdict.SOFT_FAILED, Step.CURRENT_STATE)


@every_version
@pytest.mark.parametrize(
    ("arrival", "asked"),
    [(Arrival.BACKFILLED, ["auth events", "state before"]), (Arrival.OUTLIER, ["auth events"])],
)
def test_what_is_not_new_is_not_held_against_todays_state(version: str, arrival: Arrival, asked: list[str]) -> None:
    place = Place(scene(version))
    event = message(place.room)
    place.before = StateOfEvents(place.room.state.events(), place.room.rules)
    place.current = CurrentState(place.room.ban(BOB, CAROL).state.events(), place.room.rules)
    assert place.receive(event, arrival) == Outcome(Verdict.ACCEPTED)
    assert place.asked == asked


# --- step 7


def guarded(version: str, content: dict[str, Any] | None = None, *, joined: bool = True) -> Place:
    """A room with a Policy Server at elsewhere.net."""
    room = scene(version)
    if joined:
        room.join(DAVE)
    key = encode_base64(POLICY_KEY.verify_key)
    given = {"via": "elsewhere.net", "public_keys": {"ed25519": key}} if content is None else content
    room.send(ALICE, "m.room.policy", given, state_key="")
    return Place(room)


@every_version
def test_event_that_the_policy_server_signed_is_accepted(version: str) -> None:
    place = guarded(version)
    event = sign_event_also(message(place.room), "elsewhere.net", POLICY_KEY, place.room.rules)
    assert place.receive(event).verdict is Verdict.ACCEPTED
    assert place.asked == ["auth events", "state before", "current state"]


@every_version
def test_policy_server_is_asked_for_a_signature_that_is_missing(version: str) -> None:
    place = guarded(version)
    place.policy_key = POLICY_KEY
    event = message(place.room)
    outcome = place.receive(event)
    assert outcome.verdict is Verdict.ACCEPTED
    assert place.asked[-1] == "signature of elsewhere.net"
    assert outcome.signed is not None
    assert outcome.signed.event_id == event.event_id
    assert "ed25519:policy_server" in outcome.signed.pdu["signatures"]["elsewhere.net"]


@every_version
@pytest.mark.parametrize("key", [None, SigningKey("ed25519:policy_server", bytes(32))], ids=["none", "another key"])
def test_event_that_the_policy_server_does_not_recommend_is_soft_failed_at_step_7(
    version: str, key: SigningKey | None
) -> None:
    place = guarded(version)
    place.policy_key = key
    outcome = place.receive(message(place.room))
    assert (outcome.verdict, outcome.step) == (Verdict.SOFT_FAILED, Step.POLICY_SERVER)
    assert "elsewhere.net" in outcome.reason


@every_version
def test_signature_with_the_servers_own_key_is_no_recommendation(version: str) -> None:
    place = guarded(version)
    event = sign_event_also(message(place.room), "elsewhere.net", DAVE.signing_key, place.room.rules)
    assert place.receive(event).step is Step.POLICY_SERVER


@every_version
def test_the_policy_itself_needs_no_signature_and_others_of_its_type_do(version: str) -> None:
    place = guarded(version)
    assert place.receive(place.room.build(ALICE, "m.room.policy", {}, state_key="")).verdict is Verdict.ACCEPTED
    for state_key in ("x", None):
        event = place.room.build(ALICE, "m.room.policy", {}, state_key=state_key)
        assert place.receive(event).step is Step.POLICY_SERVER


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"via": "elsewhere.net"},
        {"via": 1, "public_keys": {"ed25519": "x"}},
        {"via": "elsewhere.net", "public_keys": []},
        {"via": "elsewhere.net", "public_keys": {"ed25519": 1}},
        {"via": "nobody.example", "public_keys": {"ed25519": "x"}},
    ],
)
def test_room_with_an_invalid_policy_uses_no_policy_server(content: dict[str, Any]) -> None:
    place = guarded("12", content)
    assert place.receive(message(place.room)).verdict is Verdict.ACCEPTED


def test_policy_server_without_a_joined_user_is_not_used() -> None:
    place = guarded("12", joined=False)
    assert place.receive(message(place.room)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("key", ["", "not base64!", "AAAA"])
def test_nothing_is_signed_with_a_key_that_is_none(key: str) -> None:
    place = guarded("12", {"via": "elsewhere.net", "public_keys": {"ed25519": key}})
    place.policy_key = POLICY_KEY
    assert place.receive(message(place.room)).step is Step.POLICY_SERVER


def test_needs_are_yielded_one_after_the_other() -> None:
    place = guarded("12")
    event = message(place.room)
    checks = authorize(event, place.room.rules)
    needed = (*event.auth_event_ids, place.room.create_event.event_id)
    assert next(checks) == NeedAuthEvents(needed)
    assert checks.send(place.auth_events(needed)) == NeedStateBefore(event)
    assert checks.send(place.before) == NeedCurrentState(place.room.id)
    policy_server = PolicyServer("elsewhere.net", POLICY_KEY.verify_key)
    assert checks.send(place.current) == NeedPolicyServerSignature(event, policy_server)
    with pytest.raises(StopIteration) as ended:
        checks.send(None)
    assert ended.value.value.verdict is Verdict.SOFT_FAILED


# --- the whole way


PEOPLE = st.sampled_from([ALICE, BOB, CAROL, DAVE])
DEEDS = st.sampled_from(["message", "topic", "join", "leave", "kick", "ban", "invite", "levels", "rules", "knock"])
COVERED = {"content": {"x": 1}, "depth": 77, "origin_server_ts": 1, "type": "other", "prev_events": [], "new": 1}


def built(room: Room, deed: str, sender: User, target: User) -> Event:
    match deed:
        case "message":
            return message(room, sender)
        case "topic":
            return room.build(sender, "m.room.topic", {"topic": target.id}, state_key="")
        case "levels":
            content = {"users": levels(room.rules.identifier, target.id)}
            return room.build(sender, "m.room.power_levels", content, state_key="")
        case "rules":
            return room.build(sender, "m.room.join_rules", {"join_rule": "knock"}, state_key="")
    membership = "leave" if deed == "kick" else deed
    state_key = sender.id if deed in ("join", "leave", "knock") else target.id
    return room.build(sender, "m.room.member", {"membership": membership}, state_key=state_key)


@pytest.mark.slow
@every_version
@settings(max_examples=60, deadline=None)
@given(deeds=st.lists(st.tuples(DEEDS, PEOPLE, PEOPLE), max_size=12), changed=st.sampled_from(list(COVERED)))
def test_what_the_rules_allow_is_accepted_on_receipt_and_nothing_of_it_can_be_changed(
    version: str, deeds: Sequence[tuple[str, User, User]], changed: str
) -> None:
    room = scene(version)
    for deed, sender, target in deeds:
        event = built(room, deed, sender, target)
        received = check_format(event.pdu, room.rules, event_id=event.event_id)
        assert isinstance(received, UnverifiedPdu)
        checked = check_signatures(received, KEYS, room.rules)
        assert isinstance(checked, CheckedPdu)
        assert not checked.is_redacted
        outcome = Place(room).receive(checked.event)
        rejection = room.verdict(event)
        assert (outcome.verdict is Verdict.ACCEPTED) == (rejection is None), (outcome, rejection)
        assert_change_is_noticed(event, changed, room)
        if rejection is None:
            room.add(event)


def assert_change_is_noticed(event: Event, changed: str, room: Room) -> None:
    received = check_format({**event.pdu, changed: COVERED[changed]}, room.rules)
    if isinstance(received, Dropped):
        return
    checked = check_signatures(received, KEYS, room.rules)
    assert isinstance(checked, Dropped) or checked.is_redacted
