"""Events that the server sends later, also if their client is gone: calls end so for whoever loses the connection.

NOTSPEC: this is MSC4140, not in the specification yet; Element Call and others need it. Under its unstable names, the
present text's and those before: `?org.matrix.msc4140.delay=` at PUT send and state, and the action in the body.

Spec: https://github.com/matrix-org/matrix-spec-proposals/pull/4140
"""

from __future__ import annotations

from typing import Any, Literal

import orjson
from msgspec import UNSET, Struct, UnsetType

from api_gateway.checks import EMPTY, EVENT_BODY_BYTES_MAX, check_room_id, event_content
from api_gateway.delayed_events import schedule, shard_of, shown, shown_with_outcome
from matrix_protocol.errors import Unrecognized
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MESSAGE
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.delayed_events_pb2 import ChangeDelayedEvent, DelayedEventRequest, DelayedEventsRequest
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.rpc.queries import GET_DELAYED_EVENT, GET_DELAYED_EVENTS, Asker

UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140"
Action = Literal["send", "cancel", "restart"]
ACTIONS: dict[str, ChangeDelayedEvent.Action] = {
    "send": ChangeDelayedEvent.SEND,
    "cancel": ChangeDelayedEvent.CANCEL,
    "restart": ChangeDelayedEvent.RESTART,
}


class ScheduleRequest(Struct):
    delay_ms: int
    content: dict[str, Any]
    state_key: str | UnsetType = UNSET


class ActionRequest(Struct):
    action: Action


@endpoint(
    "PUT",
    f"{UNSTABLE}/rooms/{{roomId}}/delayed_event/{{eventType}}/{{txnId}}",
    operation="scheduleDelayedEvent",
    rate_limit=MESSAGE,
    guests=True,
    body_bytes_max=EVENT_BODY_BYTES_MAX,
)
async def schedule_delayed_event(
    room_id: str,
    event_type: str,
    txn_id: str,
    body: ScheduleRequest,
    caller: Caller,
    request: Request,
    settings: Settings,
    rooms: CommandClient,
) -> bytes:
    event = SendEvent(
        sender=caller.user_id,
        device_id=caller.device_id,
        client_txn_id=txn_id,
        event_type=event_type,
        state_key=None if isinstance(body.state_key, UnsetType) else body.state_key,
        content_json=event_content(orjson.dumps(body.content)),
        guest=caller.guest,
    )
    return await schedule(rooms, settings, check_room_id(room_id), event, body.delay_ms, timeout_s=request.timeout_s)


@endpoint("POST", f"{UNSTABLE}/delayed_events/{{delayId}}", operation="changeDelayedEvent", guests=True)
async def change_delayed_event(
    delay_id: str, body: ActionRequest, caller: Caller, request: Request, rooms: CommandClient
) -> bytes:
    return await _change(delay_id, body.action, caller, request, rooms)


@endpoint(
    "POST", f"{UNSTABLE}/delayed_events/{{delayId}}/{{action}}", operation="changeDelayedEventByPath", guests=True
)
async def change_delayed_event_by_path(
    delay_id: str, action: str, caller: Caller, request: Request, rooms: CommandClient
) -> bytes:
    if action not in ACTIONS:
        raise Unrecognized("There is no such action")
    return await _change(delay_id, action, caller, request, rooms)


@endpoint("GET", f"{UNSTABLE}/delayed_events/{{delayId}}", operation="getDelayedEvent", guests=True)
async def get_delayed_event(delay_id: str, caller: Caller, rooms: CommandClient, asker: Asker) -> dict[str, Any]:
    shard = shard_of(delay_id, rooms.shards)
    asked = DelayedEventRequest(delay_id=delay_id, shard_number=shard.number, user_id=caller.user_id)
    return shown_with_outcome(await asker.single(GET_DELAYED_EVENT, asked))


@endpoint("GET", f"{UNSTABLE}/delayed_events", operation="getDelayedEvents", guests=True)
async def get_delayed_events(caller: Caller, asker: Asker) -> dict[str, Any]:
    asked = DelayedEventsRequest(user_id=caller.user_id)
    events = [shown(event) async for event in asker.stream(GET_DELAYED_EVENTS, asked)]
    # "Delayed events are returned in chronological order of their intended send time"
    events.sort(key=lambda event: event["scheduled_at"] + event["delay_ms"])
    return {"delayed_events": events}


async def _change(delay_id: str, action: str, caller: Caller, request: Request, rooms: CommandClient) -> bytes:
    change = ChangeDelayedEvent(user_id=caller.user_id, action=ACTIONS[action])
    command = RoomCommand(change_delayed_event=change)
    await rooms.shard(shard_of(delay_id, rooms.shards), delay_id, command, timeout_s=request.timeout_s)
    return EMPTY
