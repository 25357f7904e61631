"""A fork of the room as the kernels want it, and back: state sets are deltas of the current state, in numbers.

    CompactState    key IDs of its own, slots      --numbers-->      CompactRoom     key numbers, event numbers

Nothing here waits, so that all is of one moment; what runs in a thread is `Fork.resolve` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import StateResolutionAlgorithm
from matrix_protocol.state_resolution import layout, resolve
from matrix_protocol.state_resolution.compact import CompactRoom, Delta, Snapshot
from matrix_protocol.state_resolution.resolver import Cancellation, Resolver
from roomserver.state.compact import CompactState

_of_thread = threading.local()


class StateSet(NamedTuple):
    """A state that a fork leads to: one that the main line had, and what is different."""

    version: int
    """The main line's state after so many changes of it."""
    event_ids: Sequence[str] = ()
    """State events of the room, each in the place of what has its type and state key."""
    absent: Sequence[StateKey] = ()
    """Keys that this state has no event for."""


class FormerState(NamedTuple):
    """What the tables tell of a version that memory has no deltas for any more."""

    through_version: int
    """The version that it was compared with."""
    event_ids: Mapping[StateKey, str]
    """By changed key, the event then; "" if there was none."""


class Fork:
    """State sets of one room, to be resolved."""

    def __init__(
        self,
        room: CompactRoom,
        state: CompactState,
        state_sets: Sequence[StateSet],
        former_states: Mapping[int, FormerState],
    ) -> None:
        """Raises KeyError if the room has no such state event, LookupError if a version is not to be had."""
        self.room = room
        self.version = state.version
        self.cancellation = Cancellation()
        self._snapshot = _snapshot(room, state)
        self._deltas = [
            _delta(room, state, state_set, former_states.get(state_set.version)) for state_set in state_sets
        ]

    def resolve(self, events: Mapping[str, Event]) -> dict[StateKey, str | None]:
        """What the resolution differs in from the current state; None for a key that it has no event for.

        In any thread: it reads what the room had when the fork was made. Raises ResolutionCancelled.
        `events`: see `Resolver.resolve`; in version 1 of rooms, those of `conflicting_event_ids`, and what auth rules
        look at for them.
        """
        if self.room.rules.state_resolution is StateResolutionAlgorithm.V1:
            return self._resolve_plainly(events)
        resolver = getattr(_of_thread, "resolver", None)
        if resolver is None:
            resolver = _of_thread.resolver = Resolver()
        room = self.room
        changes: dict[int, int] = resolver.resolve(room, self._snapshot, self._deltas, events, self.cancellation)
        return {
            room.key(key): None if number == layout.NOTHING else room.event_id(number)
            for key, number in changes.items()
        }

    def _resolve_plainly(self, events: Mapping[str, Event]) -> dict[StateKey, str | None]:
        room, snapshot = self.room, self._snapshot
        state_sets = [room.state_map(room.applied(snapshot, delta)) for delta in self._deltas]
        resolved = resolve(state_sets, events, room.rules)
        current = room.state_map(snapshot)
        keys = {room.key(key) for delta in self._deltas for key in delta}
        return {key: resolved.get(key) for key in keys if resolved.get(key) != current.get(key)}

    def conflicting_event_ids(self) -> list[str]:
        """Of keys that have different events in two states; having none at all is no conflict (version 1)."""
        keys = {key for delta in self._deltas for key in delta}
        found: list[str] = []
        for key in keys:
            numbers = {self._number(delta, key) for delta in self._deltas} - {layout.NOTHING}
            if len(numbers) > 1:
                found.extend(map(self.room.event_id, sorted(numbers)))
        return found

    def event_ids_of(self, keys: Sequence[StateKey]) -> list[str]:
        """The events of these keys, in all of the states."""
        numbers = {self._number(delta, self.room.key_number(*key)): None for key in keys for delta in self._deltas}
        return [self.room.event_id(number) for number in numbers if number != layout.NOTHING]

    def _number(self, delta: Delta, key: int) -> int:
        if key in delta:
            return delta[key]
        return int(self._snapshot[key]) if key < len(self._snapshot) else layout.NOTHING


def _snapshot(room: CompactRoom, state: CompactState) -> Snapshot:
    """The current state; costs some 10 ns a key."""
    slots, numbers_by_slot = (np.frombuffer(array, np.int32) for array in state.arrays())
    numbers = numbers_by_slot[slots]
    snapshot = room.empty_snapshot()
    snapshot[room.events.array["key"][numbers]] = numbers
    return snapshot


def _delta(
    room: CompactRoom, state: CompactState, state_set: StateSet, former_state: FormerState | None
) -> dict[int, int]:
    since = state_set.version if former_state is None else former_state.through_version
    numbers = state.numbers_before(since)
    if numbers is None:
        raise LookupError(f"the room's state of version {since} is not known any more")
    delta = {room.key_of_event(current): number for current, number in numbers.items()}
    if former_state is not None:
        for key, event_id in former_state.event_ids.items():
            delta[room.key_number(*key)] = room.number(event_id) if event_id else layout.NOTHING
    delta.update(room.delta_of(state_set.event_ids))
    delta.update({room.key_number(*key): layout.NOTHING for key in state_set.absent})
    return delta
