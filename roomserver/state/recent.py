"""Small bounded memories of one owned shard: what was done lately, so that nobody must read it back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CONTENTS_BYTES_MAX: Final = 4 * 1024 * 1024
CONTENTS_MAX: Final = 1024


class Recent(Generic[K, V]):
    """The values that were written last, at most `entries_max` of them."""

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._entries_max:
            self._values.popitem(last=False)


class RecentContents:
    """State events that this owner made lately, in client format, by event ID.

    A command is prepared (reads a table) before others in front of it are
    executed; what those changed is found here.
    """

    def __init__(self, entries_max: int = CONTENTS_MAX, bytes_max: int = CONTENTS_BYTES_MAX) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._client_jsons: OrderedDict[str, bytes] = OrderedDict()

    def get(self, event_id: str) -> bytes | None:
        return self._client_jsons.get(event_id)

    def put(self, event_id: str, client_json: bytes) -> None:
        former = self._client_jsons.pop(event_id, b"")
        self._client_jsons[event_id] = client_json
        self._bytes += len(client_json) - len(former)
        while self._bytes > self._bytes_max or len(self._client_jsons) > self._entries_max:
            self._bytes -= len(self._client_jsons.popitem(last=False)[1])
