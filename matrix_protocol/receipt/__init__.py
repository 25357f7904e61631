"""The checks performed on receipt of a PDU.

"Whenever a server receives an event from a remote server, the receiving server must ensure that the event:

    1  Is a valid event, otherwise it is dropped.                                           checked_pdu.py
    2  Passes signature checks, otherwise it is dropped.                                    checked_pdu.py
    3  Passes hash checks, otherwise it is redacted before being processed further.         checked_pdu.py
    4  Passes authorisation rules based on the event's auth events, otherwise it is rejected.      authorization.py
    5  Passes authorisation rules based on the state before the event, otherwise it is rejected.   authorization.py
    6  Passes authorisation rules based on the current state of the room, otherwise it is
       "soft failed".                                                                       authorization.py
    7  Is validated by the Policy Server, if the room is using a Policy Server, otherwise it is
       "soft failed"."                                                                      policy_server.py

The first three need no room, so any worker does them, for many PDUs at once:

    untrusted PDU ─► check_format ─► UnverifiedPdu ─► (fetch the keys of `signed_by`) ─► check_signatures ─► CheckedPdu
                          └─► Dropped                                                          └─► Dropped

The others need the room, so its owner does them, one event after the other. `authorize` is a generator: it yields what
it needs next, is sent the answer, and returns an `Outcome`; so the owner fetches with `await`, a test with a function
(`answered_by`), and nothing is fetched for an event that failed before.

Spec: https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from matrix_protocol.receipt.authorization import (
    AuthEvents,
    Need,
    NeedAuthEvents,
    NeedCurrentState,
    NeedPolicyServerSignature,
    NeedStateBefore,
    RoomState,
    Source,
    answered_by,
    authorize,
)
from matrix_protocol.receipt.checked_pdu import CheckedPdu, Dropped, UnverifiedPdu, check_format, check_signatures
from matrix_protocol.receipt.outcome import Arrival, Outcome, Step, Verdict
from matrix_protocol.receipt.policy_server import PolicyServer, policy_server_of

__all__ = [
    "Arrival",
    "AuthEvents",
    "CheckedPdu",
    "Dropped",
    "Need",
    "NeedAuthEvents",
    "NeedCurrentState",
    "NeedPolicyServerSignature",
    "NeedStateBefore",
    "Outcome",
    "PolicyServer",
    "RoomState",
    "Source",
    "Step",
    "UnverifiedPdu",
    "Verdict",
    "answered_by",
    "authorize",
    "check_format",
    "check_signatures",
    "policy_server_of",
]
