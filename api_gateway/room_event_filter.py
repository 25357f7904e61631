"""The `filter` parameter of the endpoints that page through events: a RoomEventFilter as JSON.

What it says of timeline events, the room's owner applies.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import orjson

from matrix_protocol.errors import InvalidParam
from matrix_protocol.type_patterns import TypeMatcher
from service_kit.http.decoding import NESTING_MAX
from service_kit.rpc.pb.room_queries_pb2 import StateEntry


class RoomEventFilter(msgspec.Struct):
    limit: int | None = None
    types: list[str] | None = None
    not_types: list[str] | None = None
    senders: list[str] | None = None
    not_senders: list[str] | None = None
    rooms: list[str] | None = None
    not_rooms: list[str] | None = None
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False


def state_filter(wanted: RoomEventFilter, room_id: str) -> Callable[[StateEntry], bool]:
    """Whether a state event of the room passes."""
    if room_id in (wanted.not_rooms or ()) or (wanted.rooms is not None and room_id not in wanted.rooms):
        return lambda entry: False
    types = None if wanted.types is None else TypeMatcher(wanted.types)
    not_types = TypeMatcher(wanted.not_types or ())
    senders, not_senders, url = wanted.senders, wanted.not_senders or [], wanted.contains_url
    looks_into = senders is not None or bool(not_senders) or url is not None

    def passes(entry: StateEntry) -> bool:
        if (types is not None and not types.matches(entry.type)) or not_types.matches(entry.type):
            return False
        if not looks_into:
            return True
        event = orjson.loads(entry.client_json)
        if (senders is not None and event["sender"] not in senders) or event["sender"] in not_senders:
            return False
        return url is None or ("url" in event["content"]) is url

    return passes


def parse_room_event_filter(text: str | None) -> RoomEventFilter:
    """Raises InvalidParam."""
    if text is None:
        return RoomEventFilter()
    if text.count("{") + text.count("[") > NESTING_MAX:
        raise InvalidParam("The filter is nested too deeply")
    try:
        return msgspec.json.decode(text, type=RoomEventFilter)
    except msgspec.DecodeError as error:
        raise InvalidParam(f"The filter is not a JSON RoomEventFilter: {error}") from error
