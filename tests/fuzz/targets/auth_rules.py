"""Any event against any state: a Rejection, or None; the rules raise nothing."""

from __future__ import annotations

from matrix_protocol.event_auth import (
    Rejection,
    StateOfEvents,
    auth_event_keys,
    check_auth_rules,
    check_state_dependent_auth_rules,
    check_state_independent_auth_rules,
    power_levels_of,
)
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from tests.fuzz.choices import BytesRandom
from tests.fuzz.hostile_rooms import spoil
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom

VERSIONS = tuple(SPECIFIED_ROOM_VERSIONS)
EVENTS = 10


def fuzz_one(data: bytes) -> None:
    if len(data) < 2:
        return
    random = BytesRandom(data[1:])
    room = RandomRoom(random, VERSIONS[data[0] % len(VERSIONS)], length=EVENTS)
    spoil(random, room)
    spoil(random, room)
    rules, events = room.rules, list(room.events.values())
    for branch in room.branches:
        state = StateOfEvents((room.events[event_id] for event_id in branch.values()), rules)
        for event in random.sample(events, min(6, len(events))):
            auth_events = [room.events[event_id] for event_id in event.auth_event_ids if event_id in room.events]
            for verdict in (
                check_state_independent_auth_rules(event, auth_events, room.rejected, rules),
                check_state_dependent_auth_rules(event, state, rules),
                check_auth_rules(event, state, rules),
            ):
                assert verdict is None or isinstance(verdict, Rejection)
            auth_event_keys(event.type, event.state_key, event.sender, event.content, rules)
            levels = power_levels_of(events[0], event, rules.authorization)
            assert isinstance(levels.user_level(event.sender), int)
            assert isinstance(levels.event_level(event.type, True), int)
