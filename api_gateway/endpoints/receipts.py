"""`POST /rooms/{roomId}/receipt/{receiptType}/{eventId}`."""

from __future__ import annotations

from typing import Any

import msgspec

from api_gateway.checks import EMPTY, check_room_id
from api_gateway.read_marking import FULLY_READ, PRIVATE_READ, READ, ReadMarks
from matrix_protocol.errors import InvalidParam
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.request import Request


class ReceiptBody(msgspec.Struct):
    thread_id: Any = None
    """Checked below: a wrong type is `M_INVALID_PARAM` here."""


@endpoint(
    "POST",
    "/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}",
    operation="postReceipt",
    guests=True,
    suspended=True,
)
async def post_receipt(
    room_id: str,
    receipt_type: str,
    event_id: str,
    body: ReceiptBody,
    caller: Caller,
    request: Request,
    marks: ReadMarks,
) -> bytes:
    check_room_id(room_id)
    thread_id = _thread_id(body.thread_id, receipt_type)
    if receipt_type == FULLY_READ:
        await marks.set_fully_read(caller.user_id, room_id, event_id, timeout_s=request.timeout_s)
    elif receipt_type in (READ, PRIVATE_READ):
        await marks.set_receipt(
            caller.user_id, room_id, receipt_type, event_id, thread_id=thread_id, timeout_s=request.timeout_s
        )
    else:
        raise InvalidParam(f"The receipt type must be {READ}, {PRIVATE_READ} or {FULLY_READ}")
    return EMPTY


def _thread_id(value: object, receipt_type: str) -> str:
    """ "The `thread_id` is invalid in some way. For example: it is not a string; it is empty; it is provided for an
    incompatible receipt type."
    """
    if value is None:
        return ""
    if not isinstance(value, str) or not value or len(value) > IDENTIFIER_BYTES_MAX:
        raise InvalidParam("thread_id field must be a non-empty string")
    if receipt_type == FULLY_READ:
        raise InvalidParam("A fully-read marker has no thread_id")
    return value
