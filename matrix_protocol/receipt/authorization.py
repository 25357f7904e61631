"""Steps 4 to 7: may the event be in its room?

`authorize` yields, in this order and only as far as it gets:

    NeedAuthEvents             ─►  AuthEvents
    NeedStateBefore            ─►  AuthState: the room's state before the event
    NeedCurrentState           ─►  RoomState
    NeedPolicyServerSignature  ─►  str: the signature (base64) the Policy Server gave just now, or None
"""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping
from typing import Any, NamedTuple, Protocol

from matrix_protocol.event_auth import (
    AuthState,
    Rejection,
    StateOfEvents,
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
)
from matrix_protocol.events.format import Event
from matrix_protocol.receipt.outcome import ACCEPTED, Arrival, Outcome, Step, Verdict
from matrix_protocol.receipt.policy_server import (
    PolicyServer,
    is_recommended,
    needs_no_signature,
    policy_server_of,
    with_its_signature,
)
from matrix_protocol.room_versions import RoomVersionRules


class NeedAuthEvents(NamedTuple):
    event_ids: tuple[str, ...]
    """At most `AUTH_EVENTS_MAX` and the create event, where it is not named but implied."""


class AuthEvents(NamedTuple):
    events: Mapping[str, Event]
    """By ID; those that could not be had are missing."""
    rejected_event_ids: Container[str] = frozenset()


class NeedStateBefore(NamedTuple):
    event: Event


class NeedCurrentState(NamedTuple):
    room_id: str


class RoomState(AuthState, Protocol):
    """The current state of a room: "the state that the next event would have before it"."""

    def has_joined_user(self, server_name: str) -> bool: ...


class NeedPolicyServerSignature(NamedTuple):
    """ "If the Policy Server's signature is invalid or missing, the homeserver SHOULD ask for a new signature."""

    event: Event
    policy_server: PolicyServer


Need = NeedAuthEvents | NeedStateBefore | NeedCurrentState | NeedPolicyServerSignature


def authorize(event: Event, rules: RoomVersionRules, arrival: Arrival = Arrival.NEW) -> Generator[Need, Any, Outcome]:
    """The outcome for an event that passed steps 1 to 3.

    A create event is allowed by its own words alone (rule 1), also where the room has one (versions 1 to 11): whoever
    keeps the room must not let a second one into its state. `rules` are those of the room: whoever takes them from
    another source than the create event compares its `room_version` with them.
    """
    needed = _needed_auth_event_ids(event, rules)
    answer: AuthEvents = yield NeedAuthEvents(needed)
    if missing := [event_id for event_id in needed if event_id not in answer.events]:
        return Outcome(Verdict.UNDECIDED, Step.AUTH_EVENTS, f"the auth event {missing[0]} could not be had")
    if rejection := _check_against_auth_events(event, answer, rules):
        return Outcome(Verdict.REJECTED, Step.AUTH_EVENTS, rejection.reason)
    if event.type == "m.room.create":
        return ACCEPTED  # before it there was no state, and the rules ask for none
    if arrival is Arrival.OUTLIER:
        return ACCEPTED
    state_before: AuthState = yield NeedStateBefore(event)
    if rejection := check_state_dependent_auth_rules(event, state_before, rules):
        return Outcome(Verdict.REJECTED, Step.STATE_BEFORE, rejection.reason)
    if arrival is Arrival.BACKFILLED:
        return ACCEPTED
    current_state: RoomState = yield NeedCurrentState(event.room_id)
    if rejection := check_state_dependent_auth_rules(event, current_state, rules):
        return Outcome(Verdict.SOFT_FAILED, Step.CURRENT_STATE, rejection.reason)
    policy_server = policy_server_of(current_state, current_state.has_joined_user)
    if policy_server is None or needs_no_signature(event):
        return ACCEPTED
    if is_recommended(event, policy_server, rules):
        return ACCEPTED
    signature: str | None = yield NeedPolicyServerSignature(event, policy_server)
    signed = event if signature is None else with_its_signature(event, policy_server, signature)
    if verdict := is_recommended(signed, policy_server, rules):
        return Outcome(Verdict.ACCEPTED, signed=signed)
    return Outcome(Verdict.SOFT_FAILED, Step.POLICY_SERVER, verdict.reason)


def _needed_auth_event_ids(event: Event, rules: RoomVersionRules) -> tuple[str, ...]:
    if event.type == "m.room.create":
        return ()
    implied = _implied_create_event_id(event, rules)
    return event.auth_event_ids if implied is None else (*event.auth_event_ids, implied)


def _implied_create_event_id(event: Event, rules: RoomVersionRules) -> str | None:
    """ "The room ID is the event ID of the `m.room.create` event, with the sigil `!` instead of `$`." (version 12)"""
    return "$" + event.room_id[1:] if rules.authorization.room_id_is_create_event_id else None


def _check_against_auth_events(event: Event, answer: AuthEvents, rules: RoomVersionRules) -> Rejection | None:
    """Step 4: the rules about the auth events themselves, then all the others against the state that they make."""
    if event.type == "m.room.create":
        return check_state_independent_auth_rules(event, (), frozenset(), rules)
    auth_events = [answer.events[event_id] for event_id in event.auth_event_ids]
    rejection = check_state_independent_auth_rules(event, auth_events, answer.rejected_event_ids, rules)
    if rejection is not None:
        return rejection
    state = StateOfEvents(auth_events, rules)
    implied = _implied_create_event_id(event, rules)
    if implied is not None:
        # "If the event's `room_id` is not an event ID for an accepted (not rejected) `m.room.create` event, with the
        #  sigil `!` instead of `$`, reject." (version 12)
        create_event = answer.events[implied]
        is_accepted = implied not in answer.rejected_event_ids
        if not is_accepted or (create_event.type, create_event.state_key) != ("m.room.create", ""):
            return Rejection("the room ID is not that of an accepted create event")
        state.add(create_event)
    return check_state_dependent_auth_rules(event, state, rules)


class Source(Protocol):
    """What has all that `authorize` asks for, at once."""

    def auth_events(self, event_ids: tuple[str, ...]) -> AuthEvents: ...

    def state_before(self, event: Event) -> AuthState: ...

    def current_state(self, room_id: str) -> RoomState: ...

    def policy_server_signature(self, event: Event, policy_server: PolicyServer) -> str | None: ...


def answered_by(source: Source, checks: Generator[Need, Any, Outcome]) -> Outcome:
    """Run the checks to their end, without waiting for anything."""
    answer: object = None
    while True:
        try:
            need = checks.send(answer)
        except StopIteration as ended:
            outcome: Outcome = ended.value
            return outcome
        match need:
            case NeedAuthEvents(event_ids):
                answer = source.auth_events(event_ids)
            case NeedStateBefore(event):
                answer = source.state_before(event)
            case NeedCurrentState(room_id):
                answer = source.current_state(room_id)
            case NeedPolicyServerSignature(event, policy_server):
                answer = source.policy_server_signature(event, policy_server)
