"""From an untrusted PDU to an `Event`: step 1 of the "checks performed on receipt of a PDU".

"Is a valid event, otherwise it is dropped. For an event to be valid, it must
comply with the event format of that room version." Signatures (step 2) and the
content hash (step 3) come after: `matrix_protocol.receipt`.

One walk comes first, which stops at the limits: what follows may encode, sort
and recurse into a PDU that is small and flat.

Spec: https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matrix_protocol.canonical_json import INTEGER_MAX, NotCanonical
from matrix_protocol.errors import BadJson, TooLarge
from matrix_protocol.events.format import (
    AUTH_EVENTS_MAX,
    EVENT_BYTES_MAX,
    PREV_EVENTS_MAX,
    Event,
    chooses_event_id,
    event_from_pdu,
)
from matrix_protocol.events.hashes import canonical_event_json, event_id_of
from matrix_protocol.identifiers import (
    IDENTIFIER_BYTES_MAX,
    exceeds_bytes,
    is_valid_event_id,
    is_valid_room_id,
    is_valid_user_id,
)
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.untrusted_json import NESTING_MAX

SIGNING_SERVERS_MAX: Final = 20
"""NOTSPEC: no limit is named. Four can have reason to sign: of the sender, the event ID, the authorising or invited
user, and the policy server."""
SIGNATURES_OF_SERVER_MAX: Final = 20
"""NOTSPEC: no limit is named. Servers have one or two keys."""
_CREATE_EVENT = "m.room.create"


def event_from_untrusted_pdu(untrusted_pdu: object, rules: RoomVersionRules) -> Event:
    """The event, if the PDU has the room version's format and is small enough. Raises `BadJson`, `TooLarge`.

    The event's PDU is a new object without `unsigned`, which nobody has signed.
    """
    if not isinstance(untrusted_pdu, dict):
        raise BadJson("A PDU must be a JSON object")
    pdu: JsonObject = {key: value for key, value in untrusted_pdu.items() if key != "unsigned"}
    _check_values(pdu)
    _check_types(pdu, rules)
    _check_signatures(pdu["signatures"])
    _check_identifiers(pdu, rules)
    _check_numbers(pdu, rules)
    _check_references(pdu, "auth_events", AUTH_EVENTS_MAX, rules)
    _check_references(pdu, "prev_events", PREV_EVENTS_MAX, rules)
    try:
        size = len(canonical_event_json(pdu, rules))
        if size > EVENT_BYTES_MAX:
            raise TooLarge(f"The event has {size} bytes; at most {EVENT_BYTES_MAX} are allowed")
        event_id = event_id_of(pdu, rules)
    except NotCanonical as error:
        raise BadJson(f"The PDU has no canonical JSON: {error}") from error
    return event_from_pdu(pdu, event_id, rules)


def _check_values(pdu: JsonObject) -> None:
    """Depth, size and strings of everything in the PDU, level by level, without recursion.

    Each value takes a byte of JSON at least and each string one for each character, so the sum is a lower bound of the
    event's size; the true one is taken later, of what is known to be near it.
    """
    level: list[Any] = [pdu]
    depth = bytes_min = 0
    while level:
        depth += 1
        _require(depth <= NESTING_MAX, f"it is nested more than {NESTING_MAX} levels deep")
        deeper: list[Any] = []
        for container in level:
            bytes_min += len(container)
            if type(container) is dict:
                for key in container:
                    _require(type(key) is str, "the name of a member is no string")
                    bytes_min += _length_of_text(key)
            if bytes_min > EVENT_BYTES_MAX:
                raise TooLarge(f"The event has more than {EVENT_BYTES_MAX} bytes")
            for value in container.values() if type(container) is dict else container:
                kind = type(value)
                if kind is dict or kind is list:
                    deeper.append(value)
                elif kind is str:
                    bytes_min += _length_of_text(value)
        level = deeper
    if bytes_min > EVENT_BYTES_MAX:
        raise TooLarge(f"The event has more than {EVENT_BYTES_MAX} bytes")


def _length_of_text(text: str) -> int:
    """A lower bound of its bytes. Raises `BadJson` for a lone surrogate, which no UTF-8 can hold."""
    length = len(text)
    if length <= EVENT_BYTES_MAX and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadJson("Invalid PDU: a string holds a lone surrogate") from None
    return length


def _check_signatures(signatures: JsonObject) -> None:
    _require(len(signatures) <= SIGNING_SERVERS_MAX, f"more than {SIGNING_SERVERS_MAX} servers have signed")
    _require(
        all(len(of_server) <= SIGNATURES_OF_SERVER_MAX for of_server in signatures.values()),
        f"a server has signed more than {SIGNATURES_OF_SERVER_MAX} times",
    )


def _check_types(pdu: JsonObject, rules: RoomVersionRules) -> None:
    """Members that every room version requires, and their types."""
    for key in ("sender", "type"):
        _require(isinstance(pdu.get(key), str), f"`{key}` must be a string")
    for key in ("content", "hashes", "signatures"):
        _require(isinstance(pdu.get(key), dict), f"`{key}` must be an object")
    if "state_key" in pdu:
        _require(isinstance(pdu["state_key"], str), "`state_key` must be a string")
    _require(isinstance(pdu["hashes"].get("sha256"), str), "`hashes` must hold a `sha256`")
    if "redacts" in pdu and not rules.event_format.redacts_in_content:
        _require(isinstance(pdu["redacts"], str), "`redacts` must be a string")
    _require(all(isinstance(value, dict) for value in pdu["signatures"].values()), "`signatures` must hold objects")


def _check_identifiers(pdu: JsonObject, rules: RoomVersionRules) -> None:
    for key in ("sender", "type", "state_key", "room_id", "event_id"):
        value = pdu.get(key)
        if isinstance(value, str) and exceeds_bytes(value, IDENTIFIER_BYTES_MAX):
            raise TooLarge(f"`{key}` is longer than {IDENTIFIER_BYTES_MAX} bytes")
    _require(is_valid_user_id(pdu["sender"]), "`sender` is not a user ID")
    if rules.event_format.room_id_is_create_event_id and pdu["type"] == _CREATE_EVENT:
        # "Room identifier. Omitted from `m.room.create` events."
        _require("room_id" not in pdu, "a create event of this room version has no `room_id`")
    else:
        _require(_is_room_id_of_version(pdu.get("room_id"), rules), "`room_id` is not a room ID of this room version")
    if chooses_event_id(rules):
        event_id = pdu.get("event_id")
        _require(_is_event_id_with_server(event_id), "`event_id` is not an event ID of this room version")


def _is_room_id_of_version(room_id: object, rules: RoomVersionRules) -> bool:
    if not isinstance(room_id, str) or not is_valid_room_id(room_id):
        return False
    return (":" not in room_id) == rules.event_format.room_id_is_create_event_id


def _check_numbers(pdu: JsonObject, rules: RoomVersionRules) -> None:
    depth, timestamp = pdu.get("depth"), pdu.get("origin_server_ts")
    depth_max = rules.event_format.depth_max
    _require(type(depth) is int and 0 <= depth <= depth_max, f"`depth` must be an integer from 0 to {depth_max}")
    timestamp_max = INTEGER_MAX if rules.event_format.strict_canonical_json else 2**63 - 1  # the schema says int64
    _require(type(timestamp) is int and abs(timestamp) <= timestamp_max, "`origin_server_ts` must be an integer")


def _check_references(pdu: JsonObject, key: str, maximum: int, rules: RoomVersionRules) -> None:
    references = pdu.get(key)
    if not isinstance(references, list):
        raise BadJson(f"`{key}` must be an array")
    _require(len(references) <= maximum, f"`{key}` has more than {maximum} entries")
    is_reference = _is_id_with_hash if rules.event_format.references_carry_hashes else _is_hash_event_id
    _require(all(map(is_reference, references)), f"`{key}` must hold event IDs as this room version wants them")


def _is_event_id_with_server(event_id: object) -> bool:
    """Of versions 1 and 2: the server in it must have signed, so there is one."""
    return isinstance(event_id, str) and ":" in event_id and is_valid_event_id(event_id)


def _is_hash_event_id(event_id: object) -> bool:
    return isinstance(event_id, str) and ":" not in event_id and is_valid_event_id(event_id)


def _is_id_with_hash(reference: Any) -> bool:
    if not isinstance(reference, list) or len(reference) != 2:
        return False
    return _is_event_id_with_server(reference[0]) and isinstance(reference[1], Mapping)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BadJson(f"Invalid PDU: {message}")
