"""What the endpoints of delayed events (MSC4140) share: how one is scheduled, and how it is shown."""

from __future__ import annotations

from typing import Any

import orjson

from matrix_protocol.errors import Forbidden, InvalidParam, NotFound
from service_kit.config import Settings
from service_kit.delay_ids import new_delay_id, shard_of_delay_id
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.delayed_events_pb2 import DelayedEvent, FinalisedDelayedEvent, ScheduleDelayedEvent
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.shards import Shard, ShardMap

DELAY_PARAMETER = "org.matrix.msc4140.delay"
"""Of PUT send and PUT state, as clients have it that know an earlier text of the proposal."""
CAPABILITY = "org.matrix.msc4140.delayed_events"
DIGITS_MAX = 15


def delay_of(text: str) -> int:
    """The query parameter's milliseconds. Raises InvalidParam."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise InvalidParam("The delay must be a number of milliseconds")
    return int(text)


async def schedule(
    rooms: CommandClient, settings: Settings, room_id: str, send: SendEvent, delay_ms: int, *, timeout_s: float
) -> bytes:
    """Answers with the delay ID. Raises InvalidParam, Forbidden, LimitExceeded."""
    if delay_ms <= 0:
        raise InvalidParam("The delay must be greater than 0")
    limits = settings.rooms
    if limits.delayed_events_per_user_max == 0:
        # "if this limit has been set to 0 such that scheduling delayed events is disallowed entirely, the homeserver
        # will instead respond with HTTP 403"
        raise Forbidden("This server does not send events later")
    if delay_ms > limits.delayed_event_max_s * 1000:
        raise Forbidden(f"The delay may be {limits.delayed_event_max_s} seconds at most")
    transaction = (send.sender, send.device_id, room_id, send.event_type, send.client_txn_id)
    delay_id = new_delay_id(rooms.shards.of_room(room_id), *(transaction if send.client_txn_id else ()))
    event = DelayedEvent(
        delay_id=delay_id,
        room_id=room_id,
        sender=send.sender,
        device_id=send.device_id,
        guest=send.guest,
        event_type=send.event_type,
        state_key=send.state_key if send.HasField("state_key") else None,
        content_json=send.content_json,
        delay_ms=delay_ms,
    )
    command = RoomCommand(schedule_delayed_event=ScheduleDelayedEvent(event=event))
    await rooms.room(room_id, command, timeout_s=timeout_s)
    return orjson.dumps({"delay_id": delay_id})


def shard_of(delay_id: str, shards: ShardMap) -> Shard:
    """Raises NotFound."""
    shard = shard_of_delay_id(delay_id, shards)
    if shard is None:
        raise NotFound("There is no such delayed event")
    return shard


def shown(event: DelayedEvent) -> dict[str, Any]:
    """As clients see what waits; `running_since` and `delay` are the names that earlier texts of the proposal have."""
    answer: dict[str, Any] = {
        "delay_id": event.delay_id,
        "room_id": event.room_id,
        "type": event.event_type,
        "delay_ms": event.delay_ms,
        "scheduled_at": event.scheduled_at_ms,
        "delay": event.delay_ms,
        "running_since": event.scheduled_at_ms,
        "content": orjson.loads(event.content_json),
    }
    if event.HasField("state_key"):
        answer["state_key"] = event.state_key
    return answer


def shown_with_outcome(finalised: FinalisedDelayedEvent) -> dict[str, Any]:
    answer = shown(finalised.event)
    if finalised.finalised_at_ms:
        answer["finalised_ts"] = finalised.finalised_at_ms
    if finalised.event_id:
        answer["event_id"] = finalised.event_id
    if finalised.error_json:
        answer["error"] = orjson.loads(finalised.error_json)
    return answer


def capability(settings: Settings) -> dict[str, int]:
    limits = settings.rooms
    return {"max_delay_ms": limits.delayed_event_max_s * 1000, "max_scheduled": limits.delayed_events_per_user_max}
