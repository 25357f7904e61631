"""A page of a server's room directory, merged from those of the workers that own its rooms.

A token names a place in the order of the directory (joined members, room ID) and a direction, so any gateway can
serve it, also after a restart. A room whose number of members changes while somebody turns pages may be met twice, or
not at all.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX
from service_kit.rpc.pb.room_directory_pb2 import PlaceInDirectory, PublishedRoom, PublishedRoomsRequest
from service_kit.rpc.queries import GET_PUBLISHED_ROOMS, Asker
from service_kit.shards import ROOM, ShardMap

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
TOKEN_CHARACTERS_MAX: Final = 2 * IDENTIFIER_BYTES_MAX
SEARCH_TERM_CHARACTERS_MAX: Final = 255
JOINED_MAX: Final = 2**53


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a page begins."""

    backwards: bool
    joined_members: int
    room_id: str

    def token(self) -> str:
        return urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


class Wish(NamedTuple):
    """What of a directory is asked for."""

    server_name: str
    limit: int | None = None
    since: str | None = None
    search_term: str = ""
    room_types: list[str | None] | None = None
    """None among them: rooms without a type"""


def parse_token(token: str) -> Place:
    """Raises InvalidParam."""
    try:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        place = msgspec.json.decode(urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=Place)
        if not 0 <= place.joined_members <= JOINED_MAX:
            raise ValueError("out of range")
    except (ValueError, UnicodeError) as error:
        raise InvalidParam("since is not a token of this list") from error
    return place


async def public_rooms(asker: Asker, shards: ShardMap, wish: Wish) -> bytes:
    """The answer's body. Raises InvalidParam."""
    if wish.limit is not None and wish.limit < 1:
        raise InvalidParam("limit must be at least 1")
    if len(wish.search_term) > SEARCH_TERM_CHARACTERS_MAX:
        raise InvalidParam(f"generic_search_term may have {SEARCH_TERM_CHARACTERS_MAX} characters")
    limit = min(wish.limit or LIMIT_DEFAULT, LIMIT_MAX)
    since = parse_token(wish.since) if wish.since else None
    # One more than is shown tells whether there are more.
    rooms, total = await _rooms(asker, shards, _request(wish, since, limit + 1))
    backwards = since is not None and since.backwards
    rooms.sort(key=lambda room: (-room.joined_members, room.room_id), reverse=backwards)
    has_more = len(rooms) > limit
    shown = rooms[:limit][::-1] if backwards else rooms[:limit]
    answer: dict[str, Any] = {
        "chunk": [orjson.Fragment(room.entry_json) for room in shown],
        "total_room_count_estimate": total,
    }
    if shown and (has_more or backwards):
        answer["next_batch"] = Place(False, shown[-1].joined_members, shown[-1].room_id).token()
    if shown and (has_more if backwards else since is not None):
        answer["prev_batch"] = Place(True, shown[0].joined_members, shown[0].room_id).token()
    return orjson.dumps(answer)


def _request(wish: Wish, since: Place | None, limit: int) -> PublishedRoomsRequest:
    request = PublishedRoomsRequest(
        server_name=wish.server_name,
        limit=limit,
        search_term=wish.search_term,
        with_room_types=wish.room_types is not None,
        room_types=[room_type for room_type in wish.room_types or () if room_type is not None],
        with_untyped=None in (wish.room_types or ()),
    )
    if since is not None:
        request.beyond.CopyFrom(PlaceInDirectory(joined_members=since.joined_members, room_id=since.room_id))
        request.backwards = since.backwards
    return request


async def _rooms(asker: Asker, shards: ShardMap, request: PublishedRoomsRequest) -> tuple[list[PublishedRoom], int]:
    """Of all shards, in no order, and how many rooms there are. One question for each worker that owns some."""
    waiting = [shard.number for shard in shards.all_of(ROOM)]
    rooms: list[PublishedRoom] = []
    total = 0
    while waiting:
        request.shard_numbers[:] = waiting
        answer = await asker.single(GET_PUBLISHED_ROOMS, request)
        rooms.extend(answer.rooms)
        total += answer.total
        answered = set(answer.shard_numbers)
        waiting = [number for number in waiting if number not in answered]
    return rooms, total
