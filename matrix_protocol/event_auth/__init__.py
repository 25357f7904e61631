"""The auth rules: may this event be in the room, given this state?

The rules of all room versions are one list; what differs between versions is
data (`AuthorizationRules`). Numbers are version 12's.

    1   the create event                     create.py                state-independent
    2   the room ID is the create event's    here                     state-dependent
    3   the auth events                      auth_events.py           state-independent
    4   m.federate                           here                     state-dependent
    -   m.room.aliases (versions 1 to 5)     here                     …
    5   m.room.member                        member.py, third_party_invite.py
    6   the sender is in the room            here
    7   m.room.third_party_invite            here
    8   the required power level             here
    9   state keys that are user IDs         here
    10  m.room.power_levels                  power_levels_event.py
    -   m.room.redaction (versions 1 and 2)  redaction.py

An event from elsewhere is checked as the specification's "checks performed on
receipt of a PDU" say: once `check_state_independent_auth_rules`, then
`check_state_dependent_auth_rules` against the state of its auth events, the
state before it, and the current state. Our own event, whose auth events we
selected ourselves from the current state, needs `check_auth_rules` alone.

Spec: https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from matrix_protocol.event_auth.auth_event import AuthEvent, Rejection, StateKey
from matrix_protocol.event_auth.auth_events import auth_event_keys, check_auth_events
from matrix_protocol.event_auth.auth_state import AuthState
from matrix_protocol.event_auth.create import check_create
from matrix_protocol.event_auth.member import check_member, join_rule_in
from matrix_protocol.event_auth.power_levels import (
    INFINITE_POWER_LEVEL,
    PowerLevels,
    creators_of,
    power_levels_of,
)
from matrix_protocol.event_auth.power_levels_event import check_power_levels
from matrix_protocol.event_auth.redaction import check_redaction, redaction_applies
from matrix_protocol.event_auth.state_of_events import StateOfEvents
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import server_name_of
from matrix_protocol.room_versions import AuthorizationRules, RoomVersionRules

__all__ = [
    "INFINITE_POWER_LEVEL",
    "AuthEvent",
    "AuthState",
    "PowerLevels",
    "Rejection",
    "StateKey",
    "StateOfEvents",
    "auth_event_keys",
    "check_auth_rules",
    "check_state_dependent_auth_rules",
    "check_state_independent_auth_rules",
    "creators_of",
    "join_rule_in",
    "power_levels_of",
    "redaction_applies",
]


def check_auth_rules(event: Event, state: AuthState, rules: RoomVersionRules) -> Rejection | None:
    """Every rule for an event whose auth events were selected from this very state. None: allowed."""
    if event.type == "m.room.create":
        return check_create(event, rules.authorization)
    return check_state_dependent_auth_rules(event, state, rules)


def check_state_independent_auth_rules(
    event: Event, auth_events: Sequence[Event], rejected_event_ids: Container[str], rules: RoomVersionRules
) -> Rejection | None:
    """Rules 1 and 3. `auth_events` are all that the event names; `rejected_event_ids` tells which were rejected."""
    if event.type == "m.room.create":
        return check_create(event, rules.authorization)
    return check_auth_events(event, auth_events, rejected_event_ids, rules)


def check_state_dependent_auth_rules(event: Event, state: AuthState, rules: RoomVersionRules) -> Rejection | None:
    """Rules 2 and 4 to 11. A create event has none of them."""
    event_type = event.type
    if event_type == "m.room.create":
        return None
    authorization = rules.authorization
    create_event = state.get("m.room.create", "")
    if create_event is None:
        return Rejection("the room has no create event")
    # "2. If the event's `room_id` is not an event ID for an accepted (not rejected) `m.room.create` event, with the
    #  sigil `!` instead of `$`, reject." (version 12)
    if authorization.room_id_is_create_event_id and event.room_id[1:] != create_event.event_id[1:]:
        return Rejection("the room ID is not that of the create event")
    # "4. If the `content` of the `m.room.create` event in the room state has the property `m.federate` set to `false`,
    #  and the `sender` domain of the event does not match the `sender` domain of the create event, reject."
    sender = event.sender
    if create_event.content.get("m.federate") is False and not _same_server(sender, create_event.sender):
        return Rejection("the room is not federated")
    if event_type == "m.room.member":
        return check_member(event, state, create_event, authorization)
    if event_type == "m.room.aliases" and authorization.special_case_aliases:
        return _check_aliases(event)
    # "6. If the `sender`'s current membership state is not `join`, reject."
    if state.membership(sender) != "join":
        return Rejection("the sender is not in the room")
    levels = state.power_levels()
    sender_level = levels.user_level(sender)
    # "7. If type is `m.room.third_party_invite`: Allow if and only if `sender`'s current power level is greater than or
    #  equal to the *invite level*."
    if event_type == "m.room.third_party_invite":
        return (
            None if sender_level >= levels.invite else Rejection("the sender's power level is below the invite level")
        )
    # "8. If the event type's *required power level* is greater than the `sender`'s power level, reject."
    state_key = event.state_key
    required_level = levels.event_level(event_type, state_key is not None)
    if required_level > sender_level:
        return Rejection(f"{event_type} needs power level {required_level}; the sender has {sender_level}")
    # "9. If the event has a `state_key` that starts with an `@` and does not match the `sender`, reject."
    if state_key is not None and state_key.startswith("@") and state_key != sender:
        return Rejection("the state key is somebody else's user ID")
    return _check_special_types(event, state, create_event, authorization)


def _check_special_types(
    event: Event, state: AuthState, create_event: AuthEvent, rules: AuthorizationRules
) -> Rejection | None:
    if event.type == "m.room.power_levels":
        return check_power_levels(event, state, create_event, rules)
    if event.type == "m.room.redaction" and rules.special_case_redactions:
        return check_redaction(event, state)
    # "11. Otherwise, allow."
    return None


def _check_aliases(event: Event) -> Rejection | None:
    """Rule 4 of versions 1 to 5: "If type is `m.room.aliases`"."""
    # "4.1 If event has no `state_key`, reject."
    if event.state_key is None:
        return Rejection("an aliases event needs a state key")
    # "4.2 If sender's domain doesn't match `state_key`, reject."
    if server_name_of(event.sender) != event.state_key:
        return Rejection("the state key is not the sender's server")
    # "4.3 Otherwise, allow."
    return None


def _same_server(one: str, other: str) -> bool:
    return server_name_of(one) == server_name_of(other)
