"""`GET /rooms/{roomId}/relations/{eventId}[/{relType}[/{eventType}]]`: the events that relate to one.

"This endpoint deliberately does not support rate limiting."
"""

from __future__ import annotations

from api_gateway.related_events import RelatedEvents, RelationsQuery
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint

_PATH = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}"


@endpoint("GET", _PATH, operation="getRelatingEvents", rate_limit=None)
async def get_relating_events(
    room_id: str, event_id: str, query: RelationsQuery, caller: Caller, related: RelatedEvents
) -> bytes:
    return await related.page(caller, room_id, event_id, query)


@endpoint("GET", _PATH + "/{relType}", operation="getRelatingEventsWithRelType", rate_limit=None)
async def get_relating_events_with_rel_type(
    room_id: str, event_id: str, rel_type: str, query: RelationsQuery, caller: Caller, related: RelatedEvents
) -> bytes:
    return await related.page(caller, room_id, event_id, query, rel_type=rel_type)


@endpoint(
    "GET", _PATH + "/{relType}/{eventType}", operation="getRelatingEventsWithRelTypeAndEventType", rate_limit=None
)
async def get_relating_events_with_rel_type_and_event_type(
    room_id: str,
    event_id: str,
    rel_type: str,
    event_type: str,
    query: RelationsQuery,
    caller: Caller,
    related: RelatedEvents,
) -> bytes:
    return await related.page(caller, room_id, event_id, query, rel_type=rel_type, event_type=event_type)
