"""State resolution v2 and v2.1, step by step as the specification tells it, over events. The reference for the kernels.

    resolve                       the five steps
      separate                    unconflicted state map, conflicted state set
      full_conflicted_set         … with the auth difference and (v2.1) the conflicted state subgraph
      power_events_with_chains    X
      reverse_topological_power_ordering
      iterative_auth_checks
      mainline_ordering

Where the deployed servers agree with each other and not with the text, we go with them and say `NOTSPEC:`.

Spec: https://spec.matrix.org/v1.19/rooms/v12/#state-resolution
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from matrix_protocol.event_auth import (
    AuthEvent,
    PowerLevels,
    Rejection,
    StateKey,
    check_state_dependent_auth_rules,
    power_levels_of,
)
from matrix_protocol.events.format import Event
from matrix_protocol.membership import membership_of
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.state_resolution import rules as choices
from matrix_protocol.state_resolution.rules import V2Rules

_StateMap = Mapping[StateKey, str]
_Events = Mapping[str, Event]

_CREATE: StateKey = ("m.room.create", "")
_POWER_LEVELS: StateKey = ("m.room.power_levels", "")
_POWER_KEYS = frozenset({_CREATE, _POWER_LEVELS, ("m.room.join_rules", "")})


class Resolution(NamedTuple):
    """The resolved state, and how it came about: for those who ask why an event is in it and another is not."""

    state: dict[StateKey, str]
    unconflicted: dict[StateKey, str]
    in_power_order: list[str]
    in_mainline_order: list[str]
    ignored: dict[str, Rejection]
    """The events of both lists that the auth rules did not allow in their turn."""


def resolve(
    state_sets: Sequence[_StateMap],
    events: _Events,
    rejected_event_ids: Container[str],
    rules: RoomVersionRules,
    v2_rules: V2Rules,
) -> Resolution:
    unconflicted, conflicted = separate(state_sets)
    in_full_set = full_conflicted_set(state_sets, conflicted, events, v2_rules)
    # "1. Select the set X of all *power events* that appear in the *full conflicted set*. For each such power event P,
    #  enlarge X by adding the events in the auth chain of P which also belong to the full conflicted set. Sort X into
    #  a list using the *reverse topological power ordering*."
    power_event_ids = power_events_with_chains(in_full_set, events)
    in_power_order = reverse_topological_power_ordering(power_event_ids, events, rules)
    # "2. Apply the *iterative auth checks algorithm*, starting from the *unconflicted state map* [v2.1: "an *empty*
    #  state map"], to the list of events from the previous step to get a partially resolved state."
    partial = {} if v2_rules.starts_from_empty_state else dict(unconflicted)
    ignored = iterative_auth_checks(partial, in_power_order, events, rejected_event_ids, rules)
    # "3. Take all remaining events that weren't picked in step 1 and order them by the mainline ordering based on the
    #  power level in the partially resolved state obtained in step 2."
    remaining = [event_id for event_id in in_full_set if event_id not in power_event_ids]
    in_mainline_order = mainline_ordering(remaining, partial.get(_POWER_LEVELS), events)
    # "4. Apply the *iterative auth checks algorithm* on the partial resolved state and the list of events from the
    #  previous step."
    ignored |= iterative_auth_checks(partial, in_mainline_order, events, rejected_event_ids, rules)
    # "5. Update the result by replacing any event with the event with the same key from the *unconflicted state map*,
    #  if such an event exists, to get the final resolved state."
    return Resolution({**partial, **unconflicted}, unconflicted, in_power_order, in_mainline_order, ignored)


def separate(state_sets: Sequence[_StateMap]) -> tuple[dict[StateKey, str], set[str]]:
    """ "If a given key K is present in every S_i with the same value V in each state map, then the pair (K, V) belongs
    to the *unconflicted state map*. Otherwise, V belongs to the *conflicted state set*."
    """
    unconflicted: dict[StateKey, str] = {}
    conflicted: set[str] = set()
    for key in {key for state in state_sets for key in state}:
        values = {state.get(key) for state in state_sets}
        present = {value for value in values if value is not None}
        if len(values) == 1:
            unconflicted[key] = present.pop()
        else:
            conflicted |= present
    return unconflicted, conflicted


def full_conflicted_set(
    state_sets: Sequence[_StateMap], conflicted: set[str], events: _Events, v2_rules: V2Rules
) -> set[str]:
    """ "The *full conflicted set* is the union of the conflicted state set, [v2.1: the conflicted state subgraph,] and
    the auth difference." Events that we don't have are left out.
    """
    found = conflicted | auth_difference(state_sets, events)
    if v2_rules.adds_conflicted_subgraph:
        found |= conflicted_subgraph(conflicted, events)
    return {event_id for event_id in found if event_id in events}


def auth_difference(state_sets: Sequence[_StateMap], events: _Events) -> set[str]:
    """ "If C_i is the full auth chain of S_i, then the auth difference is ∪ C_i − ∩ C_i." """
    chains = [full_auth_chain(state.values(), events) for state in state_sets]
    return set().union(*chains).difference(set(chains[0]).intersection(*chains))


def full_auth_chain(event_ids: Collection[str], events: _Events) -> set[str]:
    """ "The union of the auth chains for each event": "all of E's auth events, all of *their* auth events, and so on
    recursively, stretching back to the start of the room"."""
    chain: set[str] = set()
    seen = set(event_ids)
    waiting = list(seen)
    while waiting:
        for auth_event_id in _auth_event_ids(waiting.pop(), events):
            chain.add(auth_event_id)
            if auth_event_id not in seen:
                seen.add(auth_event_id)
                waiting.append(auth_event_id)
    # NOTSPEC: see there.
    return seen if choices.AUTH_CHAINS_INCLUDE_EVENT else chain


