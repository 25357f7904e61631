"""State resolution of room version 1, as the specification tells it. "Known to have bugs"; there is nothing faster.

Spec: https://spec.matrix.org/v1.19/rooms/v1/#state-resolution
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1

from matrix_protocol.event_auth import StateKey, StateOfEvents, check_state_dependent_auth_rules
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import RoomVersionRules

_StateMap = Mapping[StateKey, str]
_STAGES: tuple[Callable[[str], bool], ...] = (
    lambda event_type: event_type == "m.room.power_levels",
    lambda event_type: event_type == "m.room.join_rules",
    lambda event_type: event_type == "m.room.member",
)


def resolve(
    state_sets: Sequence[_StateMap], events: Mapping[str, Event], rules: RoomVersionRules
) -> dict[StateKey, str]:
    # "Start by setting R to the union of the states to be resolved, excluding any conflicting events."
    candidates = _candidates(state_sets)
    resolved = {key: next(iter(event_ids)) for key, event_ids in candidates.items() if len(event_ids) == 1}
    conflicts = {
        key: sorted((events[event_id] for event_id in event_ids if event_id in events), key=_by_depth)
        for key, event_ids in candidates.items()
        if len(event_ids) > 1
    }
    # "First we resolve conflicts between `m.room.power_levels` events. […] Repeat the above process for conflicts
    #  between `m.room.join_rules` events. Repeat the above process for conflicts between `m.room.member` events."
    for is_of_stage in _STAGES:
        keys = [key for key in conflicts if is_of_stage(key[0])]
        # The text gives the keys of a stage no order; so that none matters, they don't see each other's results.
        winners = {key: _last_of_allowed_run(conflicts.pop(key), resolved, events, rules) for key in keys}
        resolved.update({key: event.event_id for key, event in winners.items() if event is not None})
    # "No other events affect the authorisation rules, so for all other conflicts, just pick the event with the highest
    #  depth and lowest `sha1(event_id)` that passes authentication in R and add it to R."
    state = _state_of(resolved, events, rules)
    for key, ordered in conflicts.items():
        for event in reversed(ordered):
            if check_state_dependent_auth_rules(event, state, rules) is None:
                resolved[key] = event.event_id
                break
    return resolved


def _candidates(state_sets: Sequence[_StateMap]) -> dict[StateKey, set[str]]:
    """ "A *conflict* occurs between states where those states have different `event_ids` for the same `(event_type,
    state_key)`": a state that has none at all doesn't count."""
    candidates: dict[StateKey, set[str]] = {}
    for state in state_sets:
        for key, event_id in state.items():
            candidates.setdefault(key, set()).add(event_id)
    return candidates


def _by_depth(event: Event) -> tuple[int, int]:
    """ "Sort the list by ascending `depth` then descending `sha1(event_id)`." """
    digest = sha1(event.event_id.encode(), usedforsecurity=False).digest()
    return event.depth, -int.from_bytes(digest, "big")


def _last_of_allowed_run(
    ordered: Sequence[Event], resolved: _StateMap, events: Mapping[str, Event], rules: RoomVersionRules
) -> Event | None:
    # "Add the first event in the list to R. For each subsequent event in the list, check that the event would be
    #  allowed by the authorisation rules for a room in state R. If the event would be allowed, then update R with the
    #  event and continue with the next event in the list. If it would not be allowed, stop".
    state = _state_of(resolved, events, rules)
    last: Event | None = None
    for event in ordered:
        if last is not None and check_state_dependent_auth_rules(event, state, rules) is not None:
            break
        state.add(event)
        last = event
    return last


def _state_of(resolved: _StateMap, events: Mapping[str, Event], rules: RoomVersionRules) -> StateOfEvents:
    return StateOfEvents((events[event_id] for event_id in resolved.values() if event_id in events), rules)
