"""A room as integers: what `kernels.resolve` works on.

    room = CompactRoom(rules)
    columns = room.add(event)                  # parents first; store columns.to_bytes() beside the event
    room = CompactRoom.load(rules, stored)     # the same room again, in the same order; parses no content

An event's *number* is its place in this order, for good; a (type, state key) pair and every string have numbers too, in
this object alone. A state is a *snapshot* (int32 array, event number by key number) or a *delta*, {key number: event
number}, of one: a server keeps the newest state as a snapshot, and others as deltas of it. Converting a whole state
costs far more than resolving it, so `snapshot_of` is for new rooms, and `state_map` for tests.

One thread adds events. Resolutions in other threads see the events that were there when they began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from matrix_protocol.event_auth import INFINITE_POWER_LEVEL, StateKey, creators_of
from matrix_protocol.events.format import Event
from matrix_protocol.room_versions import EventIdFormat, RoomVersionRules
from matrix_protocol.state_resolution import layout
from matrix_protocol.state_resolution.columns import (
    CreateEvent,
    EventColumns,
    LevelsColumns,
    Place,
    all_strings,
    columns_from_bytes,
    columns_of,
    create_event_of,
    reason_against,
)
from matrix_protocol.state_resolution.growing import EventIdTable, Rows, StringTable, is_text
from matrix_protocol.state_resolution.rules import RoomTooLarge

Snapshot = NDArray[np.int32]
Delta = Mapping[int, int]
"""Key number -> event number; `layout.NOTHING` where the snapshot has an event and this state has none."""

_PACK_EVENT = Struct(layout.EVENT_FORMAT).pack_into
_EVENT_WORDS = layout.EVENT_SIZE // 4
_HASH_ID_WIDTH = 48  # "$" and 43 characters
_CHOSEN_ID_WIDTH = 256
_DEFAULT_LEVELS = (0, 0, 50, 50, 50, 50, 0)
_CREATOR_LEVEL = 100
_NO_CREATE_EVENT = CreateEvent("", "", "", {})


class UnknownAuthEvent(ValueError):
    """An event cannot be added before its auth events."""


class CompactRoom:
    """The state events of one room."""

    def __init__(self, rules: RoomVersionRules) -> None:
        chosen = rules.event_format.event_id is EventIdFormat.CHOSEN_BY_SERVER
        self.rules = rules
        self.event_ids = EventIdTable(_CHOSEN_ID_WIDTH if chosen else _HASH_ID_WIDTH)
        self.strings = StringTable()
        self.events = Rows(np.dtype(layout.EVENT_FIELDS))
        self.edges = Rows(np.int32, 3)
        self.string_rows = Rows(np.dtype(layout.STRING_FIELDS))
        self.keys = Rows(np.int32, 2)
        self.levels = Rows(np.dtype(layout.LEVELS_FIELDS), capacity=4)
        self.table = Rows(np.int64, 2, word_format="q")
        self.pairs: NDArray[np.int64] = np.empty(0, np.int64)
        self._create_event = _NO_CREATE_EVENT
        self._types: dict[str, int] = {}
        self._other_keys: dict[tuple[int, int], int] = {}
        self._member = self._string("m.room.member")
        self._shared_slices: dict[str, tuple[dict[str, int], int, int]] = {}
        self._cached_levels: tuple[int, dict[int, int], int] = (-1, {}, 0)
        for event_type in ("m.room.create", "m.room.power_levels", "m.room.join_rules"):
            self.key_number(event_type, "")
        self._add_levels(LevelsColumns([None] * len(layout.NAMED_LEVELS), {}, {}, {}))

    @classmethod
    def load(cls, rules: RoomVersionRules, stored: Iterable[bytes]) -> CompactRoom:
        """The room whose `add` returned these columns, in order. Raises ValueError if they don't belong together."""
        room = cls(rules)
        if isinstance(stored, Sequence):
            room.reserve(len(stored))
        for columns in stored:
            room.append(columns_from_bytes(columns))
        return room

    def reserve(self, events: int) -> None:
        """Make place for so many events in all; for each, a new user at most."""
        self.event_ids.reserve(events)
        self.events.reserve(events)
        self.strings.reserve(events)

    def __len__(self) -> int:
        return self.events.length

    def nbytes(self) -> int:
        """What the room takes in memory, roughly: strings count with their objects."""
        rows = (self.events, self.edges, self.string_rows, self.keys, self.levels, self.table)
        strings = sum(57 + len(string) for string in self.strings.strings) + 8 * len(self.strings)
        others = 150 * len(self._other_keys)
        return sum(r.used().nbytes for r in rows) + self.event_ids.nbytes() + strings + 4 * self.strings.slots + others

    # Adding events ---------------------------------------------------------------------------------------------------

    def add(self, event: Event, *, rejected: bool = False) -> EventColumns:
        """A state event that is in an auth chain or a state. Its auth events are there already.

        `rejected`: by the state before it (an event that fails against its auth events is in no state and no auth
        chain). Raises UnknownAuthEvent, and ValueError for an event that cannot be in this room; the room is as before.
        """
        if event.type == "m.room.create" and not len(self):
            self._create_event = CreateEvent(event.event_id, event.sender, event.state_key, event.content)
        auth_numbers = tuple(map(self.event_ids.find, event.auth_event_ids))
        if layout.NOTHING in auth_numbers:
            raise UnknownAuthEvent(f"an auth event of {event.event_id!r} is missing")
        self._refuse_what_no_room_has(event, auth_numbers)
        # Of two power-levels events, which no accepted event names, the reference follows the first and reads the last.
        power_levels, last = self._power_levels_among(auth_numbers), self._power_levels_among(auth_numbers[::-1])
        place = Place(len(self), auth_numbers, power_levels, self._level_of(event.sender, last, auth_numbers))
        columns = columns_of(event, place, self._create_event, self.rules, rejected=rejected)
        if not is_text(all_strings(columns)):
            raise ValueError(f"{event.event_id!r} has a string that cannot be written in UTF-8")
        self.append(columns)
        return columns

    def _refuse_what_no_room_has(self, event: Event, auth_numbers: tuple[int, ...]) -> None:
        """What the format or the event's auth events rule out, and what has no place in the columns."""
        is_create, is_implied = event.type == "m.room.create", self.rules.authorization.room_id_is_create_event_id
        reason = ""
        if event.state_key is None:
            reason = "is no state event"
        elif is_create and (len(self) or auth_numbers or event.state_key):
            reason = "is not the room's create event"
        elif not is_create and is_implied and event.room_id[1:] != self._create_event.event_id[1:]:
            reason = "is of another room"
        elif not is_create and not is_implied and 0 not in auth_numbers:
            reason = "does not name the create event"
        elif abs(event.origin_server_ts_ms) > layout.TIMESTAMP_MAX:
            reason = "is of a time that 64 bits cannot hold"
        elif len(auth_numbers) > layout.AUTH_EVENTS_MAX:
            reason = "has too many auth events"
        if reason:
            raise ValueError(f"{event.event_id!r} {reason}")

    def _power_levels_among(self, numbers: tuple[int, ...]) -> int:
        words = self.events.words
        for number in numbers:
            if words[number * _EVENT_WORDS + layout.KEY_WORD] == layout.POWER_LEVELS_KEY:
                return number
        return layout.NOTHING

    def _level_of(self, user_id: str, power_levels: int, auth_numbers: tuple[int, ...]) -> int:
        """The user's level by these auth events; 0 without a create event among them or implied."""
        authorization = self.rules.authorization
        if not authorization.room_id_is_create_event_id and 0 not in auth_numbers:
            return 0
        string = self._string(user_id)
        if authorization.creators_above_all and self.string_rows.words[2 * string + 1]:
            return INFINITE_POWER_LEVEL
        row = layout.WITHOUT_POWER_LEVELS
        if power_levels != layout.NOTHING:
            row = self.events.words[power_levels * _EVENT_WORDS + layout.LEVELS_WORD]
        if self._cached_levels[0] != row:
            record = self.levels.array[row]
            slices = self.table.array[record["users_start"] : record["users_end"]].tolist()
            default = int(self.table.array[record["named"] + layout.USERS_DEFAULT, 1])
            self._cached_levels = (row, dict(slices), default)
        _, levels, default = self._cached_levels
        return levels.get(string, default)

    def append(self, columns: EventColumns) -> int:
        """The next event, by its columns; its number. Raises ValueError if it cannot be; the room is as before."""
        reason = reason_against(columns, len(self))
        if reason is not None:
            raise ValueError(f"{columns.event_id!r} {reason}")
        self._refuse_too_much(columns.levels)
        number = self.event_ids.add(columns.event_id)
        if columns.kind == layout.CREATE:
            self._add_creators(create_event_of(columns))
        sender = self._string(columns.sender)
        subject = sender if columns.state_key == columns.sender else self._string(columns.state_key)
        type_string = self._types.get(columns.type, layout.NOTHING)
        if type_string == layout.NOTHING:
            type_string = self._types[columns.type] = self._string(columns.type)
        is_member = columns.kind == layout.MEMBER
        key = self._member_key(subject) if is_member else self._other_key(type_string, subject)
        start, end = self._add_edges(number, columns.auth_numbers)
        events = self.events
        if number == events.capacity:
            events.reserve(number + 1)
        _PACK_EVENT(
            events.words,
            number * layout.EVENT_SIZE,
            columns.kind,
            columns.membership,
            columns.join_rule,
            columns.flags,
            key,
            sender,
            subject if is_member else layout.NOTHING,
            layout.NOTHING if columns.other is None else self._other_number(columns),
            type_string,
            layout.NOTHING if columns.levels is None else self._add_levels(columns.levels),
            columns.power_levels_number,
            start,
            end,
            layout.NOTHING,
            0,
            columns.sender_level,
            columns.timestamp,
        )
        events.length = number + 1
        return number

    def _refuse_too_much(self, levels: LevelsColumns | None) -> None:
        """An event adds four strings and one key at most, power levels one string and one row for each of theirs."""
        rows = 0 if levels is None else len(levels.users) + len(levels.events) + len(levels.notifications)
        if (
            len(self) >= layout.EVENTS_MAX
            or len(self.strings) + rows + 4 > layout.STRINGS_MAX
            or self.table.length + rows + len(layout.NAMED_LEVELS) > layout.TABLE_ROWS_MAX
        ):
            raise RoomTooLarge(f"the room has {len(self)} state events and {len(self.strings)} strings already")

    def _other_number(self, columns: EventColumns) -> int:
        assert columns.other is not None
        if columns.membership == layout.INVITE:
            return self.key_number("m.room.third_party_invite", columns.other)
        return self._string(columns.other)

    def _add_edges(self, number: int, auth_numbers: tuple[int, ...]) -> tuple[int, int]:
        edges = self.edges
        start = edges.length
        end = start + len(auth_numbers)
        if end > edges.capacity:
            edges.reserve(end)
            self.events.renew()  # a running resolution has the old edges: none of its events may lead beyond them
        event_words, words, at = self.events.words, edges.words, 3 * start
        for edge, auth_number in enumerate(auth_numbers, start):
            head = auth_number * _EVENT_WORDS + layout.CITING_WORD
            words[at] = auth_number
            words[at + 1] = number
            words[at + 2] = event_words[head]
            event_words[head] = edge
            at += 3
        edges.length = end
        return start, end

    def _add_creators(self, create_event: CreateEvent) -> None:
        self._create_event = create_event
        authorization = self.rules.authorization
        creators = creators_of(create_event, authorization)
        for creator in creators:
            self.string_rows.words[2 * self._string(creator) + 1] = authorization.creators_above_all
        if not authorization.creators_above_all:  # "the room's creator has a power level of 100"
            users = dict.fromkeys(creators, _CREATOR_LEVEL)
            start, end = self._add_slice("users", users)
            record = self.levels.array[layout.WITHOUT_POWER_LEVELS]
            record["users_start"], record["users_end"] = start, end

    def _add_levels(self, levels: LevelsColumns) -> int:
        table, row = self.table, self.levels.length
        named = table.length
        table.reserve(named + len(levels.named))
        for at, (level, default) in enumerate(zip(levels.named, _DEFAULT_LEVELS, strict=True), named):
            table.words[2 * at] = level is not None
            table.words[2 * at + 1] = default if level is None else level
        table.length = named + len(levels.named)
        slices = [self._add_slice(name, getattr(levels, name)) for name in ("users", "events", "notifications")]
        self.levels.reserve(row + 1)
        self.levels.array[row] = (named, *(bound for bounds in slices for bound in bounds))
        self.levels.length = row + 1
        return row

    def _add_slice(self, name: str, levels: dict[str, int]) -> tuple[int, int]:
        """A power-levels event that leaves `users` as it was shares them with the one before it."""
        shared = self._shared_slices.get(name)
        if shared is not None and shared[0] == levels:
            return shared[1], shared[2]
        start = self.table.length
        end = start + len(levels)
        self.table.reserve(end)
        entries = sorted((self._string(key), level) for key, level in levels.items())
        if entries:
            self.table.array[start:end] = entries
        self.table.length = end
        self._shared_slices[name] = (levels, start, end)
        return start, end

    def set_rejected(self, number: int, rejected: bool) -> None:
        """Found out later, or no longer so."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        flags = int(self.events.array[number]["flags"]) & ~layout.REJECTED
        self.events.array[number]["flags"] = flags | (layout.REJECTED if rejected else 0)

    def add_pair(self, invite: int, issued: int, *, is_signed: bool) -> None:
        """Remember whether a signature of the third-party invite matches a key of that event."""
        entry = layout.pair(invite, issued)
        kept = self.pairs[(self.pairs != entry) & (self.pairs != entry + 1)]
        self.pairs = np.sort(np.append(kept, np.int64(entry + is_signed)))

    # Numbers and names -----------------------------------------------------------------------------------------------

    def _string(self, string: str) -> int:
        number = self.strings.number(string)
        rows = self.string_rows
        if number == rows.length:
            if number == rows.capacity:
                rows.reserve(number + 1)
            words = rows.words
            words[2 * number] = layout.NOTHING
            words[2 * number + 1] = 0
            rows.length = number + 1
        return number

    def _member_key(self, user: int) -> int:
        words = self.string_rows.words
        key: int = words[2 * user]
        if key == layout.NOTHING:
            key = words[2 * user] = self._new_key(self._member, user)
        return key

    def _other_key(self, type_string: int, state_key: int) -> int:
        key = self._other_keys.get((type_string, state_key))
        if key is None:
            key = self._other_keys[type_string, state_key] = self._new_key(type_string, state_key)
        return key

    def _new_key(self, type_string: int, state_key: int) -> int:
        keys = self.keys
        key = keys.length
        if key >= layout.KEYS_MAX:
            raise RoomTooLarge(f"the room has {key} pairs of type and state key already")
        if key == keys.capacity:
            keys.reserve(key + 1)
        words = keys.words
        words[2 * key] = type_string
        words[2 * key + 1] = state_key
        keys.length = key + 1
        return key

    def key_number(self, event_type: str, state_key: str) -> int:
        """The number of the pair; a new one if the room never had it."""
        state_key_string = self._string(state_key)
        if event_type == "m.room.member":
            return self._member_key(state_key_string)
        return self._other_key(self._string(event_type), state_key_string)

    def key(self, key_number: int) -> StateKey:
        type_string, state_key = self.keys.array[key_number].tolist()
        return self.strings.strings[type_string], self.strings.strings[state_key]

    def key_of_event(self, number: int) -> int:
        """The number of the event's (type, state key)."""
        key: int = self.events.words[number * _EVENT_WORDS + layout.KEY_WORD]
        return key

    def number(self, event_id: str) -> int:
        """Raises KeyError if the room doesn't have the event."""
        number = self.event_ids.find(event_id)
        if number < 0:
            raise KeyError(event_id)
        return number

    def event_id(self, number: int) -> str:
        return self.event_ids.event_id(number)

    # States ----------------------------------------------------------------------------------------------------------

    def empty_snapshot(self) -> Snapshot:
        return np.full(self.keys.length, layout.NOTHING, np.int32)

    def snapshot_of(self, event_ids: Iterable[str]) -> Snapshot:
        """The state that consists of these events."""
        snapshot = self.empty_snapshot()
        for event_id in event_ids:
            number = self.number(event_id)
            snapshot[self.key_of_event(number)] = number
        return snapshot

    def delta_of(self, event_ids: Iterable[str]) -> dict[int, int]:
        """The delta that puts these events into a state."""
        return {self.key_of_event(number): number for number in map(self.number, event_ids)}

    def applied(self, snapshot: Snapshot, delta: Delta) -> Snapshot:
        """A new snapshot, with the delta put into it; keys that are new to the room included."""
        new_keys = self.keys.length - len(snapshot)
        result = np.append(snapshot, np.full(new_keys, layout.NOTHING, np.int32)) if new_keys > 0 else snapshot.copy()
        for key, number in delta.items():
            result[key] = number
        return result

    def state_map(self, snapshot: Snapshot) -> dict[StateKey, str]:
        """In strings, at strings' price."""
        return {self.key(key): self.event_id(number) for key, number in enumerate(snapshot.tolist()) if number >= 0}
