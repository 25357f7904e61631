"""Any bytes as a PDU of any room version: an event, or BadJson or TooLarge. What was an event stays the same one."""

from __future__ import annotations

import orjson

from matrix_protocol.errors import BadJson, TooLarge
from matrix_protocol.events.format import client_format, event_from_parts, federation_fields
from matrix_protocol.events.untrusted import event_from_untrusted_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS

VERSIONS = tuple(SPECIFIED_ROOM_VERSIONS.values())


def fuzz_one(data: bytes) -> None:
    if not data:
        return
    rules = VERSIONS[data[0] % len(VERSIONS)]
    try:
        pdu = orjson.loads(data[1:])
    except orjson.JSONDecodeError:
        return
    try:
        event = event_from_untrusted_pdu(pdu, rules)
    except (BadJson, TooLarge):
        return
    assert "unsigned" not in event.pdu
    kept = event_from_parts(client_format(event, {}), federation_fields(event), rules)
    assert kept.pdu == event.pdu
    assert (kept.event_id, kept.auth_event_ids) == (event.event_id, event.auth_event_ids)
