"""Event IDs of a room, packed: 32 bytes each instead of some 93, found by their number.

From room version 3 on an event ID is "$" and the base64 of a SHA-256, URL-safe
from version 4 on.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

DIGEST_BYTES: Final = 32


class EventIds:
    """Append-only list of event IDs; the index is the event's number in its room."""

    __slots__ = ("_alternatives", "_digests")

    def __init__(self, *, url_safe: bool = True) -> None:
        self._alternatives = b"-_" if url_safe else b"+/"
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self._digests) // DIGEST_BYTES

    def append(self, event_id: str) -> int:
        """Returns the number."""
        digest = b64decode(event_id[1:] + "=", self._alternatives)
        assert len(digest) == DIGEST_BYTES, "an event ID of room version 3 or later holds a SHA-256"
        number = len(self._digests) // DIGEST_BYTES
        self._digests += digest
        return number

    def __getitem__(self, number: int) -> str:
        start = number * DIGEST_BYTES
        digest = self._digests[start : start + DIGEST_BYTES]
        return "$" + b64encode(digest, self._alternatives).decode("ascii")[:-1]
