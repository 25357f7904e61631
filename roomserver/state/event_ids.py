"""Event IDs of a room, found by their number. Packed they take 32 bytes each instead of some 93.

From room version 3 on an event ID is "$" and the base64 of a SHA-256, URL-safe
from version 4 on. In versions 1 and 2 it is a string that the sender's server chose.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final, Protocol

from matrix_protocol.room_versions import EventIdFormat

DIGEST_BYTES: Final = 32


class EventIds(Protocol):
    """Append-only list of event IDs."""

    def __len__(self) -> int: ...
    def append(self, event_id: str) -> int:
        """Returns the index."""
        ...

    def __getitem__(self, number: int) -> str: ...
    def memory_bytes(self) -> int: ...


def event_ids_of(event_format: EventIdFormat) -> EventIds:
    """An empty list for IDs of this format."""
    if event_format is EventIdFormat.CHOSEN_BY_SERVER:
        return ChosenEventIds()
    return HashEventIds(url_safe=event_format is EventIdFormat.URL_SAFE_REFERENCE_HASH)


class ChosenEventIds:
    """As they are: rooms of versions 1 and 2 are few."""

    __slots__ = ("_bytes", "_event_ids")

    def __init__(self) -> None:
        self._event_ids: list[str] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._event_ids)

    def append(self, event_id: str) -> int:
        self._event_ids.append(event_id)
        self._bytes += len(event_id) + 58
        return len(self._event_ids) - 1

    def __getitem__(self, number: int) -> str:
        return self._event_ids[number]

    def memory_bytes(self) -> int:
        return self._bytes


class HashEventIds:
    """Packed."""

    __slots__ = ("_alternatives", "_digests")

    def __init__(self, *, url_safe: bool = True) -> None:
        self._alternatives = b"-_" if url_safe else b"+/"
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self._digests) // DIGEST_BYTES

    def append(self, event_id: str) -> int:
        digest = b64decode(event_id[1:] + "=", self._alternatives)
        assert len(digest) == DIGEST_BYTES, "an event ID of room version 3 or later holds a SHA-256"
        number = len(self._digests) // DIGEST_BYTES
        self._digests += digest
        return number

    def __getitem__(self, number: int) -> str:
        start = number * DIGEST_BYTES
        digest = self._digests[start : start + DIGEST_BYTES]
        return "$" + b64encode(digest, self._alternatives).decode("ascii")[:-1]

    def memory_bytes(self) -> int:
        return len(self._digests)
