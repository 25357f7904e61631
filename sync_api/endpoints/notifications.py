"""`GET /notifications` (spec: data/api/client-server/notifications.yaml)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from sync_api.filters import NO_FILTER
from sync_api.response.join import JoinedRoom
from sync_api.response.notifications import END, Place, notifications_page
from sync_api.scope import SyncScope
from sync_api.syncing import SyncCall, Syncs

LIMIT = 20
"""Where the client gives none."""
LIMIT_MAX = 100


class NotificationsQuery(Struct, frozen=True, rename={"start": "from"}):
    start: str = ""
    limit: Annotated[int, Meta(ge=0)] = LIMIT
    only: str = ""
    """ "Allows basic filtering of events returned. Supply `highlight`…": anything else filters nothing."""


@endpoint("GET", "/_matrix/client/v3/notifications", operation="getNotifications")
async def get_notifications(query: NotificationsQuery, caller: Caller, syncs: Syncs) -> bytes:
    before = Place.parse(query.start) if query.start else END
    limit = max(1, min(query.limit, LIMIT_MAX))

    async def page(scope: SyncScope, rooms: Sequence[JoinedRoom]) -> bytes:
        return await notifications_page(scope, rooms, before, limit, only_highlights=query.only == "highlight")

    return await syncs.look(SyncCall.first(caller, NO_FILTER), page)
