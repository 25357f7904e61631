"""Which rooms stay in memory: the most recently used ones, within a budget of bytes.

One budget is shared by all shards of a process. A room that knows more than the tables
is never dropped. A dropped room that a running command still holds is
the same object for whoever asks next (weak references), so that there are
never two of one room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

from roomserver.state.room import RoomInMemory

AppliedPosition = Callable[[], int]
"""Through which position of a shard's ledger the tables hold everything."""


class RoomBudget:
    """Accounts for the rooms of all shards of this process, and lets go of those used longest ago."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rooms: OrderedDict[RoomInMemory, tuple[int, AppliedPosition]] = OrderedDict()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._rooms)

    def used(self, room: RoomInMemory, applied_position: AppliedPosition) -> None:
        """The room was used just now, and may have grown."""
        former_bytes = self._rooms.pop(room, (0, None))[0]
        room_bytes = room.memory_bytes()
        self._rooms[room] = (room_bytes, applied_position)
        self.used_bytes += room_bytes - former_bytes
        if self.used_bytes > self._max_bytes:
            self._drop_oldest(room)

    def forget(self, room: RoomInMemory) -> None:
        self.used_bytes -= self._rooms.pop(room, (0, None))[0]

    def _drop_oldest(self, kept: RoomInMemory) -> None:
        """Drop from the old end until within the budget; rooms ahead of the tables, and `kept`, stay."""
        droppable = []
        excess = self.used_bytes - self._max_bytes
        for room, (room_bytes, applied_position) in self._rooms.items():
            if excess <= 0:
                break
            if room is not kept and room.last_position <= applied_position():
                droppable.append(room)
                excess -= room_bytes
        for room in droppable:
            self.forget(room)


class ShardRooms:
    """The loaded rooms of one owned shard."""

    def __init__(self, budget: RoomBudget, applied_position: AppliedPosition) -> None:
        self._budget = budget
        self._applied_position = applied_position
        self._rooms: WeakValueDictionary[str, RoomInMemory] = WeakValueDictionary()

    def get(self, room_id: str) -> RoomInMemory | None:
        return self._rooms.get(room_id)

    def add(self, room: RoomInMemory) -> None:
        assert room.room_id not in self._rooms, "a room is loaded once"
        self._rooms[room.room_id] = room
        self._budget.used(room, self._applied_position)

    def used(self, room: RoomInMemory) -> None:
        self._budget.used(room, self._applied_position)

    def close(self) -> None:
        """The shard is no longer owned here."""
        for room in list(self._rooms.values()):
            self._budget.forget(room)
        self._rooms.clear()
