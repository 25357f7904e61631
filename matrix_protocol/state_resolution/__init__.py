"""State resolution: one state out of several, the same on every server.

    rules.py      what v2 and v2.1 differ in, and where we follow the deployed network instead of the letter
    v1.py v2.py   the plain reference: reads like the specification, step by step, over events
    columns.py    the little of an event that a resolution looks at; is stored beside the event
    compact.py    a room as integers: record arrays, filled when an event is added
    kernels.py    the algorithm of v2.py over these arrays, compiled by numba where there is numba
    resolver.py   runs the kernels: scratch memory of one thread, loading, third-party invites

The functions here are the reference. A server keeps its rooms as `compact.CompactRoom` and resolves with
`resolver.Resolver`; the tests demand that both agree. Importing this package imports neither numpy nor numba.

Spec: https://spec.matrix.org/v1.19/rooms/v12/#state-resolution
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import RoomVersionRules, StateResolutionAlgorithm
from matrix_protocol.state_resolution import rules as choices
from matrix_protocol.state_resolution import v1, v2
from matrix_protocol.state_resolution.rules import V2_RULES, RoomTooLarge

__all__ = ["RoomTooLarge", "StateMap", "current_state", "resolve", "state_after_event"]

StateMap = Mapping[StateKey, str]
"""(event type, state key) -> event ID"""


def resolve(
    state_sets: Sequence[StateMap],
    events: Mapping[str, Event],
    rules: RoomVersionRules,
    rejected_event_ids: Container[str] = frozenset(),
) -> dict[StateKey, str]:
    """The *resolution* of a set of states, all at once: resolve(resolve(A, B), C) is not resolve(A, B, C).

    `events` must have the events of the states and of their auth chains; what it lacks is passed over. Raises
    RoomTooLarge for more events than `rules.EVENTS_MAX`.
    """
    if len(events) > choices.EVENTS_MAX:
        raise RoomTooLarge(f"a resolution over {len(events)} events")
    distinct = list({frozenset(state.items()): state for state in state_sets}.values())
    if len(distinct) < 2:
        return dict(distinct[0]) if distinct else {}
    if rules.state_resolution is StateResolutionAlgorithm.V1:
        return v1.resolve(distinct, events, rules)
    return v2.resolve(distinct, events, rejected_event_ids, rules, V2_RULES[rules.state_resolution]).state


def state_after_event(event: Event, state_before: StateMap) -> StateMap:
    """S′(E), for an event that was not rejected.

    "If E is a message event, then S′(E) = S(E). If E is a state event, then S′(E) is S(E), except that its entry
    corresponding to the `event_type` and `state_key` of E is replaced by the `event_id` of E."
    """
    if event.state_key is None:
        return state_before
    return {**state_before, (event.type, event.state_key): event.event_id}


def current_state(
    forward_extremity_ids: Iterable[str],
    state_after: Callable[[str], StateMap],
    events: Mapping[str, Event],
    rules: RoomVersionRules,
    rejected_event_ids: Container[str] = frozenset(),
) -> dict[StateKey, str]:
    """The room's current state: "the resolution of the set of states after the `prev_events`" of its next event.

    `state_after` answers with S′(E) for an event ID. The order of the forward extremities doesn't matter.
    """
    return resolve([state_after(event_id) for event_id in forward_extremity_ids], events, rules, rejected_event_ids)
