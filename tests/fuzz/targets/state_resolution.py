"""Rooms that break the rules: the reference always ends, and the kernels agree with it on what a room can hold."""

from __future__ import annotations

from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.state_resolution import resolve
from matrix_protocol.state_resolution.compact import CompactRoom
from tests.fuzz.choices import BytesRandom
from tests.fuzz.hostile_rooms import spoil
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom
from tests.matrix_protocol.state_resolution.test_kernels import DIFFERENCES, resolved_by_kernels

VERSIONS = tuple(SPECIFIED_ROOM_VERSIONS)
EVENTS = 25


def fuzz_one(data: bytes) -> None:
    if len(data) < 2:
        return
    version = VERSIONS[data[0] % len(VERSIONS)]
    random = BytesRandom(data[1:])
    room = RandomRoom(random, version, length=EVENTS)
    sets = room.state_sets()
    spoil(random, room)
    resolve(sets, room.events, room.rules, room.rejected)
    if version == "1":
        return
    compacted, held = CompactRoom(room.rules), {}
    for event in room.events.values():
        before = len(compacted)
        try:
            compacted.add(event, rejected=event.event_id in room.rejected and before > 0).to_bytes()
            held[event.event_id] = event
        except ValueError:
            assert len(compacted) == before
    if not held:
        return
    # The events are at their own keys, which spoiling may have changed.
    states = [{(held[i].type, held[i].state_key or ""): i for i in state.values() if i in held} for state in sets]
    expected = resolve(states, held, room.rules, room.rejected - {next(iter(held))})
    for difference in DIFFERENCES:
        base = states[data[-1] % len(states)]
        assert resolved_by_kernels(compacted, base, states, held, difference) == expected
