"""The events of a room as push rules look at them: parsed once, for all the readers that this worker serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from matrix_protocol.event_auth import PowerLevels, power_levels_of
from matrix_protocol.json_types import JsonObject
from matrix_protocol.push_rules import PushEvent
from matrix_protocol.relations import relation_of
from matrix_protocol.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS
from sync_api.entries import EntryKey, StateEvent

State = Mapping[EntryKey, StateEvent]
MAIN: Final = "main"
"""The thread ID of what is in no thread."""
THREAD: Final = "m.thread"
PREPARED_MAX = 8
"""Of a room, the newest ones: those are what many readers come for at once. One takes some 2 KiB."""


class PreparedEvent:
    __slots__ = ("is_redacted", "parent_id", "push_event", "redacts", "thread_id")

    def __init__(self, event: JsonObject, push_event: PushEvent) -> None:
        content = event.get("content")
        content = content if isinstance(content, dict) else {}
        self.push_event = push_event
        self.is_redacted = "redacted_because" in event.get("unsigned", {})
        self.redacts = ""
        if push_event.type == "m.room.redaction":
            redacts = event.get("redacts") or content.get("redacts")
            self.redacts = redacts if isinstance(redacts, str) else ""
        relation = relation_of(content)
        self.thread_id = MAIN
        """"" = that of the event `parent_id`, which has to be looked at (see `unread/threads.py`)"""
        self.parent_id = ""
        if relation is not None and relation.rel_type == THREAD:
            self.thread_id = relation.event_id
        elif relation is not None:
            self.thread_id, self.parent_id = "", relation.event_id


class PushEvents:
    """The prepared events of one room's timeline in memory."""

    __slots__ = ("_by_id", "_levels", "_levels_made_of", "room_id")

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self._by_id: dict[str, PreparedEvent] = {}
        self._levels: PowerLevels | None = None
        self._levels_made_of = ("", "")

    def get(self, event_id: str) -> PreparedEvent | None:
        return self._by_id.get(event_id)

    def forget(self, event_id: str) -> None:
        self._by_id.pop(event_id, None)

    def add(self, event_id: str, client_json: bytes, joined_count: int, state: State) -> PreparedEvent:
        """One of the newest events: prepared once."""
        known = self._by_id.get(event_id)
        if known is None:
            known = self._by_id[event_id] = self.prepare(client_json, joined_count, state)
            if len(self._by_id) > PREPARED_MAX:
                del self._by_id[next(iter(self._by_id))]
        return known

    def prepare(self, client_json: bytes, joined_count: int, state: State) -> PreparedEvent:
        """Its room is as it is now: members, who may notify everybody. NOTSPEC: also for older events."""
        event = orjson.loads(client_json)
        return PreparedEvent(event, PushEvent(event, self.room_id, joined_count, self._levels_of(state)))

    def _levels_of(self, state: State) -> PowerLevels | None:
        create, power = state.get(("m.room.create", "")), state.get(("m.room.power_levels", ""))
        if create is None:
            return None
        made_of = (create.event_id, power.event_id if power is not None else "")
        if self._levels_made_of != made_of:
            create_event = _parsed(create)
            power_event = _parsed(power) if power is not None else None
            # Before version 2 there was no `room_version`. Of a version that we don't know, rules like today's.
            version = create_event.content.get("room_version", "1")
            rules = ROOM_VERSIONS.get(version) if isinstance(version, str) else None
            authorization = (rules or ROOM_VERSIONS[DEFAULT_ROOM_VERSION]).authorization
            self._levels = power_levels_of(create_event, power_event, authorization)
            self._levels_made_of = made_of
        return self._levels


class _StateEvent(NamedTuple):
    """Implements `AuthEvent`."""

    event_id: str
    sender: str
    state_key: str
    content: JsonObject


def _parsed(entry: StateEvent) -> _StateEvent:
    event = orjson.loads(entry.client_json)
    content = event.get("content")
    return _StateEvent(entry.event_id, event["sender"], entry.state_key, content if isinstance(content, dict) else {})
