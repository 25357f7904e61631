"""An event, and the two ways in which it is kept: the client's JSON, and the rest of the PDU.

    PDU          = what servers exchange, what hashes and signatures cover
    client JSON  = {content, event_id, origin_server_ts, room_id, sender, [state_key], type, [redacts], unsigned}
    federation   = every member of the PDU that the client JSON does not show as it is
    fields         {auth_events, prev_events, depth, hashes, signatures, …}

Both parts together give the PDU back exactly (`pdu_from_parts`), whatever a
remote server put into it, so the client JSON can be stored and sent as it is
and nothing is stored twice. `unsigned` is always the last member of the
client JSON: `matrix_protocol.events.unsigned` adds to it without parsing.

Spec: https://spec.matrix.org/v1.19/client-server-api/#room-event-format
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import EventIdFormat, RoomVersionRules

EVENT_BYTES_MAX = 65536
PREV_EVENTS_MAX = 20
AUTH_EVENTS_MAX = 10

_SAME_IN_CLIENT_FORMAT = frozenset({"content", "origin_server_ts", "room_id", "sender", "state_key", "type"})
_NOT_KEPT = frozenset({"unsigned"})
_NOT_IN_EVERY_PDU = ("event_id", "redacts", "unsigned")


class Event:
    """An event whose format was checked. Immutable by convention; `content` and `pdu` are shared, never changed."""

    __slots__ = (
        "auth_event_ids",
        "content",
        "depth",
        "event_id",
        "origin_server_ts_ms",
        "pdu",
        "prev_event_ids",
        "redacts",
        "room_id",
        "sender",
        "state_key",
        "type",
    )

    def __init__(
        self,
        event_id: str,
        room_id: str,
        event_type: str,
        state_key: str | None,
        sender: str,
        content: JsonObject,
        origin_server_ts_ms: int,
        depth: int,
        prev_event_ids: tuple[str, ...],
        auth_event_ids: tuple[str, ...],
        redacts: str | None,
        pdu: JsonObject,
    ) -> None:
        self.event_id = event_id
        self.room_id = room_id
        self.type = event_type
        self.state_key = state_key
        """None: the event is no state event."""
        self.sender = sender
        self.content = content
        self.origin_server_ts_ms = origin_server_ts_ms
        self.depth = depth
        self.prev_event_ids = prev_event_ids
        self.auth_event_ids = auth_event_ids
        self.redacts = redacts
        """The ID of the event that this `m.room.redaction` redacts, wherever the room version keeps it."""
        self.pdu = pdu

    @property
    def is_state(self) -> bool:
        return self.state_key is not None

    def __repr__(self) -> str:
        return f"Event({self.event_id!r}, {self.type!r}, sender={self.sender!r}, state_key={self.state_key!r})"


def event_from_pdu(pdu: JsonObject, event_id: str, rules: RoomVersionRules) -> Event:
    """The event of a PDU whose format and event ID are known to be right (it comes from our own store)."""
    room_id = pdu.get("room_id")
    if room_id is None:  # a create event that names its room by its own ID
        room_id = "!" + event_id[1:]
    with_hashes = rules.event_format.references_carry_hashes
    return Event(
        event_id,
        room_id,
        pdu["type"],
        pdu.get("state_key"),
        pdu["sender"],
        pdu["content"],
        pdu["origin_server_ts"],
        pdu["depth"],
        _referenced_ids(pdu["prev_events"], with_hashes),
        _referenced_ids(pdu["auth_events"], with_hashes),
        redacted_event_id(pdu, rules),
        pdu,
    )


def _referenced_ids(references: list[Any], with_hashes: bool) -> tuple[str, ...]:
    return tuple([reference[0] for reference in references]) if with_hashes else tuple(references)


def redacted_event_id(pdu: JsonObject, rules: RoomVersionRules) -> str | None:
    """What a redaction redacts: `content.redacts` since version 11, the top-level `redacts` before."""
    if pdu["type"] != "m.room.redaction":
        return None
    target = (pdu["content"] if rules.event_format.redacts_in_content else pdu).get("redacts")
    return target if isinstance(target, str) else None


def client_format(event: Event, unsigned: JsonObject) -> bytes:
    """The event as clients see it, once and for all serialised; `unsigned` is the last member.

    A redaction shows `redacts` in both places. "For backwards-compatibility with older clients, servers should add a
    `redacts` property to the top level of `m.room.redaction` events […] For improved compatibility with newer clients,
    servers should add a `redacts` property to the `content` of `m.room.redaction` events in *older* room versions".
    """
    client: JsonObject = {
        "content": event.content if event.redacts is None else _client_content(event),
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts_ms,
        "room_id": event.room_id,
        "sender": event.sender,
    }
    if event.state_key is not None:
        client["state_key"] = event.state_key
    client["type"] = event.type
    if event.redacts is not None:
        client["redacts"] = event.redacts
    client["unsigned"] = unsigned
    return _dumps(client)


def _client_content(event: Event) -> JsonObject:
    return event.content if "redacts" in event.content else {**event.content, "redacts": event.redacts}


def federation_fields(event: Event) -> bytes:
    """The members of the PDU that `client_format` doesn't show exactly, serialised; without `unsigned`."""
    pdu = event.pdu
    fields = {key: value for key, value in pdu.items() if key not in _SAME_IN_CLIENT_FORMAT and key not in _NOT_KEPT}
    if event.redacts is not None and "redacts" not in event.content:
        fields["content"] = event.content
    return _dumps(fields)


def pdu_from_parts(client_json: bytes, federation_json: bytes, rules: RoomVersionRules) -> JsonObject:
    """The PDU again, member by member what it was, but for `unsigned`."""
    # orjson makes floats of integers beyond 64 bits, which only versions without strict canonical JSON may have.
    loads = orjson.loads if rules.event_format.strict_canonical_json else json.loads
    pdu: JsonObject = loads(client_json)
    for key in _NOT_IN_EVERY_PDU:
        pdu.pop(key, None)
    pdu.update(loads(federation_json))
    if rules.event_format.room_id_is_create_event_id and pdu["type"] == "m.room.create":
        del pdu["room_id"]
    return pdu


def event_from_parts(client_json: bytes, federation_json: bytes, rules: RoomVersionRules) -> Event:
    """The event again."""
    client: JsonObject = orjson.loads(client_json)
    event_id: str = client["event_id"]
    return event_from_pdu(pdu_from_parts(client_json, federation_json, rules), event_id, rules)


def _dumps(value: JsonObject) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def chooses_event_id(rules: RoomVersionRules) -> bool:
    """Is the event ID a member of the PDU (versions 1 and 2)?"""
    return rules.event_format.event_id is EventIdFormat.CHOSEN_BY_SERVER
