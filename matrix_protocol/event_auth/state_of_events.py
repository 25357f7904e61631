"""The simplest `AuthState`: a handful of events."""

from __future__ import annotations

from collections.abc import Iterable

from matrix_protocol.event_auth.auth_event import AuthEvent, StateKey
from matrix_protocol.event_auth.power_levels import PowerLevels, power_levels_of
from matrix_protocol.events.format import Event
from matrix_protocol.membership import membership_of
from matrix_protocol.room_versions import RoomVersionRules


class StateOfEvents:
    """The state made of these events: the auth events of an event (and the create event, also in version 12)."""

    def __init__(self, events: Iterable[Event], rules: RoomVersionRules) -> None:
        self._rules = rules.authorization
        self._events: dict[StateKey, Event] = {}
        self._power_levels: PowerLevels | None = None
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """A later event with the same type and state key takes the place of the earlier one."""
        if event.state_key is None:
            raise ValueError(f"{event.event_id} is no state event")
        self._events[event.type, event.state_key] = event
        if event.type in ("m.room.power_levels", "m.room.create"):
            self._power_levels = None

    def get(self, event_type: str, state_key: str) -> AuthEvent | None:
        return self._events.get((event_type, state_key))

    def event(self, event_type: str, state_key: str) -> Event | None:
        """As `get`, with the whole event."""
        return self._events.get((event_type, state_key))

    def events(self) -> list[Event]:
        return list(self._events.values())

    def membership(self, user_id: str) -> str:
        event = self._events.get(("m.room.member", user_id))
        return "leave" if event is None else membership_of(event.content)

    def power_levels(self) -> PowerLevels:
        if self._power_levels is None:
            create_event = self._events["m.room.create", ""]
            self._power_levels = power_levels_of(create_event, self.get("m.room.power_levels", ""), self._rules)
        return self._power_levels
