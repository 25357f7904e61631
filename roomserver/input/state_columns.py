"""The columns of a new state event: the little that a state resolution looks at, made while all of it is in memory.

They are what `CompactRoom.add` would return for the event, without the room's other state events: the auth events of an
event of ours are in the current state, and so are their numbers.
"""

from __future__ import annotations

from typing import Final

from matrix_protocol.event_auth import StateKey, auth_event_keys
from matrix_protocol.events.format import Event
from matrix_protocol.state_resolution.columns import CreateEvent, EventColumns, Place, columns_of
from roomserver.state.compact import ABSENT
from roomserver.state.room import RoomInMemory

CREATE: Final = "m.room.create"
_POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")


def next_columns(room: RoomInMemory, event: Event) -> EventColumns:
    """Of the state event that is about to take its place in this room."""
    state, rules = room.state, room.rules
    keys = auth_event_keys(event.type, event.state_key, event.sender, event.content, rules)
    numbers = {key: number for key in keys if (number := state.event_number(*key)) != ABSENT}
    place = Place(
        state.event_count,
        tuple(numbers.values()),
        numbers.get(_POWER_LEVELS, ABSENT),
        # Its auth events have the power levels in force, or there are none.
        0 if event.type == CREATE else room.power_levels().user_level(event.sender),
    )
    return columns_of(event, place, _create_event(room, event), rules, rejected=False)


def _create_event(room: RoomInMemory, event: Event) -> CreateEvent:
    first = event if event.type == CREATE else room.state_event(CREATE, "")
    assert first is not None, "a room begins with its create event"
    return CreateEvent(first.event_id, first.sender, first.state_key, first.content)
