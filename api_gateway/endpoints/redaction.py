"""`PUT /rooms/{roomId}/redact/{eventId}/{txnId}`."""

from __future__ import annotations

import msgspec
import orjson

from api_gateway.checks import EVENT_BODY_BYTES_MAX, check_event_id, check_room_id, event_id_answer
from api_gateway.guests import remove_guests
from matrix_protocol.errors import UserSuspended
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import MESSAGE
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.rpc.pb.room_queries_pb2 import EventRequest
from service_kit.rpc.queries import GET_EVENT, Asker


class RedactBody(msgspec.Struct):
    reason: str | None = None


@endpoint(
    "PUT",
    "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}",
    operation="redactEvent",
    rate_limit=MESSAGE,
    suspended=True,
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
    asker: Asker,
) -> bytes:
    if caller.suspended:
        await _check_own(check_room_id(room_id), check_event_id(event_id), caller, asker)
    event = SendEvent(
        sender=caller.user_id,
        device_id=caller.device_id,
        client_txn_id=txn_id,
        event_type="m.room.redaction",
        content_json=orjson.dumps({} if body.reason is None else {"reason": body.reason}),
        redacts=check_event_id(event_id),
    )
    reply = await rooms.room(check_room_id(room_id), RoomCommand(send_event=event), timeout_s=request.timeout_s)
    if reply.guests_must_leave:
        await remove_guests(rooms, asker, room_id, timeout_s=request.timeout_s)
    return event_id_answer(reply.event_id)


async def _check_own(room_id: str, event_id: str, caller: Caller, asker: Asker) -> None:
    """Suspended users may "redact their own events", but not "other users' events, when permission is possible"."""
    question = EventRequest(room_id=room_id, event_id=event_id, as_user_id=caller.user_id)
    event = orjson.loads((await asker.single(GET_EVENT, question)).client_json)
    if event.get("sender") != caller.user_id:
        raise UserSuspended("While suspended you can take back your own events only")
