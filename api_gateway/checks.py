"""Checks and small answers that many endpoints share."""

from __future__ import annotations

import orjson

from matrix_protocol.errors import InvalidParam, TooLarge
from matrix_protocol.events.format import EVENT_BYTES_MAX
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX

EMPTY = b"{}"
EVENT_BODY_BYTES_MAX = 6 * EVENT_BYTES_MAX
"""A content that fits into an event may come with six bytes (`\\u0041`) for each of its own."""


def check_room_id(room_id: str) -> str:
    """Only what keeps nonsense away from the bus; whether there is such a room is for its owner to say."""
    if not room_id.startswith("!") or len(room_id) > IDENTIFIER_BYTES_MAX:
        raise InvalidParam("This is not a room ID")
    return room_id


def check_event_id(event_id: str) -> str:
    if not event_id.startswith("$") or len(event_id) > IDENTIFIER_BYTES_MAX:
        raise InvalidParam("This is not an event ID")
    return event_id


def event_content(body: bytes) -> bytes:
    """A body that may become an event's content. Raises TooLarge for what certainly does not fit."""
    if len(body) > EVENT_BYTES_MAX:
        body = orjson.dumps(orjson.loads(body))
        if len(body) > EVENT_BYTES_MAX:
            raise TooLarge(f"The event is longer than {EVENT_BYTES_MAX} bytes")
    return body


def event_id_answer(event_id: str) -> bytes:
    return orjson.dumps({"event_id": event_id})
