"""Which events an event must name as its `auth_events`, and the rule that it does (3 in version 12, 2 before).

Spec: https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from matrix_protocol.event_auth.auth_event import Rejection, StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import RoomVersionRules

CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
JOIN_RULES: StateKey = ("m.room.join_rules", "")


def auth_event_keys(
    event_type: str, state_key: str | None, sender: str, content: Mapping[str, Any], rules: RoomVersionRules
) -> list[StateKey]:
    """The (type, state key) pairs of the auth events; those that the room's state has are to be named. No doubles."""
    if event_type == "m.room.create":
        return []  # "The `auth_events` for the `m.room.create` event in a room is empty"
    # "The current `m.room.power_levels` event, if any. The sender's current `m.room.member` event, if any."
    keys = [POWER_LEVELS, ("m.room.member", sender)]
    if rules.authorization.create_event_in_auth_events:
        keys.append(CREATE)
    if event_type == "m.room.member" and state_key is not None:
        for key in _member_keys(state_key, content, rules):
            if key not in keys:
                keys.append(key)
    return keys


def _member_keys(target: str, content: Mapping[str, Any], rules: RoomVersionRules) -> list[StateKey]:
    # "If type is `m.room.member`: The target's current `m.room.member` event, if any."
    keys = [("m.room.member", target)]
    membership = content.get("membership")
    # "If `membership` is `join`, `invite` or `knock`, the current `m.room.join_rules` event, if any."
    if membership in ("join", "invite", "knock"):
        keys.append(JOIN_RULES)
    # "If membership is `invite` and `content` contains a `third_party_invite` property, the current
    #  `m.room.third_party_invite` event with `state_key` matching `content.third_party_invite.signed.token`, if any."
    if membership == "invite":
        token = third_party_invite_token(content)
        if token is not None:
            keys.append(("m.room.third_party_invite", token))
    # "If `membership` is `join`, `content.join_authorised_via_users_server` is present, and the room version supports
    #  restricted rooms, then the `m.room.member` event with `state_key` matching [it]."
    if membership == "join" and rules.authorization.restricted_joins:
        authorising_user = content.get("join_authorised_via_users_server")
        if isinstance(authorising_user, str):
            keys.append(("m.room.member", authorising_user))
    return keys


def third_party_invite_token(content: Mapping[str, Any]) -> str | None:
    """`content.third_party_invite.signed.token`, if it is there and a string."""
    invite = content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    token = signed.get("token") if isinstance(signed, Mapping) else None
    return token if isinstance(token, str) else None


def check_auth_events(
    event: Event, auth_events: Sequence[Event], rejected_event_ids: Container[str], rules: RoomVersionRules
) -> Rejection | None:
    """ "Considering the event's `auth_events`"; `auth_events` are the events that it names, in any order."""
    expected = set(auth_event_keys(event.type, event.state_key, event.sender, event.content, rules))
    seen: set[StateKey] = set()
    for auth_event in auth_events:
        # "2. If there are entries whose `type` and `state_key` don't match those specified by the auth events
        #  selection algorithm described in the server specification, reject."
        if auth_event.state_key is None:
            return Rejection(f"the auth event {auth_event.event_id} is no state event")
        key = (auth_event.type, auth_event.state_key)
        if key not in expected:
            return Rejection(f"{key} cannot be an auth event of this event")
        # "1. If there are duplicate entries for a given `type` and `state_key` pair, reject."
        if key in seen:
            return Rejection(f"there are two auth events for {key}")
        seen.add(key)
        # "3. If there are entries which were themselves rejected under the checks performed on receipt of a PDU,
        #  reject."
        if auth_event.event_id in rejected_event_ids:
            return Rejection(f"the auth event {auth_event.event_id} was rejected")
        # "5. If any event in `auth_events` has a `room_id` which does not match that of the event being authorised,
        #  reject."
        if auth_event.room_id != event.room_id:
            return Rejection(f"the auth event {auth_event.event_id} is of another room")
    # "4. If there is no `m.room.create` event among the entries, reject." (versions 1 to 11)
    if rules.authorization.create_event_in_auth_events and CREATE not in seen:
        return Rejection("the create event is not among the auth events")
    return None
