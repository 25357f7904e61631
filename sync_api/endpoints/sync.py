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

STATE_AFTER = b"state_after"
UNSTABLE_STATE_AFTER = b"org.matrix.msc4222.state_after"
"""matrix-js-sdk 43, and with it Element Call, knows the state after the timeline under this name alone."""


class SyncQuery(Struct, frozen=True, rename={"use_unstable_state_after": "org.matrix.msc4222.use_state_after"}):
    filter: str = ""
    since: str = ""
    full_state: bool = False
    set_presence: Literal["offline", "online", "unavailable"] = "online"
    timeout: Annotated[int, Meta(ge=0)] = 0
    use_state_after: bool = False
    use_unstable_state_after: bool = False

    @property
    def state_after(self) -> bytes:
        if self.use_state_after:
            return STATE_AFTER
        return UNSTABLE_STATE_AFTER if self.use_unstable_state_after else b""


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
        state_after=query.state_after,
        set_presence=query.set_presence,
        token_sha256=caller.token_sha256,
    )
    return await syncs.sync(call)
