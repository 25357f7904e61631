"""`GET /room_summary/{roomIdOrAlias}`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.room_aliases import resolve
from api_gateway.room_summaries import summaries
from matrix_protocol.errors import NotFound
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import DIRECTORY
from service_kit.rpc.queries import Asker


class SummaryQuery(msgspec.Struct):
    """Servers that may know the room. Accepted, and not needed: all rooms that can be told of are here."""

    via: list[str] = []


@endpoint(
    "GET",
    "/_matrix/client/v1/room_summary/{roomIdOrAlias}",
    operation="getRoomSummary",
    # Clients ask here since before the specification had it (MSC3266).
    aliases=(
        "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary",
        "/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}",
    ),
    # "Servers MAY allow unauthenticated access to this API"
    auth=Auth.OPTIONAL,
    rate_limit=DIRECTORY,
    guests=True,
)
async def get_room_summary(room_id_or_alias: str, query: SummaryQuery, caller: Caller | None, asker: Asker) -> bytes:
    room_id = await resolve(asker, room_id_or_alias)
    answer = (await summaries(asker, [room_id], "" if caller is None else caller.user_id))[room_id]
    if not answer.visible:
        raise NotFound("There is no such room, or you may not see it")
    summary = orjson.loads(answer.summary_json)
    if caller is not None:
        summary["membership"] = answer.membership or "leave"
    return orjson.dumps(summary)
