"""Steps 1 to 3: what can be said of a PDU without its room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matrix_protocol.errors import MatrixError
from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.events.hashes import has_valid_content_hash
from matrix_protocol.events.redaction import redact
from matrix_protocol.events.signing import servers_that_must_sign, verify_event_signature
from matrix_protocol.events.untrusted import event_from_untrusted_pdu
from matrix_protocol.receipt.outcome import Step
from matrix_protocol.room_versions import RoomVersionRules

KeysByServer = Mapping[str, Mapping[str, bytes]]
"""Server name -> key ID -> 32 bytes: keys that are valid at the event's time (`ServerKeys.keys_for_event`)."""


class Dropped(NamedTuple):
    """The PDU is not stored, and never was."""

    step: Step
    reason: str


class UnverifiedPdu(NamedTuple):
    """A PDU of the right format, of which nothing is to be believed yet."""

    event: Event
    """What goes on: the event, or its redacted form if the content hash does not match."""
    is_redacted: bool
    signed_by: frozenset[str]
    """The servers whose keys are needed next, for the event's time."""


class CheckedPdu(NamedTuple):
    """An event of its servers' making, as far as can be told without the room."""

    event: Event
    is_redacted: bool
    """Its content hash did not match: this is the redacted form, "processed further" in its place."""


def check_format(
    untrusted_pdu: object, rules: RoomVersionRules, *, event_id: str | None = None, room_id: str | None = None
) -> UnverifiedPdu | Dropped:
    """Steps 1 and 3. `event_id`, `room_id`: what the PDU was asked for by, if it was.

    The hash is looked at before the signatures, since it decides what they must cover: an invitation says that it comes
    from a third-party invite, and need not be signed by its sender's server, in a member that a redaction takes away.
    So whose signatures are needed follows from what goes on, and not from what came.
    """
    try:
        event = event_from_untrusted_pdu(untrusted_pdu, rules)
    except MatrixError as error:
        return Dropped(Step.FORMAT, error.message)
    if event_id is not None and event.event_id != event_id:
        return Dropped(Step.FORMAT, f"it is the event {event.event_id}, and {event_id} was asked for")
    if room_id is not None and event.room_id != room_id:
        return Dropped(Step.FORMAT, f"it is of the room {event.room_id}, and not of {room_id}")
    is_redacted = not has_valid_content_hash(event.pdu, rules)
    if is_redacted:
        # "If the hash check fails, then it is assumed that this is because we have only been given a redacted version
        #  of the event. To enforce this, the receiving server should use the redacted copy it calculated rather than
        #  the full copy it received."
        event = event_from_pdu(redact(event.pdu, rules), event.event_id, rules)
    return UnverifiedPdu(event, is_redacted, servers_that_must_sign(event, rules))


def check_signatures(pdu: UnverifiedPdu, keys: KeysByServer, rules: RoomVersionRules) -> CheckedPdu | Dropped:
    """Step 2. A server whose keys are not in `keys` has not signed.

    NOTSPEC: a restricted join that its authorising server did not sign is dropped, where the auth rules say "reject":
    without that server's keys nobody can tell, and what was dropped can be received again.
    """
    for server_name in sorted(pdu.signed_by):
        verdict = verify_event_signature(pdu.event.pdu, server_name, keys.get(server_name, {}), rules)
        if not verdict:
            return Dropped(Step.SIGNATURES, verdict.reason)
    return CheckedPdu(pdu.event, pdu.is_redacted)
