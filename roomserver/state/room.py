"""One room in its owner's memory: the ends of its DAG and timeline, and its compact state.

Sending into a room costs the same whatever the number of its members: nothing
here walks over them, except where a docstring says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from matrix_protocol.event_auth import PowerLevels, power_levels_of
from matrix_protocol.history_visibility import history_visibility_of
from matrix_protocol.room_versions import EventIdFormat, RoomVersionRules
from roomserver.state.compact import CompactState
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility

VISIBILITIES: Final[Mapping[str, HistoryVisibility]] = {
    "shared": HistoryVisibility.SHARED,
    "world_readable": HistoryVisibility.WORLD_READABLE,
    "invited": HistoryVisibility.INVITED,
    "joined": HistoryVisibility.JOINED,
}

STRIPPED_STATE_TYPES: Final = (
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
)
"""Spec: https://spec.matrix.org/v1.19/client-server-api/#stripped-state"""

KEPT_TYPES: Final = frozenset(
    (
        *STRIPPED_STATE_TYPES,
        "m.room.power_levels",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.third_party_invite",
    )
)
"""Their contents stay in memory: authorisation and invites need them. Of all others, only event IDs do."""

_HEAD_BYTES = 1400


class StateEvent:
    """A state event as far as authorisation looks at it (`matrix_protocol.event_auth.AuthEvent`)."""

    __slots__ = ("content", "event_id", "sender", "state_key")

    def __init__(self, event_id: str, sender: str, state_key: str, content: Mapping[str, object]) -> None:
        self.event_id = event_id
        self.sender = sender
        self.state_key = state_key
        self.content = content


class RoomInMemory:
    """`execute` may change it and takes that as true at once; the tables follow."""

    __slots__ = (
        "__weakref__",
        "_contents",
        "_contents_bytes",
        "_parsed",
        "_power_levels",
        "depth",
        "forward_extremity_ids",
        "history_visibility",
        "last_position",
        "room_id",
        "rules",
        "state",
        "timeline_length",
    )

    def __init__(self, room_id: str, rules: RoomVersionRules, *, state_version: int = 0) -> None:
        self.room_id = room_id
        self.rules = rules
        url_safe = rules.event_format.event_id is EventIdFormat.URL_SAFE_REFERENCE_HASH
        self.state = CompactState(state_version, url_safe_event_ids=url_safe)
        self.timeline_length = 0
        self.depth = 0
        self.forward_extremity_ids: list[str] = []
        self.history_visibility: HistoryVisibility = HistoryVisibility.SHARED
        self.last_position = 0
        """Of the room's latest event. Until the tables hold it, this object knows more than they do and must stay."""
        self._contents: dict[tuple[str, str], bytes] = {}
        self._contents_bytes = 0
        self._parsed: dict[tuple[str, str], StateEvent] = {}
        self._power_levels: PowerLevels | None = None

    def load_state(self, event_type: str, state_key: str, event_id: str, membership: str, client_json: bytes) -> None:
        """A row of the stored current state."""
        self.state.load(event_type, state_key, event_id, membership)
        self._keep(event_type, state_key, client_json)

    def change_state(self, event_type: str, state_key: str, event_id: str, membership: str, client_json: bytes) -> None:
        """A new event of the main line has taken its place in the state."""
        self.state.change(event_type, state_key, event_id, membership)
        self._keep(event_type, state_key, client_json)

    def redact_state(self, event_type: str, state_key: str, client_json: bytes) -> None:
        """The event that holds this key now was redacted, and looks like `client_json` from now on."""
        self._keep(event_type, state_key, client_json)

    def advance(self, event_id: str, depth: int) -> None:
        """A new event stands at the end of the main line."""
        self.timeline_length += 1
        self.depth = depth
        self.forward_extremity_ids = [event_id]

    def client_json(self, event_type: str, state_key: str) -> bytes | None:
        """The current event of this key, if its type is one of `KEPT_TYPES`."""
        return self._contents.get((event_type, state_key))

    def state_event(self, event_type: str, state_key: str) -> StateEvent | None:
        """The current event of this key, parsed once, if its type is one of `KEPT_TYPES`."""
        key = (event_type, state_key)
        event = self._parsed.get(key)
        if event is None and (client_json := self._contents.get(key)) is not None:
            event = self._parsed[key] = _parse(client_json)
        return event

    def power_levels(self) -> PowerLevels:
        """The levels in force, parsed once for each change of them."""
        levels = self._power_levels
        if levels is None:
            create_event = self.state_event("m.room.create", "")
            assert create_event is not None, "a room begins with its create event"
            event = self.state_event("m.room.power_levels", "")
            levels = self._power_levels = power_levels_of(create_event, event, self.rules.authorization)
        return levels

    def memory_bytes(self) -> int:
        """An estimate, on the safe side: parsed contents count as three times their JSON."""
        return _HEAD_BYTES + self.state.memory_bytes() + 4 * self._contents_bytes + 400 * len(self._contents)

    def _keep(self, event_type: str, state_key: str, client_json: bytes) -> None:
        if event_type not in KEPT_TYPES:
            return
        key = (event_type, state_key)
        self._contents_bytes += len(client_json) - len(self._contents.get(key, b""))
        self._contents[key] = client_json
        self._parsed.pop(key, None)
        if event_type in ("m.room.power_levels", "m.room.create"):
            self._power_levels = None
        if event_type == "m.room.history_visibility" and state_key == "":
            self.history_visibility = visibility_of(_parse(client_json).content)


def visibility_of(content: Mapping[str, object]) -> HistoryVisibility:
    """What an `m.room.history_visibility` event of this content sets."""
    return VISIBILITIES[history_visibility_of(content)]


def _parse(client_json: bytes) -> StateEvent:
    event = orjson.loads(client_json)
    return StateEvent(event["event_id"], event["sender"], event["state_key"], event["content"])
