"""A room's state as integers: what a state key and an event is, is decided once, when it arrives.

    key IDs     (event type, state key)  ->  0, 1, 2, …            dense
    events      event ID                 ->  0, 1, 2, …            state events only
    snapshot    int32[key ID]            ->  event number          the current state
    deltas      int32[3 × n]             ->  (key ID, event number before, after), newest last

A state before one of the last `DELTAS_MAX` changes is the snapshot with the later
deltas undone, so a fork of the DAG is two short lists over one snapshot, and
resolution never needs a dictionary of the whole state.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from roomserver.state.event_ids import EventIds

ABSENT = -1
MEMBER = "m.room.member"
MEMBERSHIPS = ("", "join", "invite", "leave", "ban", "knock")
"""Numbered by their index; "" is no membership at all."""
_MEMBERSHIP_NUMBERS = {membership: number for number, membership in enumerate(MEMBERSHIPS)}
JOIN = _MEMBERSHIP_NUMBERS["join"]

DELTAS_MAX = 1024
"""Forks are short: a longer history is read from the table `state_deltas_by_room`."""

_KEY_BYTES = 190
"""A state key in its dictionary: 104 for the entry (at two thirds full), 74 for a user ID of 25 characters, 4 in the
snapshot, and room to spare. Measured with tracemalloc over 100,000 members."""
_EVENT_BYTES = 34
_EMPTY_BYTES = 1600


class CompactState:
    """Current state of one room with its latest changes. No contents: see `RoomInMemory`."""

    __slots__ = ("_deltas", "_event_ids", "_key_ids", "_membership_counts", "_memberships", "_snapshot", "version")

    def __init__(self, version: int = 0, *, url_safe_event_ids: bool = True) -> None:
        self.version = version
        """How many state changes the room has seen on its main line."""
        self._key_ids: dict[str, dict[str, int]] = {}
        self._event_ids = EventIds(url_safe=url_safe_event_ids)
        self._memberships = bytearray()
        self._snapshot = array("i")
        self._deltas = array("i")
        self._membership_counts = [0] * len(MEMBERSHIPS)

    def __len__(self) -> int:
        return len(self._snapshot)

    def event_number(self, event_type: str, state_key: str) -> int:
        """The event that holds this key now, or ABSENT."""
        keys = self._key_ids.get(event_type)
        key_id = ABSENT if keys is None else keys.get(state_key, ABSENT)
        return ABSENT if key_id == ABSENT else self._snapshot[key_id]

    def event_id(self, event_type: str, state_key: str) -> str | None:
        number = self.event_number(event_type, state_key)
        return None if number == ABSENT else self._event_ids[number]

    def event_id_of(self, number: int) -> str:
        return self._event_ids[number]

    def membership(self, user_id: str) -> str:
        """ "" = never had one."""
        number = self.event_number(MEMBER, user_id)
        return "" if number == ABSENT else MEMBERSHIPS[self._memberships[number]]

    def count(self, membership: str) -> int:
        """How many users have this membership now."""
        return self._membership_counts[_MEMBERSHIP_NUMBERS[membership]]

    def joined_users(self) -> Iterator[str]:
        """In the order in which they first came to the room. Costs the size of the room: not for hot paths."""
        for user_id, key_id in self._key_ids.get(MEMBER, {}).items():
            if self._memberships[self._snapshot[key_id]] == JOIN:
                yield user_id

    def members(self) -> Iterator[tuple[str, str]]:
        """(user ID, membership) of everybody who ever had one, in the order in which they first came to the room."""
        for user_id, key_id in self._key_ids.get(MEMBER, {}).items():
            yield user_id, MEMBERSHIPS[self._memberships[self._snapshot[key_id]]]

    def load(self, event_type: str, state_key: str, event_id: str, membership: str) -> None:
        """A key of the state as it was stored: no delta, no new version."""
        self._put(event_type, state_key, event_id, membership)

    def change(self, event_type: str, state_key: str, event_id: str, membership: str) -> None:
        """An event has taken its place in the current state."""
        key_id, before, after = self._put(event_type, state_key, event_id, membership)
        self.version += 1
        self._deltas.extend((key_id, before, after))
        if len(self._deltas) > 3 * 2 * DELTAS_MAX:
            del self._deltas[: -3 * DELTAS_MAX]

    def snapshot(self) -> array[int]:
        """The current state; a copy."""
        return self._snapshot[:]

    def snapshot_at(self, version: int) -> array[int] | None:
        """The state as it was at an earlier version; None if that lies too far back.

        Keys that did not exist then are ABSENT.
        """
        undone = self.version - version
        if undone < 0 or 3 * undone > len(self._deltas):
            return None
        state = self._snapshot[:]
        for index in range(len(self._deltas) - 3, len(self._deltas) - 3 * undone - 1, -3):
            state[self._deltas[index]] = self._deltas[index + 1]
        return state

    def memory_bytes(self) -> int:
        """An estimate, on the safe side."""
        return (
            _EMPTY_BYTES
            + _KEY_BYTES * len(self._snapshot)
            + _EVENT_BYTES * len(self._memberships)
            + 4 * len(self._deltas)
        )

    def _put(self, event_type: str, state_key: str, event_id: str, membership: str) -> tuple[int, int, int]:
        membership_number = _MEMBERSHIP_NUMBERS.get(membership, 0)
        after = self._event_ids.append(event_id)
        self._memberships.append(membership_number)
        keys = self._key_ids.setdefault(event_type, {})
        key_id = keys.get(state_key, ABSENT)
        if key_id == ABSENT:
            key_id = keys[state_key] = len(self._snapshot)
            before = ABSENT
            self._snapshot.append(after)
        else:
            before = self._snapshot[key_id]
            self._snapshot[key_id] = after
        if event_type == MEMBER:
            if before != ABSENT:
                self._membership_counts[self._memberships[before]] -= 1
            self._membership_counts[membership_number] += 1
        return key_id, before, after
