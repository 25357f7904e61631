"""The kernels and the plain reference, on random rooms of every version, give one state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.state_resolution import layout, resolve
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.resolver import Resolver, pack
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom
from tests.matrix_protocol.versions import versions

seeds = st.integers(0, 2**32)
DIFFERENCES = (layout.DIFFERENCE_LOCAL, layout.DIFFERENCE_SWEEP, layout.DIFFERENCE_AUTO)
RESOLVER = Resolver()


def compact(room: RandomRoom) -> CompactRoom:
    compacted = CompactRoom(room.rules)
    for event in room.events.values():
        compacted.add(event, rejected=event.event_id in room.rejected)
    return compacted


def resolved_by_kernels(
    room: CompactRoom,
    base: Mapping[StateKey, str],
    sets: Sequence[Mapping[StateKey, str]],
    events: Mapping[str, Event],
    difference: int = layout.DIFFERENCE_AUTO,
) -> dict[StateKey, str]:
    """As a server does it: the sets as deltas of one of them, or of any other state."""
    snapshot = room.snapshot_of(base.values())
    deltas = [delta(room, base, state) for state in sets]
    changes = RESOLVER.resolve(room, snapshot, deltas, events, difference=difference)
    return room.state_map(room.applied(snapshot, changes))


def delta(room: CompactRoom, base: Mapping[StateKey, str], state: Mapping[StateKey, str]) -> dict[int, int]:
    gone = {room.key_number(*key): layout.NOTHING for key in base if key not in state}
    changed = (event_id for key, event_id in state.items() if base.get(key) != event_id)
    return gone | room.delta_of(changed)


@versions(2)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=seeds)
def test_kernels_equal_the_reference(version: str, seed: int) -> None:
    random = Random(seed)
    room = RandomRoom(random, version)
    compacted, sets = compact(room), room.state_sets()
    expected = resolve(sets, room.events, room.rules, room.rejected)
    for difference in DIFFERENCES:
        base = random.choice([*sets, {}])
        assert resolved_by_kernels(compacted, base, sets, room.events, difference) == expected


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("count", [62, 63, 64, 65, 130])
def test_kernels_equal_the_reference_for_many_state_sets(version: str, count: int) -> None:
    random = Random(count)
    room = RandomRoom(random, version, length=150)
    sets = [state for _ in range(count // 2) for state in room.state_sets()][:count]
    compacted = compact(room)
    expected = resolve(sets, room.events, room.rules, room.rejected)
    for difference in DIFFERENCES:
        assert resolved_by_kernels(compacted, sets[0], sets, room.events, difference) == expected


@pytest.mark.parametrize("version", ["11", "12"])
def test_packed_deltas_resolve_as_mappings_do(version: str) -> None:
    room = RandomRoom(Random(3), version, length=80)
    compacted, sets = compact(room), room.state_sets()
    snapshot = compacted.snapshot_of(sets[0].values())
    deltas = [delta(compacted, sets[0], state) for state in sets]
    packed = [pack(one) for one in deltas]
    expected = RESOLVER.resolve(compacted, snapshot, deltas, room.events)
    assert RESOLVER.resolve(compacted, snapshot, packed, room.events) == expected
    assert RESOLVER.resolve(compacted, snapshot, [*deltas[:1], *packed[1:]], room.events) == expected
    assert RESOLVER.resolve(compacted, snapshot, [pack(deltas[1]), pack(deltas[1])], room.events) == deltas[1]
