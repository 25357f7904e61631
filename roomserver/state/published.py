"""The rooms of one shard that stand in a directory, by server name, in the directory's order.

More members first, then by room ID: a place in that order is a key, and a page is what follows a key. All of it stays
in memory, some 2 KiB a room; the table says the same (`PUBLISHED_ROOMS_BY_SHARD`) and is read when the shard is taken
over. A change of one room costs a search in a sorted list, and nothing in rooms that are not published.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final, NamedTuple

import orjson

SCANNED_AT_ONCE_MAX: Final = 2000
"""Then others have a turn: some 0.5 ms."""
NO_MEMBERS: Final = 0


class Place(NamedTuple):
    """Where a room stands; smaller comes first."""

    fewer_members: int
    """the number of joined members, negative"""
    room_id: str


class PublishedEntry(NamedTuple):
    joined_members: int
    entry_json: bytes
    """as the directory shows it"""
    text: str
    """what is searched, folded"""
    room_type: str
    """"" = none"""


class Search(NamedTuple):
    """Which entries are wanted."""

    term: str = ""
    """folded; "" = all"""
    room_types: frozenset[str] | None = None
    """"" = rooms without a type; None = all"""

    def matches(self, entry: PublishedEntry) -> bool:
        if self.room_types is not None and entry.room_type not in self.room_types:
            return False
        return not self.term or self.term in entry.text


class Directory:
    """The part of one server's directory that lies in this shard."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._entries: dict[str, PublishedEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, room_id: str) -> bool:
        return room_id in self._entries

    def shows(self, room_id: str, entry_json: bytes) -> bool:
        """Whether the room's entry is this one."""
        entry = self._entries.get(room_id)
        return entry is not None and entry.entry_json == entry_json

    def put(self, room_id: str, joined_members: int, entry_json: bytes) -> None:
        former = self._entries.get(room_id)
        self._entries[room_id] = _entry(joined_members, entry_json)
        if former is None or former.joined_members != joined_members:
            if former is not None:
                self._remove_place(Place(-former.joined_members, room_id))
            insort(self._places, Place(-joined_members, room_id))

    def remove(self, room_id: str) -> None:
        former = self._entries.pop(room_id)
        self._remove_place(Place(-former.joined_members, room_id))

    async def page(
        self, search: Search, beyond: Place | None, *, limit: int, backwards: bool
    ) -> list[tuple[Place, PublishedEntry]]:
        """At most `limit` entries that follow a place, or stand before it, the nearest first.

        Rooms that nobody is in any more are left out. The directory may change while others have their turn.
        """
        found: list[tuple[Place, PublishedEntry]] = []
        while True:
            places = self._next(beyond, backwards)
            for place in places:
                entry = self._entries[place.room_id]
                if entry.joined_members > NO_MEMBERS and search.matches(entry):
                    found.append((place, entry))
                    if len(found) == limit:
                        return found
            if len(places) < SCANNED_AT_ONCE_MAX:
                return found
            beyond = places[-1]
            await asyncio.sleep(0)

    def _next(self, beyond: Place | None, backwards: bool) -> list[Place]:
        places = self._places
        if backwards:
            end = len(places) if beyond is None else bisect_left(places, beyond)
            return places[max(0, end - SCANNED_AT_ONCE_MAX) : end][::-1]
        begin = 0 if beyond is None else bisect_right(places, beyond)
        return places[begin : begin + SCANNED_AT_ONCE_MAX]

    def _remove_place(self, place: Place) -> None:
        del self._places[bisect_left(self._places, place)]


class PublishedRooms:
    """The directories of all hosted servers, as far as this shard's rooms are in them."""

    def __init__(self) -> None:
        self._directories: dict[str, Directory] = {}

    def directory(self, server_name: str) -> Directory | None:
        return self._directories.get(server_name)

    def is_published(self, server_name: str, room_id: str) -> bool:
        directory = self._directories.get(server_name)
        return directory is not None and room_id in directory

    def server_names_of(self, room_id: str) -> Iterator[str]:
        """In whose directories the room is: as many steps as there are hosted servers with directories."""
        return (name for name, directory in self._directories.items() if room_id in directory)

    def put(self, server_name: str, room_id: str, joined_members: int, entry_json: bytes) -> None:
        self._directories.setdefault(server_name, Directory()).put(room_id, joined_members, entry_json)

    def remove(self, server_name: str, room_id: str) -> None:
        self._directories[server_name].remove(room_id)


def _entry(joined_members: int, entry_json: bytes) -> PublishedEntry:
    entry = orjson.loads(entry_json)
    # "An optional string to search for in the room metadata, e.g. name, topic, canonical alias, etc."
    text = "\n".join(entry.get(name, "") for name in ("name", "topic", "canonical_alias")).casefold()
    return PublishedEntry(joined_members, entry_json, text, entry.get("room_type", ""))
