"""Why a resolution gave one event and not another, in sentences, from what the plain reference says that it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import RoomVersionRules, StateResolutionAlgorithm
from matrix_protocol.state_resolution import StateMap, resolve, v2
from matrix_protocol.state_resolution.rules import V2_RULES


class Difference(NamedTuple):
    """The first entry, by event type and state key, in which a result is not the expected one; None: no event."""

    event_type: str
    state_key: str
    expected: str | None
    got: str | None


def first_difference(expected: StateMap, got: StateMap) -> tuple[Difference | None, int]:
    """It, and how many there are."""
    keys = sorted(key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key))
    if not keys:
        return None, 0
    return Difference(*keys[0], expected.get(keys[0]), got.get(keys[0])), len(keys)


def explain(
    difference: Difference, state_sets: Sequence[StateMap], events: Mapping[str, Event], rules: RoomVersionRules
) -> list[str]:
    """Sentences: what the reference says of the whole, of the event that was got, and of the expected one."""
    key = (difference.event_type, difference.state_key)
    reference = resolve(state_sets, events, rules).get(key)
    sentences = []
    if reference != difference.got:
        sentences.append(f"the plain reference gives {reference or 'no event'}: this is a bug in the kernels")
    if rules.state_resolution is StateResolutionAlgorithm.V1:
        return [*sentences, "room version 1: the last event of the allowed run wins, by depth, then by SHA-1 of the ID"]
    resolution = v2.resolve(state_sets, events, frozenset(), rules, V2_RULES[rules.state_resolution])
    for name, event_id in (("got", difference.got), ("expected", difference.expected)):
        if event_id is not None:
            sentences.append(f"{name} {event_id}: {_fate(event_id, key, resolution, events)}")
    return sentences


def _fate(event_id: str, key: StateKey, resolution: v2.Resolution, events: Mapping[str, Event]) -> str:
    event = events.get(event_id)
    if event is None:
        return "is not in the file, or was not accepted"
    if (event.type, event.state_key) != key:
        return f"is an event of type {event.type} and state key {event.state_key!r}"
    unconflicted = resolution.unconflicted.get(key)
    if event_id == unconflicted:
        return "is in all state sets, so it is in the unconflicted state and nothing takes its place"
    place = _place(event_id, resolution)
    if place is None:
        return "is not in the full conflicted set"
    if event_id in resolution.ignored:
        return f"{place}, was refused by the auth rules: {resolution.ignored[event_id].reason}"
    if unconflicted is not None:
        return f"{place}, was overwritten by the unconflicted state: {unconflicted}"
    winner = resolution.state.get(key)
    if winner == event_id:
        return f"{place}, was the last that the auth rules allowed"
    assert winner is not None, "an allowed event has a place in the state, or a later one has"
    return f"{place}, was allowed, then {winner} took its place, {_place(winner, resolution)}"


def _place(event_id: str, resolution: v2.Resolution) -> str | None:
    orders = (("power", resolution.in_power_order), ("mainline", resolution.in_mainline_order))
    for name, event_ids in orders:
        if event_id in event_ids:
            return f"number {event_ids.index(event_id) + 1} of {len(event_ids)} in {name} order"
    return None
