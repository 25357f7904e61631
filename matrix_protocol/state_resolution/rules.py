"""What the versions of the algorithm differ in, and where the deployed network differs from the text.

Servers must agree on the state of a room, so convergence with those that are there beats the letter (ADR-0010). The
choices that are ours to make stand here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from matrix_protocol.room_versions import StateResolutionAlgorithm

EVENTS_MAX = 2**26
"""How many events one resolution may have to do with. No walk visits an event twice, so this bounds each of them."""

AUTH_CHAINS_INCLUDE_EVENT = True
"""Does the auth chain of a state set hold the events of the state set themselves?

NOTSPEC: "The *auth chain* of an event *E* is the set containing all of *E*'s auth events, all of *their* auth events,
and so on", without E. Deployed servers include E (ADR-0010).
"""


class RoomTooLarge(ValueError):
    """More events, strings or keys than one room may have."""


@dataclass(frozen=True, slots=True)
class V2Rules:
    """v2 (room versions 2 to 11), and what v2.1 (room version 12) changed."""

    starts_from_empty_state: bool
    """ "The iterative auth checks algorithm […] now starts with an *empty* state map instead of the unconflicted state
    map." """
    adds_conflicted_subgraph: bool
    """ "The definition for *full conflicted set* additionally includes the subgraph." """


V2_RULES: Mapping[StateResolutionAlgorithm, V2Rules] = MappingProxyType(
    {
        StateResolutionAlgorithm.V2: V2Rules(starts_from_empty_state=False, adds_conflicted_subgraph=False),
        StateResolutionAlgorithm.V2_1: V2Rules(starts_from_empty_state=True, adds_conflicted_subgraph=True),
    }
)