def conflicted_subgraph(conflicted: set[str], events: _Events) -> set[str]:
    """ "Starting from an event in the *conflicted state set* and following `auth_events` edges may lead to another
    event in the conflicted state set. The union of all such paths between any pair of events in the conflicted state
    set (including endpoints) forms […] the *conflicted state subgraph*."
    """
    below = full_auth_chain(conflicted, events) | conflicted
    cited_by: dict[str, list[str]] = {}
    for event_id in below:
        for auth_event_id in _auth_event_ids(event_id, events):
            cited_by.setdefault(auth_event_id, []).append(event_id)
    # On a path = reached from a conflicted event (`below`), and leading to one.
    on_a_path = set(conflicted)
    waiting = list(conflicted)
    while waiting:
        for event_id in cited_by.get(waiting.pop(), ()):
            if event_id not in on_a_path:
                on_a_path.add(event_id)
                waiting.append(event_id)
    return on_a_path


def is_power_event(event: Event) -> bool:
    """ "A *power event* is a state event with type `m.room.power_levels` or `m.room.join_rules`, or a state event with
    type `m.room.member` where the `membership` is `leave` or `ban` and the `sender` does not match the `state_key`."

    NOTSPEC: `m.room.create` counts too, and the first two with an empty state key only, as in deployed servers.
    """
    if event.type == "m.room.member":
        return membership_of(event.content) in ("leave", "ban") and event.sender != event.state_key
    return (event.type, event.state_key) in _POWER_KEYS


def power_events_with_chains(in_full_set: set[str], events: _Events) -> set[str]:
    """X of step 1.

    NOTSPEC: deployed servers walk an auth chain only as long as it stays in the full conflicted set. What lies beyond
    an event outside the set is in every auth chain, so it matters for old events of a state set alone.
    """
    found = {event_id for event_id in in_full_set if is_power_event(events[event_id])}
    waiting = list(found)
    while waiting:
        for auth_event_id in _auth_event_ids(waiting.pop(), events):
            if auth_event_id in in_full_set and auth_event_id not in found:
                found.add(auth_event_id)
                waiting.append(auth_event_id)
    return found


def reverse_topological_power_ordering(event_ids: set[str], events: _Events, rules: RoomVersionRules) -> list[str]:
    """ "The lexicographically smallest topological ordering based on the DAG formed by auth events", found "using
    Kahn's algorithm for topological sorting, and at each step selecting, among all the candidate vertices, the
    smallest vertex using the above comparison relation"."""
    cited_by: dict[str, list[str]] = {event_id: [] for event_id in event_ids}
    unplaced_auth_events = dict.fromkeys(event_ids, 0)
    for event_id in event_ids:
        for auth_event_id in set(_auth_event_ids(event_id, events)) & event_ids:
            cited_by[auth_event_id].append(event_id)
            unplaced_auth_events[event_id] += 1
    order = {event_id: _power_order(events[event_id], events, rules) for event_id in event_ids}
    candidates = [order[event_id] for event_id, unplaced in unplaced_auth_events.items() if not unplaced]
    heapify(candidates)
    ordered: list[str] = []
    while candidates:
        event_id = heappop(candidates)[2]
        ordered.append(event_id)
        for citing_event_id in cited_by[event_id]:
            unplaced_auth_events[citing_event_id] -= 1
            if not unplaced_auth_events[citing_event_id]:
                heappush(candidates, order[citing_event_id])
    return ordered


def _power_order(event: Event, events: _Events, rules: RoomVersionRules) -> tuple[int, int, str]:
    # "1. x's sender has *greater* power level than y's sender, when looking at their respective `auth_event`s; or
    #  2. […] x's `origin_server_ts` is *less* than y's; or 3. […] x's `event_id` is *less* than y's".
    return -sender_power_level(event, events, rules), event.origin_server_ts_ms, event.event_id


def sender_power_level(event: Event, events: _Events, rules: RoomVersionRules) -> int:
    """The power level of the event's sender by the event's own auth events. 0 if they don't lead to a create event."""
    state = _AuthStateOf({}, event, events, frozenset(), rules)
    return 0 if state.get(*_CREATE) is None else state.power_levels().user_level(event.sender)


