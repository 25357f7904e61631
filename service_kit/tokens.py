"""Sync and timeline tokens: the only file that writes or reads them.

    t<position>              TimelineToken: BETWEEN events of a room, just after `position` of the ledger of the
                             room's shard. Backwards from it: events at or below. Forwards: events above.
    s<base64url of varints>  SyncToken: one such position for every room shard, then one for the user's own shard;
                             where there is presence, then the time through which the client was told of it.

To clients both are opaque. A SyncToken says nothing about the user, who is
known from the access token; another user's token gives nobody more to see.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from matrix_protocol.errors import InvalidParam
from service_kit.shards import ROOM, Shard, ShardMap

POSITION_MAX = 2**63 - 1
"""Ledger positions are 64-bit integers in every store."""
TOKEN_CHARACTERS_MAX = 16 * 1024
"""More than 1000 room shards at nine bytes a position."""


class TimelineToken(NamedTuple):
    """A place in one room's timeline."""

    position: int

    def __str__(self) -> str:
        return f"t{self.position}"

    @classmethod
    def parse(cls, text: str) -> TimelineToken:
        """Raises InvalidParam."""
        digits = text[1:]
        # isdecimal() is also true of other scripts' digits, and int() takes "1_0" and "+1".
        if not text.startswith("t") or not digits.isascii() or not digits.isdecimal() or len(digits) > 19:
            raise InvalidParam("This is not a token that this server gave out")
        position = int(digits)
        if position > POSITION_MAX:
            raise InvalidParam("This is not a token that this server gave out")
        return cls(position)


class SyncToken(NamedTuple):
    """What a client has seen: everything of interest to it through these positions, and nothing after them."""

    rooms: tuple[int, ...]
    """by number of the room shard"""
    user: int
    """in the ledger of the user's own shard"""
    presence_ms: int = 0
    """Every change of presence through this time was told; 0 = none ever was."""

    def __str__(self) -> str:
        encoded = _varints(self.rooms) + _varint(self.user)
        if self.presence_ms:
            encoded += _varint(self.presence_ms)
        return "s" + urlsafe_b64encode(encoded).rstrip(b"=").decode("ascii")

    def position(self, shard: Shard) -> int:
        return self.rooms[shard.number] if shard.kind == ROOM else self.user

    @classmethod
    def parse(cls, text: str, shards: ShardMap) -> SyncToken:
        """Raises InvalidParam, also for the token of a cluster with another number of shards."""
        if not text.startswith("s") or len(text) > TOKEN_CHARACTERS_MAX or not text.isascii():
            raise InvalidParam("This is not a token that this server gave out")
        return _parse_sync_token(text, shards.room_shards)


def timeline_position(text: str, shards: ShardMap, room_id: str) -> int:
    """The position that a `from`, `to` or `at` parameter of either kind means in this room.

    Raises InvalidParam.
    """
    if text.startswith("s"):
        return SyncToken.parse(text, shards).rooms[shards.of_room(room_id).number]
    return TimelineToken.parse(text).position


# Many users of a worker wait at the same positions, so the long part of their tokens is the same.
@lru_cache(maxsize=512)
def _varints(positions: tuple[int, ...]) -> bytes:
    return b"".join(map(_varint, positions))


def _varint(number: int) -> bytes:
    """Little-endian groups of seven bits, as protobuf writes them."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


@lru_cache(maxsize=512)
def _parse_sync_token(text: str, room_shards: int) -> SyncToken:
    encoded = text[1:]
    try:
        # altchars alone would let other characters through unseen.
        if not encoded.replace("-", "a").replace("_", "a").isalnum():
            raise ValueError(encoded)
        numbers = _read_varints(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, Base64Error) as error:
        raise InvalidParam("This is not a token that this server gave out") from error
    if len(numbers) not in (room_shards + 1, room_shards + 2):
        raise InvalidParam("This token is of a cluster with another number of shards")
    return SyncToken(tuple(numbers[:room_shards]), *numbers[room_shards:])


def _read_varints(encoded: Iterable[int]) -> list[int]:
    """Raises ValueError for a cut-off or too large number."""
    numbers: list[int] = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        if number > POSITION_MAX:
            raise ValueError("too large for a position")
        if byte > 0x7F:
            shift += 7
            continue
        numbers.append(number)
        number = shift = 0
    if shift:
        raise ValueError("cut off")
    return numbers
