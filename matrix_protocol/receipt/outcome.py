"""What became of an event that came from elsewhere: a value, with the step that decided and why."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from matrix_protocol.events.format import Event


class Step(IntEnum):
    """Of the checks performed on receipt of a PDU, numbered as the specification does."""

    FORMAT = 1
    SIGNATURES = 2
    HASHES = 3
    AUTH_EVENTS = 4
    STATE_BEFORE = 5
    CURRENT_STATE = 6
    POLICY_SERVER = 7


class Verdict(Enum):
    """What is stored with an event. A PDU that is dropped never becomes one."""

    ACCEPTED = "accepted"
    SOFT_FAILED = "soft-failed"
    """Not shown to clients, and no forward extremity; otherwise as any other event."""
    REJECTED = "rejected"
    """Not shown to clients, not part of the room's state, and no auth event of others."""

    UNDECIDED = "undecided"
    """NOTSPEC: an auth event could not be had, which the rules don't foresee. Nothing is stored; the event may be
    received again."""


class Arrival(Enum):
    """How an event comes to us, which decides what can be asked of it."""

    NEW = "new"
    """At the end of the room's history: all steps."""
    BACKFILLED = "backfilled"
    """Of an earlier part of it: today's state says nothing about it (steps 6 and 7)."""
    OUTLIER = "outlier"
    """For its content alone (an auth event): the state before it is not known either (step 5)."""


class Outcome(NamedTuple):
    verdict: Verdict
    step: Step | None = None
    """The step that decided; None: all were passed."""
    reason: str = ""
    signed: Event | None = None
    """The event with the signature that the Policy Server gave just now: "to be added to the event before sending or
    processing the event further"."""


ACCEPTED = Outcome(Verdict.ACCEPTED)
