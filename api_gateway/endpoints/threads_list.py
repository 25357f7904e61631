"""`GET /rooms/{roomId}/threads`: the threads of a room, those with the latest replies first."""

from __future__ import annotations

from typing import Literal

import msgspec

from api_gateway.aggregations import ignored_by
from api_gateway.checks import check_room_id
from api_gateway.event_lists import events_for
from api_gateway.event_pages import limit_of, read_page
from matrix_protocol.errors import InvalidParam
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import ThreadsRequest
from service_kit.rpc.queries import GET_THREADS, Asker
from service_kit.tokens import TimelineToken

LIMIT = 20
"""Where the client gives none."""


class ThreadsQuery(msgspec.Struct, rename={"start": "from"}):
    include: Literal["all", "participated"] = "all"
    limit: int | None = None
    start: str | None = None


@endpoint("GET", "/_matrix/client/v1/rooms/{roomId}/threads", operation="getThreadRoots")
async def get_thread_roots(
    room_id: str, query: ThreadsQuery, caller: Caller, asker: Asker, commands: CommandClient, clock: Clock
) -> bytes:
    if query.limit == 0:
        raise InvalidParam("limit must be greater than zero")
    request = ThreadsRequest(
        room_id=check_room_id(room_id),
        as_user_id=caller.user_id,
        only_participated=query.include == "participated",
        # 0 means the latest one; no reply stands at or before the first position.
        from_position=0 if query.start is None else max(1, TimelineToken.parse(query.start).position),
        limit=limit_of(query.limit, LIMIT),
        ignored_user_ids=await ignored_by(caller, commands),
    )
    page = await read_page(asker.stream(GET_THREADS, request))
    chunk = events_for(page.entries, caller, clock.now_ms())
    next_batch = b',"next_batch":"%b"' % str(TimelineToken(page.next_position)).encode() if page.more else b""
    return b'{"chunk":%b%b}' % (chunk, next_batch)
