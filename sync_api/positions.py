"""How far the facts have come, as a vector over all room shards.

Asked for each answer, but the same for all that are made at one moment: kept
until the next fact, and no longer than this turn of the event loop.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from service_kit.shards import ROOM, Shard, ShardMap


class ShardPositions(Protocol):
    """The part of `service_kit.ledger.follow.FactFollower` that this needs."""

    def position(self, shard: Shard) -> int: ...


class Positions:
    def __init__(self, follower: ShardPositions, shards: ShardMap) -> None:
        self._follower = follower
        self._shards = shards
        self._room_shards = shards.all_of(ROOM)
        self._rooms: tuple[int, ...] | None = None

    def of_rooms(self) -> tuple[int, ...]:
        """By number of the room shard."""
        if self._rooms is None:
            self._rooms = tuple(map(self._follower.position, self._room_shards))
            asyncio.get_running_loop().call_soon(self.forget)
        return self._rooms

    def of_user(self, user_id: str) -> int:
        return self._follower.position(self._shards.of_user(user_id))

    def forget(self) -> None:
        """A fact has come."""
        self._rooms = None
