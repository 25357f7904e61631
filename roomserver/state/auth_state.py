"""The current state of a room as the auth rules ask for it, without a dictionary of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matrix_protocol.event_auth import PowerLevels
from roomserver.state.compact import ABSENT, MEMBER, MEMBERSHIPS
from roomserver.state.room import RoomInMemory, StateEvent

_MEMBER_CONTENTS: Final[Mapping[str, Mapping[str, object]]] = {
    membership: {"membership": membership} for membership in MEMBERSHIPS
}


class RoomAuthState:
    """Implements `matrix_protocol.event_auth.AuthState`.

    Of a member event the rules look at nothing but its membership, so its
    content here holds that alone, and its sender is "".
    """

    __slots__ = ("_room",)

    def __init__(self, room: RoomInMemory) -> None:
        self._room = room

    def get(self, event_type: str, state_key: str) -> StateEvent | None:
        if event_type != MEMBER:
            return self._room.state_event(event_type, state_key)
        state = self._room.state
        slot = state.slot(MEMBER, state_key)
        if slot == ABSENT:
            return None
        return StateEvent(state.event_id_of(slot), "", state_key, _MEMBER_CONTENTS[state.membership(state_key)])

    def membership(self, user_id: str) -> str:
        return self._room.state.membership(user_id) or "leave"

    def power_levels(self) -> PowerLevels:
        return self._room.power_levels()
