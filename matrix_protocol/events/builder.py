"""Building our own events: content hash, signature, event ID.

    1 the PDU without hashes                    -> canonical JSON -> content hash
    2 the PDU with it, redacted                 -> canonical JSON -> signature
    3 the same bytes as in 2                    -> reference hash -> event ID (versions 3 and up)

The signature and the reference hash cover the same bytes, so two encodings are
enough; the size of the whole event follows from the first by arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from matrix_protocol.canonical_json import NotCanonical, canonical_json_without_floats
from matrix_protocol.encoding import encode_base64, encode_base64_url_safe
from matrix_protocol.errors import BadJson, TooLarge
from matrix_protocol.events.format import EVENT_BYTES_MAX, Event, chooses_event_id
from matrix_protocol.events.hashes import canonical_event_json, event_id_of_hash, reference_hash
from matrix_protocol.events.redaction import redact
from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX, exceeds_bytes, server_name_of
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.signatures import SigningKey

_HASHES_BYTES = len('"hashes":{"sha256":""},') + 43
_SIGNATURES_BYTES = len('"signatures":{"":{"":""}},') + 86
_CREATE_EVENT = "m.room.create"


def build_event(
    *,
    room_id: str,
    event_type: str,
    state_key: str | None,
    sender: str,
    content: JsonObject,
    prev_event_ids: Sequence[str],
    auth_event_ids: Sequence[str],
    depth: int,
    origin_server_ts_ms: int,
    rules: RoomVersionRules,
    signing_key: SigningKey,
    redacts: str | None = None,
    reference_hashes: Mapping[str, str] | None = None,
) -> Event:
    """An event of ours, hashed, signed in the name of the sender's server, with its ID.

    `content` is kept, not copied: don't change it any more. `redacts` goes where the room version wants it.
    `reference_hashes` (base64, by event ID) is needed where references carry hashes (versions 1 and 2).
    Raises `TooLarge` if the event or one of its keys is, `BadJson` if the content has no canonical JSON.
    """
    _check_lengths(room_id, event_type, state_key, sender)
    event_format = rules.event_format
    if redacts is not None and event_format.redacts_in_content:
        content = {**content, "redacts": redacts}
    pdu: JsonObject = {
        "auth_events": _references(auth_event_ids, rules, reference_hashes),
        "content": content,
        "depth": min(depth, event_format.depth_max),
        "origin_server_ts": origin_server_ts_ms,
        "prev_events": _references(prev_event_ids, rules, reference_hashes),
        "room_id": room_id,
        "sender": sender,
        "type": event_type,
    }
    if state_key is not None:
        pdu["state_key"] = state_key
    if redacts is not None and not event_format.redacts_in_content:
        pdu["redacts"] = redacts
    event_id = _complete(pdu, rules, signing_key)
    return Event(
        event_id,
        room_id,
        event_type,
        state_key,
        sender,
        content,
        origin_server_ts_ms,
        pdu["depth"],
        tuple(prev_event_ids),
        tuple(auth_event_ids),
        redacts,
        pdu,
    )


def build_create_event(
    *,
    room_id: str | None,
    sender: str,
    content: JsonObject,
    origin_server_ts_ms: int,
    rules: RoomVersionRules,
    signing_key: SigningKey,
) -> Event:
    """The first event of a room, with the members of `content` that the room version asks for.

    Its `room_id` is the given one up to version 11; since version 12 it must be None and is made of the event's hash.
    """
    if (room_id is None) is not rules.event_format.room_id_is_create_event_id:
        raise ValueError("only create events of version 12 and up come without a room ID")
    content = {**content, "room_version": rules.identifier}
    if rules.event_format.creator_in_create_content:
        content["creator"] = sender
    _check_lengths(room_id or "", _CREATE_EVENT, "", sender)
    pdu: JsonObject = {
        "auth_events": [],
        "content": content,
        "depth": 1,
        "origin_server_ts": origin_server_ts_ms,
        "prev_events": [],
        "sender": sender,
        "state_key": "",
        "type": _CREATE_EVENT,
    }
    if room_id is not None:
        pdu["room_id"] = room_id
    event_id = _complete(pdu, rules, signing_key)
    room_id = "!" + event_id[1:] if room_id is None else room_id
    return Event(event_id, room_id, _CREATE_EVENT, "", sender, content, origin_server_ts_ms, 1, (), (), None, pdu)


def room_id_of_create_event(pdu: JsonObject, rules: RoomVersionRules) -> str:
    """The ID of the room that a create event makes. Raises `NotCanonical`.

    "The room ID is the event ID of the event with sigil `!` instead of `$`." (version 12)
    """
    if not rules.event_format.room_id_is_create_event_id:
        room_id = pdu["room_id"]
        assert isinstance(room_id, str)
        return room_id
    return "!" + encode_base64_url_safe(reference_hash(pdu, rules))


def _complete(pdu: JsonObject, rules: RoomVersionRules, signing_key: SigningKey) -> str:
    """Put the event ID (versions 1 and 2), hashes and signatures into the PDU. Returns the event ID."""
    server_name = server_name_of(pdu["sender"])
    try:
        unhashed = canonical_event_json(pdu, rules)
        event_id = ""
        if chooses_event_id(rules):
            # "a locally-unique string": the prev events, depth and time of the event make this hash one.
            event_id = f"${encode_base64_url_safe(sha256(unhashed).digest())}:{server_name}"
            pdu["event_id"] = event_id
            unhashed = canonical_event_json(pdu, rules)
        size = len(unhashed) + _HASHES_BYTES + _SIGNATURES_BYTES + len(server_name) + len(signing_key.key_id)
        if size > EVENT_BYTES_MAX:
            raise TooLarge(f"The event would have {size} bytes; at most {EVENT_BYTES_MAX} are allowed")
        pdu["hashes"] = {"sha256": encode_base64(sha256(unhashed).digest())}
        essential = _canonical_part(redact(pdu, rules), rules)
    except NotCanonical as error:
        raise BadJson(f"The event's content has no canonical JSON: {error}") from error
    pdu["signatures"] = {server_name: {signing_key.key_id: encode_base64(signing_key.sign(essential))}}
    return event_id or event_id_of_hash(sha256(essential).digest(), rules)


def _canonical_part(part: JsonObject, rules: RoomVersionRules) -> bytes:
    """The encoding of what is left of a PDU that was encoded before: strict versions have no floats there."""
    if rules.event_format.strict_canonical_json:
        return canonical_json_without_floats(part)
    return canonical_event_json(part, rules)


def _references(
    event_ids: Sequence[str], rules: RoomVersionRules, reference_hashes: Mapping[str, str] | None
) -> list[object]:
    if not rules.event_format.references_carry_hashes:
        return list(event_ids)
    if reference_hashes is None:
        raise ValueError(f"room version {rules.identifier} needs the reference hashes of the events referred to")
    return [[event_id, {"sha256": reference_hashes[event_id]}] for event_id in event_ids]


def _check_lengths(room_id: str, event_type: str, state_key: str | None, sender: str) -> None:
    """ "`state_key` MUST NOT exceed 255 bytes. `type` MUST NOT exceed 255 bytes." and so on."""
    if len(room_id) + len(event_type) + len(state_key or "") + len(sender) < IDENTIFIER_BYTES_MAX // 4:
        return  # not one of them can be too long
    for name, value in (("room_id", room_id), ("type", event_type), ("state_key", state_key), ("sender", sender)):
        if value is not None and exceeds_bytes(value, IDENTIFIER_BYTES_MAX):
            raise TooLarge(f"The event's {name} is longer than {IDENTIFIER_BYTES_MAX} bytes")
