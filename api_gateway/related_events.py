"""Pages of the events that relate to one, for the three endpoints that differ in what they filter by."""

from __future__ import annotations

from typing import Literal

import msgspec
import orjson

from api_gateway.aggregations import ignored_by
from api_gateway.checks import check_event_id, check_room_id
from api_gateway.event_lists import events_for
from api_gateway.event_pages import limit_of, read_page
from matrix_protocol.relations import REL_TYPE_CHARACTERS_MAX
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import RelationsRequest
from service_kit.rpc.queries import GET_RELATIONS, Asker
from service_kit.shards import ShardMap
from service_kit.tokens import TimelineToken, timeline_position

LIMIT = 50
"""Where the client gives none."""
DIRECT_DEPTH, RECURSION_DEPTH = 1, 3


class RelationsQuery(msgspec.Struct, rename={"direction": "dir", "start": "from"}):
    direction: Literal["b", "f"] = "b"
    start: str | None = None
    to: str | None = None
    limit: int | None = None
    recurse: bool | None = None


class RelatedEvents:
    def __init__(self, asker: Asker, commands: CommandClient, shards: ShardMap, clock: Clock) -> None:
        self._asker = asker
        self._commands = commands
        self._shards = shards
        self._clock = clock

    async def page(
        self,
        caller: Caller,
        room_id: str,
        event_id: str,
        query: RelationsQuery,
        *,
        rel_type: str = "",
        event_type: str = "",
    ) -> bytes:
        """The answer's JSON. "" = of any type. Raises NotFound, InvalidParam."""
        request = RelationsRequest(
            room_id=check_room_id(room_id),
            as_user_id=caller.user_id,
            event_id=check_event_id(event_id),
            rel_type=rel_type[: REL_TYPE_CHARACTERS_MAX + 1],
            event_type=event_type,
            backwards=query.direction == "b",
            from_position=self._position(query.start, room_id),
            to_position=self._position(query.to, room_id),
            limit=limit_of(query.limit, LIMIT),
            recurse=bool(query.recurse),
            ignored_user_ids=await ignored_by(caller, self._commands),
        )
        page = await read_page(self._asker.stream(GET_RELATIONS, request))
        parts = [b'{"chunk":' + events_for(page.entries, caller, self._clock.now_ms())]
        if page.more:
            parts.append(b',"next_batch":"%b"' % str(TimelineToken(page.next_position)).encode())
        if query.start is not None:
            # "The absence of this token means this is the start of the result set."
            parts.append(b',"prev_batch":' + orjson.dumps(query.start))
        if query.recurse is not None:
            parts.append(b',"recursion_depth":%d' % (RECURSION_DEPTH if query.recurse else DIRECT_DEPTH))
        return b"".join([*parts, b"}"])

    def _position(self, token: str | None, room_id: str) -> int:
        """0 means that there is no bound; at the first position nothing relates to anything yet."""
        return 0 if token is None else max(1, timeline_position(token, self._shards, room_id))
