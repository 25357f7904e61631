"""`GET /events` and `GET /initialSync` (spec: data/api/client-server/old_sync.yaml and peeking_events.yaml)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import orjson
from msgspec import Meta, Struct

from matrix_protocol.errors import InvalidParam
from matrix_protocol.events.unsigned import with_unsigned
from matrix_protocol.identifiers import is_valid_room_id
from service_kit.clock import Clock
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import SYNC
from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest
from service_kit.rpc.queries import GET_STATE, Asker
from service_kit.shards import ShardMap
from service_kit.tokens import SyncToken
from sync_api.endpoints.sync import STATE_AFTER
from sync_api.filters import SyncFilter, parse_filter
from sync_api.old_answers import events_of, rooms_of
from sync_api.peeking import Peek, Peeked, Peeking
from sync_api.syncing import SyncCall, Syncs

EVENTS_TIMEOUT_MS = 0
"""Where the client gives none: as for /sync. The specification doesn't say."""
MESSAGES_LIMIT = 10


class EventsQuery(Struct, frozen=True, rename={"start": "from"}):
    start: str = ""
    timeout: Annotated[int, Meta(ge=0)] = EVENTS_TIMEOUT_MS
    room_id: str = ""


class InitialSyncQuery(Struct, frozen=True):
    limit: Annotated[int, Meta(ge=0)] = MESSAGES_LIMIT
    archived: bool = False


@endpoint(
    "GET",
    "/_matrix/client/v3/events",
    operation="getEvents",
    also_in=("peeking_events",),
    guests=True,
    rate_limit=SYNC,
    deadline_s=None,
    long_poll=True,
)
async def get_events(
    query: EventsQuery,
    caller: Caller,
    syncs: Syncs,
    peeking: Peeking,
    asker: Asker,
    shards: ShardMap,
    settings: Settings,
    clock: Clock,
) -> bytes:
    """Of all the rooms that the user is in; or of one, which they need not be in ("can be called by users who have not
    joined the room")."""
    since = SyncToken.parse(query.start, shards) if query.start else None
    timeout_ms = min(query.timeout, settings.sync.timeout_max_s * 1000)
    if query.room_id and not is_valid_room_id(query.room_id):
        raise InvalidParam("room_id must be a room ID")
    if query.room_id and not await peeking.is_joined(caller.user_id, query.room_id):
        peek = Peek(caller.user_id, query.room_id, since, timeout_ms, caller.token_sha256)
        return _peeked(await peeking.events(peek), clock)
    if since is None:
        # A first answer about no room is made of nothing but its token.
        nothing = await syncs.sync(SyncCall.first(caller, _filter(rooms=[])))
        since = SyncToken.parse(orjson.loads(nothing)["next_batch"], shards)
    chosen = {"rooms": [query.room_id]} if query.room_id else {}
    wanted = _filter(timeline={"limit": settings.sync.timeline_limit_max}, **chosen)
    answer = orjson.loads(await syncs.sync(SyncCall.later(caller, wanted, since, timeout_ms)))
    chunk = events_of(answer)
    chunk += await _invites(asker, caller, answer)
    return orjson.dumps({"start": str(since), "end": answer["next_batch"], "chunk": chunk})


@endpoint("GET", "/_matrix/client/v3/initialSync", operation="initialSync", rate_limit=SYNC)
async def initial_sync(query: InitialSyncQuery, caller: Caller, syncs: Syncs, asker: Asker) -> bytes:
    wanted = _filter(timeline={"limit": query.limit}, include_leave=query.archived)
    call = replace(SyncCall.first(caller, wanted), state_after=STATE_AFTER)
    answer = orjson.loads(await syncs.sync(call))
    invites = await _invites(asker, caller, answer)
    return orjson.dumps(
        {
            "end": answer["next_batch"],
            "presence": answer.get("presence", {}).get("events", []),
            "account_data": answer.get("account_data", {}).get("events", []),
            "rooms": list(rooms_of(answer, invites, caller.user_id)),
        }
    )


def _filter(**room: Any) -> SyncFilter:
    return parse_filter(orjson.dumps({"room": room}))


async def _invites(asker: Asker, caller: Caller, answer: dict[str, Any]) -> list[Any]:
    """The events by which the user was invited to the rooms in the answer."""
    own = StateKey(type="m.room.member", state_key=caller.user_id)
    found: list[Any] = []
    for room_id in answer.get("rooms", {}).get("invite", {}):
        async for chunk in asker.stream(GET_STATE, StateRequest(room_id=room_id, keys=[own])):
            found += [orjson.loads(entry.client_json) for entry in chunk.entries if entry.membership == "invite"]
    return found


def _peeked(peeked: Peeked, clock: Clock) -> bytes:
    now_ms = clock.now_ms()
    events = [
        with_unsigned(entry.client_json, b'"age":%d' % max(0, now_ms - entry.origin_server_ts_ms))
        for entry in peeked.entries
    ]
    return b'{"start":"%b","end":"%b","chunk":[%b]}' % (
        str(peeked.start).encode(),
        str(peeked.end).encode(),
        b",".join(events),
    )