def iterative_auth_checks(
    state: dict[StateKey, str],
    event_ids: Iterable[str],
    events: _Events,
    rejected_event_ids: Container[str],
    rules: RoomVersionRules,
) -> dict[str, Rejection]:
    """ "Iterating through the event list and applying the state event to the room state if the state event is allowed
    by the authorisation rules. If the state event is not allowed by the authorisation rules, then the event is
    ignored."

    An event that was rejected itself is checked as any other: "events that have been rejected due to failing auth
    based on the state at the event […] are handled as usual by the algorithm". Returns why events were ignored.
    """
    ignored = {}
    for event_id in event_ids:
        event = events[event_id]
        auth_state = _AuthStateOf(state, event, events, rejected_event_ids, rules)
        if event.state_key is None:
            continue
        rejection = check_state_dependent_auth_rules(event, auth_state, rules)
        if rejection is None:
            state[event.type, event.state_key] = event_id
        else:
            ignored[event_id] = rejection
    return ignored


def mainline_ordering(event_ids: Iterable[str], power_levels_id: str | None, events: _Events) -> list[str]:
    # "The *mainline of P_0* is the list of events [P_0, P_1, …, P_n]": "repeatedly fetch P_i+1, the
    #  `m.room.power_levels` event in the `auth_events` of P_i".
    positions: dict[str | None, float] = {None: float("inf")}
    positions.update((event_id, i) for i, event_id in enumerate(_power_levels_chain(power_levels_id, events)))

    def order(event_id: str) -> tuple[float, int, str]:
        # "1. the mainline position of x is *greater* than the mainline position of y […]; or 2. […] x's
        #  `origin_server_ts` is *less* than y's; or 3. […] x's `event_id` is *less* than y's".
        position = _mainline_position(events[event_id], positions, events)
        return -position, events[event_id].origin_server_ts_ms, event_id

    return sorted(event_ids, key=order)


def _mainline_position(event: Event, positions: dict[str | None, float], events: _Events) -> float:
    """ "Find the smallest index j ≥ 1 for which e_j belongs to the mainline of P. If such a j exists, then e_j = P_i
    for some unique index i ≥ 0. Otherwise set i = ∞". `positions` remembers what was found on the way."""
    passed: list[str | None] = []
    current = _power_levels_of(event, events)
    while current not in positions:
        assert current is not None
        passed.append(current)
        positions[current] = float("inf")  # ends a walk in a circle, too
        current = _power_levels_of(events[current], events)
    position = positions[current]
    positions.update(dict.fromkeys(passed, position))
    return position


def _power_levels_chain(event_id: str | None, events: _Events) -> list[str]:
    chain: dict[str, None] = {}
    while event_id is not None and event_id in events and event_id not in chain:
        chain[event_id] = None
        event_id = _power_levels_of(events[event_id], events)
    return list(chain)


def _power_levels_of(event: Event, events: _Events) -> str | None:
    """The power-levels event among the auth events."""
    for auth_event_id in event.auth_event_ids:
        auth_event = events.get(auth_event_id)
        if auth_event is not None and (auth_event.type, auth_event.state_key) == _POWER_LEVELS:
            return auth_event_id
    return None


def _auth_event_ids(event_id: str, events: _Events) -> tuple[str, ...]:
    event = events.get(event_id)
    return () if event is None else event.auth_event_ids


class _AuthStateOf:
    """The state that one event is checked against: the resolved one, and where it has nothing, the event's auth events.

    "If a `(event_type, state_key)` key that is required for checking the authorisation rules is not present in the
    state, then the appropriate state event from the event's `auth_events` is used if the auth event is not rejected."
    """

    def __init__(
        self, state: _StateMap, event: Event, events: _Events, rejected: Container[str], rules: RoomVersionRules
    ) -> None:
        self._state = state
        self._events = events
        self._rules = rules
        self._own = {
            (auth_event.type, auth_event.state_key): auth_event
            for auth_event_id in event.auth_event_ids
            if (auth_event := events.get(auth_event_id)) is not None and auth_event_id not in rejected
        }
        if rules.authorization.room_id_is_create_event_id:  # the create event is implied, not named
            create_event = events.get("$" + event.room_id[1:])
            if create_event is not None:
                self._own[_CREATE] = create_event

    def get(self, event_type: str, state_key: str) -> AuthEvent | None:
        key = (event_type, state_key)
        event = self._events.get(self._state.get(key, ""))
        return self._own.get(key) if event is None else event

    def membership(self, user_id: str) -> str:
        event = self.get("m.room.member", user_id)
        return "leave" if event is None else membership_of(event.content)

    def power_levels(self) -> PowerLevels:
        create_event = self.get(*_CREATE)
        assert create_event is not None, "the rules ask for the create event first"
        return power_levels_of(create_event, self.get(*_POWER_LEVELS), self._rules.authorization)
