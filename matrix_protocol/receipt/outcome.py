"""What became of an event that came from elsewhere: a value, with the step that decided and why."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple


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
    """An auth event could not be had: nothing is stored, and the event may be received again."""


class Outcome(NamedTuple):
    verdict: Verdict
    step: Step | None = None
    """The step that decided; None: all were passed."""
    reason: str = ""


ACCEPTED = Outcome(Verdict.ACCEPTED)
