"""Through a tree of spaces, depth first, page by page.

A page begins anew at the top and leaves out what the pages before it had, so that any gateway can serve it, after a
restart too: a token says how many rooms those were. What a walk costs is bounded by ROOMS_WALKED_MAX; rooms are asked
for in batches, from each worker that owns some at once.

A room that several spaces name, or that is its own ancestor, comes once.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from api_gateway.room_summaries import summaries
from matrix_protocol.errors import Forbidden, InvalidParam
from service_kit.rpc.pb.room_directory_pb2 import SummaryAnswer
from service_kit.rpc.queries import Asker

ROOMS_WALKED_MAX: Final = 2000
"""Rooms of one space, seen or not, that can be reached at all."""
BATCH_ROOMS: Final = 50
PAGE_BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 32
TOKEN_CHARACTERS_MAX: Final = 128


class Token(msgspec.Struct, array_like=True, frozen=True):
    """Where a page begins; the wish that the pages before it were for."""

    room_crc: int
    suggested_only: bool
    max_depth: int
    rooms_before: int

    def __str__(self) -> str:
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


class Wish(NamedTuple):
    room_id: str
    user_id: str
    suggested_only: bool
    max_depth: int
    limit: int
    rooms_before: int = 0

    def token(self, rooms_before: int) -> Token:
        return Token(crc32(self.room_id.encode()), self.suggested_only, self.max_depth, rooms_before)


class Page(NamedTuple):
    rooms: list[SummaryAnswer]
    next_batch: str
    """"" = there are no more"""


def parse_token(token: str) -> Token:
    """Raises InvalidParam."""
    try:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        return msgspec.json.decode(urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=Token)
    except (ValueError, UnicodeError) as error:
        raise InvalidParam("from is not a token of this hierarchy") from error


async def walk(asker: Asker, wish: Wish) -> Page:
    """Raises Forbidden if the user may not see the space itself."""
    rooms = _Rooms(asker, wish)
    page: list[SummaryAnswer] = []
    page_bytes = 0
    rooms_seen = 0
    stack = [(wish.room_id, 0)]
    visited: set[str] = set()
    while stack and len(visited) < ROOMS_WALKED_MAX:
        room_id, depth = stack.pop()
        if room_id in visited:
            continue
        visited.add(room_id)
        room = await rooms.get(room_id, (other for other, _ in reversed(stack) if other not in visited))
        if not room.visible:
            if depth == 0:
                raise Forbidden("You are not allowed to view this room")
            continue
        if rooms_seen >= wish.rooms_before:
            if len(page) == wish.limit or page_bytes > PAGE_BYTES_MAX:
                return Page(page, str(wish.token(rooms_seen)))
            page.append(room)
            page_bytes += room.ByteSize()
        rooms_seen += 1
        if depth < wish.max_depth:
            stack.extend((child.room_id, depth + 1) for child in reversed(room.children))
    return Page(page, "")


class _Rooms:
    """Asks for the next rooms together with the one that is wanted now."""

    def __init__(self, asker: Asker, wish: Wish) -> None:
        self._asker = asker
        self._wish = wish
        self._known: dict[str, SummaryAnswer] = {}

    async def get(self, room_id: str, next_room_ids: Iterator[str]) -> SummaryAnswer:
        if room_id not in self._known:
            ahead = (other for other in next_room_ids if other not in self._known)
            self._known |= await summaries(
                self._asker,
                [room_id, *islice(ahead, BATCH_ROOMS - 1)],
                self._wish.user_id,
                with_children=True,
                suggested_only=self._wish.suggested_only,
            )
        return self._known.pop(room_id)
