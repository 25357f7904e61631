"""`POST /rooms/{roomId}/read_markers`."""

from __future__ import annotations

import msgspec

from api_gateway.checks import EMPTY, check_room_id
from api_gateway.read_marking import PRIVATE_READ, READ, ReadMarks
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.request import Request


class ReadMarkersBody(
    msgspec.Struct,
    rename={"fully_read": "m.fully_read", "read": "m.read", "read_private": "m.read.private"},
):
    """Event IDs."""

    fully_read: str | None = None
    read: str | None = None
    read_private: str | None = None


@endpoint(
    "POST", "/_matrix/client/v3/rooms/{roomId}/read_markers", operation="setReadMarker", guests=True, suspended=True
)
async def set_read_marker(
    room_id: str, body: ReadMarkersBody, caller: Caller, request: Request, marks: ReadMarks
) -> bytes:
    check_room_id(room_id)
    for receipt_type, event_id in ((READ, body.read), (PRIVATE_READ, body.read_private)):
        if event_id is not None:
            await marks.set_receipt(caller.user_id, room_id, receipt_type, event_id, timeout_s=request.timeout_s)
    if body.fully_read is not None:
        await marks.set_fully_read(caller.user_id, room_id, body.fully_read, timeout_s=request.timeout_s)
    return EMPTY
