"""The redaction algorithm: what is left of an event when all that the protocol doesn't need is stripped.

It has two uses: to delete what somebody wrote, and to find the part of an event
that signatures and reference hashes cover.

Spec: https://spec.matrix.org/v1.19/client-server-api/#redactions, and each room version's page
"""

from __future__ import annotations

from typing import Any

from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_versions import RedactionRules, RoomVersionRules


def redact(pdu: JsonObject, rules: RoomVersionRules) -> JsonObject:
    """A new, smaller PDU; `unsigned` goes too. Values that stay are shared with the given one, not copied."""
    # "Upon receipt of a redaction event, the server must strip off any keys not in the following list"
    redaction = rules.redaction
    kept_keys = redaction.top_level_keys
    redacted = {key: value for key, value in pdu.items() if key in kept_keys}
    if "content" in redacted:
        redacted["content"] = redact_content(pdu.get("type"), pdu["content"], redaction)
    return redacted


def redact_content(event_type: object, content: JsonObject, redaction: RedactionRules) -> JsonObject:
    """The part of the content that a redaction leaves."""
    # "The content object must also be stripped of all keys, unless it is one of the following event types"
    if not isinstance(event_type, str) or event_type not in redaction.content_keys:
        return {}
    kept_keys = redaction.content_keys[event_type]
    if kept_keys is None:
        return content
    kept = {key: value for key, value in content.items() if key in kept_keys}
    # "Additionally, it allows the `signed` key of the `third_party_invite` key." (versions 11 and up)
    if redaction.keep_third_party_invite_signed and event_type == "m.room.member":
        _keep_signed(content.get("third_party_invite"), kept)
    return kept


def _keep_signed(third_party_invite: Any, kept: JsonObject) -> None:
    if isinstance(third_party_invite, dict) and "signed" in third_party_invite:
        kept["third_party_invite"] = {"signed": third_party_invite["signed"]}
