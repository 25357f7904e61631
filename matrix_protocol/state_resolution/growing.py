"""Arrays and tables that grow, written one entry at a time from Python and read by kernels as they are.

Rows that are not used yet were never touched, so they cost no memory. Nothing is ever moved under a reader: who grew an
array has a new one, and a running resolution keeps the old one.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_FREE = -1


def is_text(string: str) -> bool:
    """Can it be written in UTF-8: has it no lone surrogates?"""
    if string.isascii():
        return True
    try:
        string.encode()
    except UnicodeEncodeError:
        return False
    return True


class Rows:
    """A numpy array with room to spare; `words` is the same memory for fast single writes."""

    __slots__ = ("array", "capacity", "length", "word_format", "words")

    def __init__(
        self, dtype: Any, columns: int = 0, *, word_format: Literal["i", "q"] = "i", capacity: int = 64
    ) -> None:
        self.length = 0
        self.word_format = word_format
        self._take(np.empty((capacity, columns) if columns else capacity, dtype))

    def _take(self, array: NDArray[Any]) -> None:
        self.array = array
        self.capacity = len(array)
        self.words: Any = array.view(np.uint8).reshape(-1).data.cast(self.word_format)

    def reserve(self, length: int) -> None:
        """Make place for so many rows in all."""
        if length <= self.capacity:
            return
        larger = np.empty((max(length, 2 * self.capacity), *self.array.shape[1:]), self.array.dtype)
        larger[: self.length] = self.array[: self.length]
        self._take(larger)

    def renew(self) -> None:
        """Go on in a copy: whoever reads the old memory sees no later change."""
        self._take(self.array.copy())

    def used(self) -> NDArray[Any]:
        return self.array[: self.length]


class StringTable:
    """Numbers strings in the order in which they come. Half the memory of a dict and a list.

    Nobody can choose strings that share a slot: Python's hash of a string has a secret of the process in it.
    """

    __slots__ = ("_mask", "_slots", "strings")

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._resize(256)

    def __len__(self) -> int:
        return len(self.strings)

    @property
    def slots(self) -> int:
        return self._mask + 1

    def _resize(self, size: int) -> None:
        self._mask = size - 1
        self._slots: Any = np.full(size, _FREE, np.int32).data
        for number, string in enumerate(self.strings):
            self._slots[self._slot(string)] = number

    def _slot(self, string: str) -> int:
        slots, strings, mask = self._slots, self.strings, self._mask
        slot = hash(string) & mask
        while (number := slots[slot]) != _FREE and strings[number] != string:
            slot = (slot + 1) & mask
        return slot

    def find(self, string: str) -> int:
        """Its number, or -1."""
        number: int = self._slots[self._slot(string)]
        return number

    def number(self, string: str) -> int:
        """Its number; a new one if it is new."""
        slots, strings, mask = self._slots, self.strings, self._mask
        slot = hash(string) & mask
        while (number := slots[slot]) != _FREE:
            if strings[number] == string:
                return number  # type: ignore[no-any-return]
            slot = (slot + 1) & mask
        number = len(strings)
        slots[slot] = number
        strings.append(string)
        if 3 * number > 2 * mask:
            self._resize(2 * (mask + 1))
        return number

    def reserve(self, length: int) -> None:
        """Make place for so many strings in all."""
        if 3 * length > 2 * self._mask:
            self._resize(1 << (3 * length // 2).bit_length())


class EventIdTable:
    """Numbers event IDs, and keeps them as rows of bytes, so that kernels can compare them.

    "x's `event_id` is *less* than y's": as text; in UTF-8, bytes have the order of code points.
    """

    __slots__ = ("_ids", "_mask", "_slots", "length", "width")

    def __init__(self, width: int, capacity: int = 64) -> None:
        self.width = width
        self.length = 0
        self._ids = bytearray(width * capacity)
        self._resize(256)

    def _resize(self, size: int) -> None:
        self._mask = size - 1
        self._slots: Any = np.full(size, _FREE, np.int32).data
        width, ids = self.width, self._ids
        for number in range(self.length):
            self._slots[self._slot(bytes(ids[number * width : (number + 1) * width]))] = number

    def _slot(self, padded: bytes) -> int:
        slots, ids, width, mask = self._slots, self._ids, self.width, self._mask
        slot = hash(padded) & mask
        while (number := slots[slot]) != _FREE and ids[number * width : (number + 1) * width] != padded:
            slot = (slot + 1) & mask
        return slot

    def reserve(self, length: int) -> None:
        """Make place for so many event IDs in all."""
        if length * self.width > len(self._ids):
            larger = bytearray(self.width * max(length, 2 * self.length))
            larger[: self.length * self.width] = self._ids[: self.length * self.width]
            self._ids = larger
        if 3 * length > 2 * self._mask:
            self._resize(1 << (3 * length // 2).bit_length())

    def find(self, event_id: str) -> int:
        """Its number, or -1."""
        if "\0" in event_id:  # would be found as the ID that its padding makes of it
            return _FREE
        number: int = self._slots[self._slot(event_id.encode("utf-8", "surrogatepass").ljust(self.width, b"\0"))]
        return number

    def add(self, event_id: str) -> int:
        """A new number for a new event ID. Raises ValueError if it is not new, or too long for the room version."""
        width, number = self.width, self.length
        padded = event_id.encode("utf-8", "replace").ljust(width, b"\0")
        if len(padded) != width or "\0" in event_id or not is_text(event_id):
            raise ValueError(f"{event_id!r} is no event ID of this room version")
        if 3 * number >= 2 * self._mask or (number + 1) * width > len(self._ids):
            self.reserve(2 * number + 1)
        slots, ids, mask = self._slots, self._ids, self._mask
        slot = hash(padded) & mask
        while (other := slots[slot]) != _FREE:
            if ids[other * width : (other + 1) * width] == padded:
                raise ValueError(f"{event_id!r} is in the room already")
            slot = (slot + 1) & mask
        ids[number * width : (number + 1) * width] = padded
        slots[slot] = number
        self.length = number + 1
        return number

    def event_id(self, number: int) -> str:
        if not 0 <= number < self.length:
            raise IndexError(number)
        return self._ids[number * self.width : (number + 1) * self.width].rstrip(b"\0").decode()

    def array(self) -> NDArray[np.uint8]:
        """uint8[…, width], with rows to spare."""
        return np.frombuffer(self._ids, np.uint8).reshape(-1, self.width)

    def nbytes(self) -> int:
        return self.length * self.width + 4 * len(self._slots)
