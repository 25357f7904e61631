"""`GET /rooms/{roomId}/hierarchy`."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from api_gateway.checks import check_room_id
from api_gateway.space_walk import DEPTH_MAX, Wish, parse_token, walk
from matrix_protocol.errors import InvalidParam
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import DIRECTORY
from service_kit.rpc.pb.room_directory_pb2 import SummaryAnswer
from service_kit.rpc.queries import Asker

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 100


class HierarchyQuery(msgspec.Struct):
    suggested_only: bool | None = None
    limit: int | None = None
    max_depth: int | None = None
    from_: str | None = msgspec.field(default=None, name="from")


@endpoint(
    "GET",
    "/_matrix/client/v1/rooms/{roomId}/hierarchy",
    operation="getSpaceHierarchy",
    rate_limit=DIRECTORY,
    guests=True,
)
async def get_space_hierarchy(room_id: str, query: HierarchyQuery, caller: Caller, asker: Asker) -> bytes:
    page = await walk(asker, _wish(check_room_id(room_id), query, caller))
    answer: dict[str, Any] = {"rooms": [_room(room) for room in page.rooms]}
    if page.next_batch:
        answer["next_batch"] = page.next_batch
    return orjson.dumps(answer)


def _wish(room_id: str, query: HierarchyQuery, caller: Caller) -> Wish:
    if query.limit is not None and query.limit < 1:
        raise InvalidParam("limit must be at least 1")
    if query.max_depth is not None and query.max_depth < 0:
        raise InvalidParam("max_depth must not be negative")
    limit = min(query.limit or LIMIT_DEFAULT, LIMIT_MAX)
    max_depth = DEPTH_MAX if query.max_depth is None else min(query.max_depth, DEPTH_MAX)
    wish = Wish(room_id, caller.user_id, bool(query.suggested_only), max_depth, limit)
    if not query.from_:
        return wish
    token = parse_token(query.from_)
    wish = wish._replace(
        suggested_only=token.suggested_only if query.suggested_only is None else wish.suggested_only,
        max_depth=token.max_depth if query.max_depth is None else max_depth,
        rooms_before=token.rooms_before,
    )
    if wish.token(token.rooms_before) != token:
        # "If specified, `max_depth` and `suggested_only` cannot be changed from the first request."
        raise InvalidParam("from belongs to another space, or suggested_only or max_depth is another one now")
    return wish


def _room(room: SummaryAnswer) -> dict[str, Any]:
    summary: dict[str, Any] = orjson.loads(room.summary_json)
    summary["children_state"] = [orjson.Fragment(child.stripped_json) for child in room.children]
    return summary
