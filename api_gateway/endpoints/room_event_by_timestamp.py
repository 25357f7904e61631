"""`GET /rooms/{roomId}/timestamp_to_event`: jump to a date."""

from __future__ import annotations

from typing import Literal

import msgspec
import orjson

from api_gateway.checks import check_room_id
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.pb.room_queries_pb2 import TimestampRequest
from service_kit.rpc.queries import GET_EVENT_BY_TIMESTAMP, Asker

TS_MAX = 2**63 - 1


class TimestampQuery(msgspec.Struct, rename={"direction": "dir"}):
    ts: int
    direction: Literal["b", "f"]


@endpoint("GET", "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event", operation="getEventByTimestamp")
async def get_event_by_timestamp(room_id: str, query: TimestampQuery, caller: Caller, asker: Asker) -> bytes:
    request = TimestampRequest(
        room_id=check_room_id(room_id),
        as_user_id=caller.user_id,
        ts_ms=max(-TS_MAX, min(query.ts, TS_MAX)),
        backwards=query.direction == "b",
    )
    found = await asker.single(GET_EVENT_BY_TIMESTAMP, request)
    return orjson.dumps({"event_id": found.event_id, "origin_server_ts": found.origin_server_ts_ms})
