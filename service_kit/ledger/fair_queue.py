"""A queue with a lane for each key (a room, a user), of which each gets its turn.

    lanes   !busy   c1 c2 c3 c4 …          take() ─► c1, n1, c2, c3, …
            !quiet  n1
    turns   !busy, !quiet

So however many commands wait for one room, another room's next command waits for one of each room before it, not for
all of them. Within a lane the order stays. Every operation takes the same time, whatever waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    __slots__ = ("_lanes", "_length", "_turns")

    def __init__(self) -> None:
        self._lanes: dict[str, deque[T]] = {}
        """Of the keys for which something waits."""
        self._turns: deque[str] = deque()
        """Each of these keys once."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        """Everything that waits, lane by lane."""
        for lane in self._lanes.values():
            yield from lane

    def waiting_for(self, key: str) -> int:
        lane = self._lanes.get(key)
        return 0 if lane is None else len(lane)

    def put(self, key: str, item: T) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = deque((item,))
            self._turns.append(key)
        else:
            lane.append(item)
        self._length += 1

    def take(self) -> T:
        """The first of the lane whose turn it is. Raises IndexError if nothing waits."""
        key = self._turns.popleft()
        lane = self._lanes[key]
        item = lane.popleft()
        if lane:
            self._turns.append(key)
        else:
            del self._lanes[key]
        self._length -= 1
        return item

    def clear(self) -> None:
        self._lanes.clear()
        self._turns.clear()
        self._length = 0
