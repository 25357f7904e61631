"""GET /sync (spec: data/api/client-server/sync.yaml)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import SYNC
from service_kit.shards import ShardMap
from service_kit.tokens import SyncToken
from sync_api.filters import SavedFilters
from sync_api.syncing import SyncCall, Syncs


class SyncQuery(Struct, frozen=True):
    filter: str = ""
    since: str = ""
    full_state: bool = False
    # Presence has no keeper yet: accepted, and nobody is marked as online.
    set_presence: Literal["offline", "online", "unavailable"] = "online"
    timeout: Annotated[int, Meta(ge=0)] = 0
    use_state_after: bool = False


@endpoint(
    "GET",
    "/_matrix/client/v3/sync",
    operation="sync",
    guests=True,
    rate_limit=SYNC,
    deadline_s=None,
    long_poll=True,
)
async def sync(
    query: SyncQuery, caller: Caller, syncs: Syncs, filters: SavedFilters, shards: ShardMap, settings: Settings
) -> bytes:
    call = SyncCall(
        user_id=caller.user_id,
        device_id=caller.device_id,
        filter=await filters.get(caller.user_id, query.filter),
        since=SyncToken.parse(query.since, shards) if query.since else None,
        since_text=query.since,
        timeout_ms=min(query.timeout, settings.sync.timeout_max_s * 1000),
        full_state=query.full_state,
        use_state_after=query.use_state_after,
        token_sha256=caller.token_sha256,
    )
    return await syncs.sync(call)
