"""`GET /events/{eventId}`; the other endpoints of this file are in `sync_api/endpoints/old_sync.py`."""

from __future__ import annotations

from api_gateway.aggregations import leave_out_ignored
from api_gateway.checks import check_event_id
from api_gateway.event_lists import event_for
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, RoomOfEventRequest
from service_kit.rpc.queries import GET_EVENT, GET_ROOM_OF_EVENT, Asker


@endpoint("GET", "/_matrix/client/v3/events/{eventId}", operation="getOneEvent")
async def get_one_event(event_id: str, caller: Caller, asker: Asker, commands: CommandClient, clock: Clock) -> bytes:
    """ "You must have permission to retrieve this event": whoever has not is told that there is no such event."""
    found = await asker.single(GET_ROOM_OF_EVENT, RoomOfEventRequest(event_id=check_event_id(event_id)))
    request = EventRequest(room_id=found.room_id, event_id=event_id, as_user_id=caller.user_id, with_aggregations=True)
    event = await asker.single(GET_EVENT, request)
    await leave_out_ignored([event], caller, asker, commands)
    return event_for(event, caller, clock.now_ms())
