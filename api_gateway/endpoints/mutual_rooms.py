"""`GET /mutual_rooms`: the rooms that the caller shares with somebody."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import msgspec
import orjson

from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX, is_valid_room_id, parse_user_id
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import DIRECTORY
from service_kit.rpc.pb.room_queries_pb2 import RoomsOfUserRequest
from service_kit.rpc.queries import RoomQueries

ROOMS_MAX: Final = 1000
"""In one answer."""
TOKEN_CHARACTERS_MAX: Final = 2 * IDENTIFIER_BYTES_MAX


class MutualRoomsQuery(msgspec.Struct):
    user_id: str
    from_: str | None = msgspec.field(default=None, name="from")


# The alias is the name from before version 1.19, the only one that matrix-js-sdk knows.
@endpoint(
    "GET",
    "/_matrix/client/v1/mutual_rooms",
    operation="getMutualRooms",
    rate_limit=DIRECTORY,
    aliases=("/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",),
)
async def get_mutual_rooms(query: MutualRoomsQuery, caller: Caller, queries: RoomQueries) -> bytes:
    """A token names the last room of the page before, in the order of the IDs: it never expires."""
    # "400: […] the `user_id` parameter was missing, non-compliant, or was the sender's own user ID."
    parse_user_id(query.user_id)
    if query.user_id == caller.user_id:
        raise InvalidParam("You share all your rooms with yourself: name somebody else")
    after = _parse_token(query.from_) if query.from_ else ""
    # "If the provided `user_id` is not a valid user, the server MUST return an empty list of rooms.": in no room.
    theirs = await _joined_rooms(queries, query.user_id)
    mutual = sorted(theirs & await _joined_rooms(queries, caller.user_id)) if theirs else []
    left = [room_id for room_id in mutual if room_id > after]
    answer: dict[str, Any] = {"joined": left[:ROOMS_MAX], "count": len(mutual)}
    if len(left) > ROOMS_MAX:
        answer["next_batch"] = _token(left[ROOMS_MAX - 1])
    return orjson.dumps(answer)


async def _joined_rooms(queries: RoomQueries, user_id: str) -> set[str]:
    request = RoomsOfUserRequest(user_id=user_id)
    return {
        room.room_id
        async for chunk in queries.get_rooms_of_user(request)
        for room in chunk.rooms
        if room.membership == "join"
    }


def _token(room_id: str) -> str:
    return urlsafe_b64encode(room_id.encode()).decode().rstrip("=")


def _parse_token(token: str) -> str:
    """Raises InvalidParam."""
    try:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        room_id = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (ValueError, UnicodeError) as error:
        raise InvalidParam("from is not a token of this list") from error
    if not is_valid_room_id(room_id):
        raise InvalidParam("from is not a token of this list")
    return room_id
