"""The state that the auth rules are checked against."""

from __future__ import annotations

from typing import Protocol

from matrix_protocol.event_auth.auth_event import AuthEvent
from matrix_protocol.event_auth.power_levels import PowerLevels


class AuthState(Protocol):
    """The state that an event is checked against: the room's, or that of the event's auth events.

    It always holds the room's create event, also where that is not among the
    auth events (version 12: the room ID implies it).

    The second and third method answer for the ordinary message, which needs
    nothing else: so a room in memory can keep memberships and parsed power
    levels ready. `StateOfEvents` derives them.
    """

    def get(self, event_type: str, state_key: str) -> AuthEvent | None: ...

    def membership(self, user_id: str) -> str:
        """`content.membership` of the user's member event; "leave" if there is none."""
        ...

    def power_levels(self) -> PowerLevels:
        """`power_levels_of(create event, power levels event or None, rules.authorization)`, made once for each pair."""
        ...
