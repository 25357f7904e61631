"""Shards: which part of the cluster's rooms or users something belongs to.

The number of shards of a kind is chosen when a data directory (a cluster) is
made and never changes; it is written into the store then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

ROOM = "room"
USER = "user"

SEARCH = "search"
DIRECTORY = "directory"
PROFILES = "profiles"

FOLLOWED_KIND: Mapping[str, str] = {SEARCH: ROOM, DIRECTORY: USER, PROFILES: USER}
"""The groups of durable consumers: each has a shard for every shard of the kind whose ledgers it follows."""


class Shard(NamedTuple):
    """For example Shard("room", 17); written "room.17"."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}.{self.number}"

    @property
    def followed(self) -> Shard:
        """Of a shard of a group of consumers: whose ledger it reads."""
        return Shard(FOLLOWED_KIND[self.kind], self.number)

    @classmethod
    def parse(cls, text: str) -> Shard:
        kind, _, number = text.partition(".")
        return cls(kind, int(number))


class ShardMap(NamedTuple):
    """How many shards there are of each kind, and which one a key belongs to."""

    room_shards: int
    user_shards: int

    def of_room(self, room_id: str) -> Shard:
        return Shard(ROOM, crc32(room_id.encode()) % self.room_shards)

    def of_alias(self, alias: str) -> Shard:
        """A room shard: its owner decides which room the alias points to."""
        return self.of_room(alias)

    def of_user(self, user_id: str) -> Shard:
        return Shard(USER, crc32(user_id.encode()) % self.user_shards)

    def all_of(self, kind: str) -> list[Shard]:
        count = self.room_shards if FOLLOWED_KIND.get(kind, kind) == ROOM else self.user_shards
        return [Shard(kind, number) for number in range(count)]
