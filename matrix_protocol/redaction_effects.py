"""What a redaction does to the event that it names, and to what refers to that event.

    1 has it an effect?            redaction_verdict
    2 is it shown to clients?      is_shown_to_clients
    3 what is left of its target   redacted_content, unsigned_of_redacted
    4 what else changes            effects_of

The redaction of the create event, of power levels or of a membership changes
nothing that the redaction algorithm protects; the rest of their content is as if
it "were simply not specified". What the content of the create event loses before
version 11 (`room_version`, `type`, `predecessor`) must be remembered elsewhere by
whoever needs it.

Spec: https://spec.matrix.org/v1.19/client-server-api/#redactions and /rooms/v3/#handling-redactions
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from matrix_protocol.event_auth.power_levels import PowerLevels
from matrix_protocol.event_auth.redaction import redaction_applies
from matrix_protocol.events.redaction import redact_content
from matrix_protocol.json_types import JsonObject
from matrix_protocol.relations import Relation, relation_of
from matrix_protocol.room_versions import RoomVersionRules

REDACTION: Final = "m.room.redaction"


class RedactionVerdict(Enum):
    """Whether an accepted redaction has its effect."""

    APPLIES = "applies"
    WAITS = "waits"
    """The event that it names has not been seen yet: judge again when it has."""
    NEVER = "never"


class RedactionTarget(NamedTuple):
    """What has to be known of the event that a redaction names."""

    room_id: str
    sender: str
    is_rejected: bool = False


def redaction_verdict(
    room_id: str, sender: str, target: RedactionTarget | None, levels: PowerLevels, rules: RoomVersionRules
) -> RedactionVerdict:
    """Of a redaction that the auth rules have accepted, in this room by this sender; target None: not seen yet.

    `levels` are those of the state before the redaction.
    """
    if target is None:
        return RedactionVerdict.WAITS
    # An event ID doesn't tell the room: whoever has the level in one room has none in another.
    if target.room_id != room_id or target.is_rejected:
        return RedactionVerdict.NEVER
    # "In room versions 1 and 2, redactions were explicitly part of the authorisation rules": it was accepted.
    if rules.authorization.special_case_redactions or redaction_applies(sender, target.sender, levels):
        return RedactionVerdict.APPLIES
    return RedactionVerdict.NEVER


def is_shown_to_clients(verdict: RedactionVerdict, rules: RoomVersionRules) -> bool:
    """ "[Redactions] should not be sent to clients until both the redaction event and the event the redaction affects
    have been received, and can be validated. […] If the server would apply a redaction, the redaction event is also
    sent to clients." (version 3 and up)"""
    if rules.authorization.special_case_redactions:
        return verdict is not RedactionVerdict.NEVER
    return verdict is RedactionVerdict.APPLIES


def redacted_content(event_type: str, content: JsonObject, rules: RoomVersionRules) -> JsonObject:
    """A new object, never the given one."""
    return dict(redact_content(event_type, content, rules.redaction))


def unsigned_of_redacted(unsigned: Mapping[str, Any], redaction: JsonObject) -> JsonObject | None:
    """What `unsigned` of the event becomes, for clients; None if an earlier redaction stripped the event already.

    `redaction` in client format: "Servers should include a copy of the `m.room.redaction` event under `unsigned` as
    `redacted_because`". What the event replaced stays known, but is quoted no more, nor are its relations bundled.
    """
    if "redacted_because" in unsigned:
        return None
    kept = {"replaces_state": unsigned["replaces_state"]} if "replaces_state" in unsigned else {}
    return {**kept, "redacted_because": redaction}


class RedactionEffects(NamedTuple):
    """What a redaction changes beyond the event that it redacts."""

    lost_relation: Relation | None
    """ "when a child event is redacted then the relationship is broken. Therefore, the server needs to de-aggregate or
    disassociate the event". Its own children remain."""
    quoted_as_prev_content: bool
    """It is a state event: the one that took its place may quote its content in `unsigned.prev_content`."""
    quoted_as_redacted_because: str | None
    """It is a redaction itself: the event with this ID has a copy of it, which must be stripped as well. That event
    stays redacted: "Redacting an event cannot be undone"."""


def effects_of(
    event_type: str, state_key: str | None, content: Mapping[str, Any], redacts: str | None
) -> RedactionEffects:
    """Of redacting this event, as it was before. `redacts`: what it redacts itself."""
    return RedactionEffects(
        relation_of(content) if state_key is None else None,
        state_key is not None,
        redacts if event_type == REDACTION else None,
    )
