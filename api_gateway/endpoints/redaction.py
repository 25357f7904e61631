"""`PUT /rooms/{roomId}/redact/{eventId}/{txnId}`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.checks import EVENT_BODY_BYTES_MAX, check_event_id, check_room_id, event_id_answer
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MESSAGE
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent


class RedactBody(msgspec.Struct):
    reason: str | None = None


@endpoint(
    "PUT",
    "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}",
    operation="redactEvent",
    rate_limit=MESSAGE,
    body_bytes_max=EVENT_BODY_BYTES_MAX,
)
async def redact_event(
    room_id: str,
    event_id: str,
    txn_id: str,
    body: RedactBody,
    caller: Caller,
    request: Request,
    rooms: CommandClient,
) -> bytes:
    event = SendEvent(
        sender=caller.user_id,
        device_id=caller.device_id,
        client_txn_id=txn_id,
        event_type="m.room.redaction",
        content_json=orjson.dumps({} if body.reason is None else {"reason": body.reason}),
        redacts=check_event_id(event_id),
    )
    reply = await rooms.room(check_room_id(room_id), RoomCommand(send_event=event), timeout_s=request.timeout_s)
    return event_id_answer(reply.event_id)
