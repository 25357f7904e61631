"""Who may redact: the rule of versions 1 and 2, and the handling of redactions since version 3.

Spec: https://spec.matrix.org/v1.19/rooms/v3/#handling-redactions
"""

from __future__ import annotations

from matrix_protocol.event_auth.auth_event import Rejection
from matrix_protocol.event_auth.auth_state import AuthState
from matrix_protocol.event_auth.power_levels import PowerLevels
from matrix_protocol.events.format import Event
from matrix_protocol.identifiers import server_name_of


def check_redaction(event: Event, state: AuthState) -> Rejection | None:
    """Rule 11 of versions 1 and 2: "If type is `m.room.redaction`"."""
    # "11.1 If the `sender`'s power level is greater than or equal to the *redact level*, allow."
    levels = state.power_levels()
    if levels.user_level(event.sender) >= levels.redact:
        return None
    # "11.2 If the domain of the `event_id` of the event being redacted is the same as the domain of the `event_id` of
    #  the `m.room.redaction`, allow."
    if redacts_own_server(event):
        return None
    # "11.3 Otherwise, reject."
    return Rejection("the sender's power level is below the redact level")


def redacts_own_server(event: Event) -> bool:
    """Step 11.2. Two IDs without a domain have none that could be the same."""
    domain = server_name_of(event.event_id)
    return domain != "" and event.redacts is not None and server_name_of(event.redacts) == domain


def redaction_applies(redaction_sender: str, redacted_sender: str, levels: PowerLevels) -> bool:
    """Does an accepted `m.room.redaction` redact the event of that sender? (versions 3 and up)

    If not, neither is the redaction shown to clients. `levels` are those of the state before the redaction.
    """
    # "1. The power level of the redaction event's `sender` is greater than or equal to the *redact level*."
    if levels.user_level(redaction_sender) >= levels.redact:
        return True
    # "2. The domain of the redaction event's `sender` matches that of the original event's `sender`."
    return server_name_of(redaction_sender) == server_name_of(redacted_sender)
