"""The two hashes of an event, and the event ID that is made of one of them.

    content hash      SHA-256 of everything but `unsigned`, `signatures`, `hashes`; stands in `hashes.sha256`
    reference hash    SHA-256 of the redacted event without `signatures` and `unsigned`; is the event ID since v3

Spec: https://spec.matrix.org/v1.19/server-server-api/#signing-events
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

from matrix_protocol.canonical_json import canonical_json, lenient_canonical_json
from matrix_protocol.encoding import decode_base64, encode_base64, encode_base64_url_safe
from matrix_protocol.events.redaction import redact
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import EventIdFormat, RoomVersionRules

_OUTSIDE_CONTENT_HASH = frozenset({"unsigned", "signatures", "hashes"})


def canonical_event_json(value: object, rules: RoomVersionRules) -> bytes:
    """Canonical JSON, as strict as the room version is. Raises `NotCanonical`."""
    return canonical_json(value) if rules.event_format.strict_canonical_json else lenient_canonical_json(value)


def content_hash(pdu: JsonObject, rules: RoomVersionRules) -> bytes:
    """32 bytes. Raises `NotCanonical`.

    "First, any existing unsigned, signatures, and hashes properties are removed. The resulting object is then encoded
    as Canonical JSON, and the JSON is hashed using SHA-256."
    """
    hashed = {key: value for key, value in pdu.items() if key not in _OUTSIDE_CONTENT_HASH}
    return sha256(canonical_event_json(hashed, rules)).digest()


def has_valid_content_hash(pdu: JsonObject, rules: RoomVersionRules) -> bool:
    """If not, we have "only been given a redacted version of the event", and go on with `redact(pdu, rules)`."""
    hashes = pdu.get("hashes")
    claimed = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not isinstance(claimed, str):
        return False
    try:
        return compare_digest(decode_base64(claimed), content_hash(pdu, rules))
    except ValueError:
        return False


def redacted_bytes(pdu: JsonObject, rules: RoomVersionRules) -> bytes:
    """The canonical JSON that signatures sign and reference hashes hash. Raises `NotCanonical`."""
    redacted = redact(pdu, rules)
    redacted.pop("signatures", None)
    redacted.pop("unsigned", None)
    return canonical_event_json(redacted, rules)


def reference_hash(pdu: JsonObject, rules: RoomVersionRules) -> bytes:
    """32 bytes. Raises `NotCanonical`."""
    return sha256(redacted_bytes(pdu, rules)).digest()


def event_id_of(pdu: JsonObject, rules: RoomVersionRules) -> str:
    """The event's ID: taken from the PDU (versions 1 and 2) or made of its reference hash. Raises `NotCanonical`."""
    if rules.event_format.event_id is EventIdFormat.CHOSEN_BY_SERVER:
        event_id = pdu["event_id"]
        assert isinstance(event_id, str)
        return event_id
    return event_id_of_hash(reference_hash(pdu, rules), rules)


def event_id_of_hash(hashed: bytes, rules: RoomVersionRules) -> str:
    """The event ID that a reference hash makes (versions 3 and up)."""
    if rules.event_format.event_id is EventIdFormat.REFERENCE_HASH:
        return "$" + encode_base64(hashed)
    return "$" + encode_base64_url_safe(hashed)
