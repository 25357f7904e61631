"""`PUT /rooms/{roomId}/send/{eventType}/{txnId}`."""

from __future__ import annotations

import orjson

from api_gateway.checks import EVENT_BODY_BYTES_MAX, check_event_id, check_room_id, event_content, event_id_answer
from api_gateway.delayed_events import DELAY_PARAMETER, delay_of, schedule
from api_gateway.guests import remove_guests
from matrix_protocol.errors import BadJson
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.decoding import RawJsonObject
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MESSAGE
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.rpc.queries import Asker


@endpoint(
    "PUT",
    "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}",
    operation="sendMessage",
    rate_limit=MESSAGE,
    guests=True,
    body_bytes_max=EVENT_BODY_BYTES_MAX,
)
async def send_message(
    room_id: str,
    event_type: str,
    txn_id: str,
    body: RawJsonObject,
    caller: Caller,
    request: Request,
    settings: Settings,
    rooms: CommandClient,
    asker: Asker,
) -> bytes:
    event = SendEvent(
        sender=caller.user_id,
        device_id=caller.device_id,
        client_txn_id=txn_id,
        event_type=event_type,
        content_json=event_content(body),
        redacts=_redacts(body) if event_type == "m.room.redaction" else "",
    )
    check_room_id(room_id)
    if delay := request.query_value(DELAY_PARAMETER):
        return await schedule(rooms, settings, room_id, event, delay_of(delay), timeout_s=request.timeout_s)
    reply = await rooms.room(room_id, RoomCommand(send_event=event), timeout_s=request.timeout_s)
    if reply.guests_must_leave:
        await remove_guests(rooms, asker, room_id, timeout_s=request.timeout_s)
    return event_id_answer(reply.event_id)


def _redacts(body: bytes) -> str:
    """What a redaction redacts that came this way (possible since room version 11 put it into the content)."""
    redacts = orjson.loads(body).get("redacts")
    if not isinstance(redacts, str):
        raise BadJson("A redaction's content needs `redacts`, an event ID")
    return check_event_id(redacts)
