"""Runs the kernels over a room: the entry for a server.

    resolver = Resolver()                                         # one for each thread
    changes = resolver.resolve(room, snapshot, [{}, delta], events)    # {key number: event number}
    snapshot = room.applied(snapshot, changes)

A state set is a delta of the snapshot, the snapshot itself is `{}`, and the answer is a delta too. For one state set,
or equal ones, numba is not even imported. `warm_up` loads the compiled kernels (or compiles them, once on a machine),
which takes from a tenth of a second to half a minute: call it from a background thread at start.

`resolve` releases the GIL while it works. Conflicts of thousands of keys take milliseconds: run them in a thread, with
a `Cancellation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matrix_protocol.event_auth import StateOfEvents
from matrix_protocol.event_auth.third_party_invite import check_third_party_invite
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS, RoomVersionRules
from matrix_protocol.state_resolution import layout
from matrix_protocol.state_resolution import rules as choices
from matrix_protocol.state_resolution.compact import CompactRoom, Delta, Snapshot
from matrix_protocol.state_resolution.rules import V2_RULES

_STAMP_MAX = 2**29
_OF_ANOTHER_ROOM = "a state names an event or a key that the room does not have"

_kernel: Callable[..., int] | None = None


class ResolutionCancelled(Exception):
    """Somebody called `Cancellation.cancel`."""


class Cancellation:
    """Ends a resolution from another thread, within some hundred events."""

    def __init__(self) -> None:
        self.control: NDArray[np.int64] = np.zeros(layout.FIRST_PENDING + layout.PENDING_MAX, np.int64)

    def cancel(self) -> None:
        self.control[layout.CANCEL] = 1


class PackedDelta(NamedTuple):
    """A delta as arrays. Each key stands once."""

    keys: NDArray[np.int32]
    values: NDArray[np.int32]


def pack(delta: Delta) -> PackedDelta:
    """Costs some 50 ns an entry, with the GIL held: worth keeping for large deltas that are resolved more than once."""
    size = len(delta)
    return PackedDelta(np.fromiter(delta, np.int32, size), np.fromiter(delta.values(), np.int32, size))


def kernels_are_compiled() -> bool:
    """False: there is no numba, and a resolution takes some fifty times longer."""
    from matrix_protocol.state_resolution import kernels

    return kernels.IS_COMPILED


def warm_up() -> None:
    """Load the compiled kernels by resolving a conflict of nothing."""
    room = CompactRoom(ROOM_VERSIONS[DEFAULT_ROOM_VERSION])
    snapshot = room.empty_snapshot()
    Resolver()._run(room, snapshot, [{}, {layout.CREATE_KEY: layout.NOTHING}], Cancellation(), layout.DIFFERENCE_AUTO)


def _kernels() -> Callable[..., int]:
    global _kernel
    if _kernel is None:
        from matrix_protocol.state_resolution import kernels

        _kernel = kernels.resolve
    return _kernel


class Resolver:
    """Scratch memory for resolutions, one after the other, of any rooms: 68 bytes for each event of the largest."""

    def __init__(self) -> None:
        self._stamp = 0
        self._events_max = -1
        self._keys_max = -1

    def resolve(
        self,
        room: CompactRoom,
        snapshot: Snapshot,
        deltas: Sequence[Delta | PackedDelta],
        events: Mapping[str, Event],
        cancellation: Cancellation | None = None,
        *,
        difference: int = layout.DIFFERENCE_AUTO,
    ) -> dict[int, int]:
        """The resolution of these state sets, as a delta of the snapshot.

        `events` is asked only for third-party invites whose signature was not looked at yet. Raises KeyError if it
        lacks one, ValueError for states that are none of this room, and ResolutionCancelled. `difference` is for tests.
        """
        if all(delta is deltas[0] or _are_equal(delta, deltas[0]) for delta in deltas[1:]):
            return _changes(snapshot, deltas[0]) if deltas else {}
        control = cancellation or Cancellation()
        while True:
            changes = self._run(room, snapshot, deltas, control, difference)
            pending = int(control.control[layout.PENDING_COUNT])
            if not pending:
                return changes
            _find_out_pairs(room, control.control[layout.FIRST_PENDING :][:pending].tolist(), events)
            control.control[layout.PENDING_COUNT] = 0

    def _run(
        self,
        room: CompactRoom,
        snapshot: Snapshot,
        deltas: Sequence[Delta | PackedDelta],
        control: Cancellation,
        difference: int,
    ) -> dict[int, int]:
        n_events, n_keys = len(room), room.keys.length
        try:
            starts, keys, values = _flat(deltas)
        except OverflowError as error:
            raise ValueError(_OF_ANOTHER_ROOM) from error
        # Of another type, the arrays would have kernels of their own compiled for them.
        if len(keys) != len(values) or any(array.dtype != np.int32 for array in (snapshot, keys, values)):
            raise ValueError(_OF_ANOTHER_ROOM)
        # One stamp for each pass of the auth difference, and one for the subgraph.
        stamps = len(deltas) // (layout.SETS_A_PASS_MAX - 1) + 3
        self._make_room_for(n_events, n_keys, stamps)
        v2_rules = V2_RULES[room.rules.state_resolution]
        parameters = np.array(
            [
                n_events,
                self._stamp,
                v2_rules.starts_from_empty_state,
                v2_rules.adds_conflicted_subgraph,
                choices.AUTH_CHAINS_INCLUDE_EVENT,
                difference,
                n_keys,
            ],
            np.int64,
        )
        self._stamp += stamps
        arrays = (
            *(room.events.array, room.edges.array, room.event_ids.array(), room.string_rows.array),
            *(room.levels.array, room.table.array, room.pairs),
            *(self._marks, self._key_marks, self._full, self._order, self._heap, self._stack),
            *(self._touched, self._changed, snapshot, starts, keys, values, parameters, control.control, self._result),
        )
        rows = _kernels()(*arrays)
        if rows == layout.WAS_UNSOUND:
            raise ValueError(_OF_ANOTHER_ROOM)
        if rows == layout.WAS_CANCELLED:
            raise ResolutionCancelled
        return dict(zip(*self._result[:rows].T.tolist(), strict=True)) if rows else {}

    def _make_room_for(self, n_events: int, n_keys: int, stamps: int) -> None:
        if self._stamp + stamps > _STAMP_MAX:
            self._stamp, self._events_max, self._keys_max = 0, -1, -1
        if self._stamp == 0:
            self._stamp = 1  # zeros are no stamp
        if n_events > self._events_max:
            size = self._events_max = max(64, n_events + n_events // 8)
            self._marks = np.zeros(size, np.dtype(layout.SCRATCH_EVENT_FIELDS))
            self._full, self._order, self._heap = (np.empty(size, np.int32) for _ in range(3))
            self._stack = np.empty((size + 1, 2), np.int32)
        if n_keys > self._keys_max:
            size = self._keys_max = max(64, n_keys + n_keys // 8)
            self._key_marks = np.zeros(size, np.dtype(layout.SCRATCH_KEY_FIELDS))
            self._touched, self._changed = (np.empty(size, np.int32) for _ in range(2))
            self._result = np.empty((2 * size, 2), np.int32)


def _are_equal(one: Delta | PackedDelta, other: Delta | PackedDelta) -> bool:
    """Are they plainly the same? The kernels see to what differs in form alone."""
    if isinstance(one, PackedDelta) or isinstance(other, PackedDelta):
        both = isinstance(one, PackedDelta) and isinstance(other, PackedDelta)
        return both and all(map(np.array_equal, one, other))
    return one == other


def _changes(snapshot: Snapshot, delta: Delta | PackedDelta) -> dict[int, int]:
    """What the delta really changes."""
    length = len(snapshot)
    entries = zip(*map(np.ndarray.tolist, delta), strict=True) if isinstance(delta, PackedDelta) else delta.items()
    return {key: number for key, number in entries if number != (snapshot[key] if key < length else layout.NOTHING)}


def _flat(deltas: Sequence[Delta | PackedDelta]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Where each delta starts; keys; values."""
    if any(isinstance(delta, PackedDelta) for delta in deltas):
        packed = [delta if isinstance(delta, PackedDelta) else pack(delta) for delta in deltas]
        starts = list(accumulate((len(delta.keys) for delta in packed), initial=0))
        keys = np.concatenate([delta.keys for delta in packed])
        return np.array(starts, np.int32), keys, np.concatenate([delta.values for delta in packed])
    starts, flat_keys, flat_values = [0], list[int](), list[int]()
    for delta in deltas:
        flat_keys += delta.keys()  # type: ignore[operator]
        flat_values += delta.values()  # type: ignore[operator]
        starts.append(len(flat_keys))
    return np.array(starts, np.int32), np.array(flat_keys, np.int32), np.array(flat_values, np.int32)


def _find_out_pairs(room: CompactRoom, pairs: Sequence[int], events: Mapping[str, Event]) -> None:
    for pair in pairs:
        invite, issued = pair >> 32, (pair & 0xFFFFFFFF) >> 1
        is_signed = is_signed_for(events[room.event_id(invite)], events[room.event_id(issued)], room.rules)
        room.add_pair(invite, issued, is_signed=is_signed)


def is_signed_for(invite: Event, issued: Event, rules: RoomVersionRules) -> bool:
    """Does a signature of the invite's `third_party_invite.signed` match a key of that `m.room.third_party_invite`?

    Asked for pairs that fit otherwise: of the same sender, and of the same token.
    """
    return check_third_party_invite(invite, StateOfEvents([issued], rules)) is None
