"""A room's state as integers: what a state key and an event is, is decided once, when it arrives.

    key IDs     (event type, state key)  ->  0, 1, 2, …            dense
    slots       event ID                 ->  0, 1, 2, …            state events that this object has met
    numbers     int32[slot]              ->  event number          for good, and the same in every owner's memory
    snapshot    int32[key ID]            ->  slot                  the current state
    deltas      int32[3 × n]             ->  (key ID, slot before, after), newest last

An event's *number* is its place among all state events of the room: 0 is the create event. The stored columns of the
event (`STATE_COLUMNS_BY_ROOM`) have the same number, and so has the room as a state resolution wants it.

A state before one of the last `DELTAS_MAX` changes is the snapshot with the later
deltas undone, so a fork of the DAG is two short lists over one snapshot, and
resolution never needs a dictionary of the whole state.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from matrix_protocol.room_versions import EventIdFormat
from roomserver.state.event_ids import event_ids_of

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
_EVENT_BYTES = 6
"""Its number and membership."""
_EMPTY_BYTES = 1600


class CompactState:
    """Current state of one room with its latest changes. No contents: see `RoomInMemory`."""

    __slots__ = (
        "_deltas",
        "_event_ids",
        "_key_ids",
        "_membership_counts",
        "_memberships",
        "_numbers",
        "_reference_hashes",
        "_snapshot",
        "event_count",
        "version",
    )

    def __init__(
        self, version: int = 0, *, event_id_format: EventIdFormat = EventIdFormat.URL_SAFE_REFERENCE_HASH
    ) -> None:
        self.version = version
        """How many state changes the room has seen on its main line."""
        self.event_count = version
        """How many state events of the room have a number; the next one's number."""
        self._key_ids: dict[str, dict[str, int]] = {}
        self._event_ids = event_ids_of(event_id_format)
        self._reference_hashes: dict[int, bytes] = {}
        self._numbers = array("i")
        self._memberships = bytearray()
        self._snapshot = array("i")
        self._deltas = array("i")
        self._membership_counts = [0] * len(MEMBERSHIPS)

    def __len__(self) -> int:
        return len(self._snapshot)

    def slot(self, event_type: str, state_key: str) -> int:
        """Where the event that holds this key now is found here, or ABSENT."""
        keys = self._key_ids.get(event_type)
        key_id = ABSENT if keys is None else keys.get(state_key, ABSENT)
        return ABSENT if key_id == ABSENT else self._snapshot[key_id]

    def event_id(self, event_type: str, state_key: str) -> str | None:
        slot = self.slot(event_type, state_key)
        return None if slot == ABSENT else self._event_ids[slot]

    def event_id_of(self, slot: int) -> str:
        return self._event_ids[slot]

    def event_number(self, event_type: str, state_key: str) -> int:
        """The number of the event that holds this key now, or ABSENT."""
        slot = self.slot(event_type, state_key)
        return ABSENT if slot == ABSENT else self._numbers[slot]

    def reference_hash(self, event_type: str, state_key: str) -> bytes:
        """Of the event that holds this key now; empty in versions that don't keep it."""
        return self._reference_hashes.get(self.slot(event_type, state_key), b"")

    def membership(self, user_id: str) -> str:
        """ "" = never had one."""
        slot = self.slot(MEMBER, user_id)
        return "" if slot == ABSENT else MEMBERSHIPS[self._memberships[slot]]

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

    def load(
        self,
        event_type: str,
        state_key: str,
        event_id: str,
        membership: str,
        number: int,
        reference_hash: bytes | None = None,
    ) -> None:
        """A key of the state as it was stored: no delta, no new version."""
        self._put(event_type, state_key, event_id, membership, number)
        if reference_hash:
            self._reference_hashes[len(self._numbers) - 1] = reference_hash

    def change(
        self, event_type: str, state_key: str, event_id: str, membership: str, reference_hash: bytes = b""
    ) -> None:
        """A new event, the next one in number, has taken its place in the current state."""
        key_id, before, after = self._put(event_type, state_key, event_id, membership, self.event_count)
        if reference_hash:
            self._reference_hashes.pop(before, None)
            self._reference_hashes[after] = reference_hash
        self.event_count += 1
        self.version += 1
        self._deltas.extend((key_id, before, after))
        if len(self._deltas) > 3 * 2 * DELTAS_MAX:
            del self._deltas[: -3 * DELTAS_MAX]

    def arrays(self) -> tuple[array[int], array[int]]:
        """The current state's slots by key ID, and numbers by slot: the very arrays, to be read at once."""
        return self._snapshot, self._numbers

    def numbers_before(self, version: int) -> dict[int, int] | None:
        """What the state of an earlier version differs in from the current one; None if that lies too far back.

        By the number of the current event of a key: the number of the event that held the key then, or ABSENT.
        """
        undone = self.version - version
        if undone < 0 or 3 * undone > len(self._deltas):
            return None
        slots: dict[int, int] = {}
        for index in range(len(self._deltas) - 3, len(self._deltas) - 3 * undone - 1, -3):
            slots[self._deltas[index]] = self._deltas[index + 1]
        numbers, snapshot = self._numbers, self._snapshot
        return {numbers[snapshot[key]]: slot if slot == ABSENT else numbers[slot] for key, slot in slots.items()}

    def memory_bytes(self) -> int:
        """An estimate, on the safe side."""
        return (
            _EMPTY_BYTES
            + _KEY_BYTES * len(self._snapshot)
            + _EVENT_BYTES * len(self._memberships)
            + self._event_ids.memory_bytes()
            + 170 * len(self._reference_hashes)
            + 4 * len(self._deltas)
        )

    def _put(
        self, event_type: str, state_key: str, event_id: str, membership: str, number: int
    ) -> tuple[int, int, int]:
        membership_number = _MEMBERSHIP_NUMBERS.get(membership, 0)
        after = self._event_ids.append(event_id)
        self._memberships.append(membership_number)
        self._numbers.append(number)
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
