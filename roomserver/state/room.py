"""One room in its owner's memory: the ends of its DAG and timeline, and its compact state.

Sending into a room costs the same whatever the number of its members: nothing
here walks over them, except where a docstring says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import orjson

from matrix_protocol.encoding import encode_base64
from matrix_protocol.event_auth import PowerLevels, power_levels_of
from matrix_protocol.history_visibility import history_visibility_of
from matrix_protocol.room_versions import RoomVersionRules
from matrix_protocol.state_resolution.columns import columns_from_bytes
from roomserver.state.compact import CompactState
from roomserver.tables import BUCKET_EVENTS_MAX, CurrentStateRow
from service_kit.rpc.pb.facts_pb2 import HistoryVisibility, RoomEventFact

if TYPE_CHECKING:  # it needs numpy, which a server without forks never imports
    from matrix_protocol.state_resolution.compact import CompactRoom

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

_RESOLVABLE_EVENT_BYTES = 400
"""A state event that `CompactRoom` was given after it was loaded: 271 over 100,000 first joins, and room to spare."""


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
        "_resolvable",
        "_resolvable_bytes",
        "bucket_ts_ms",
        "depth",
        "forward_extremity_hashes",
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
        self.state = CompactState(state_version, event_id_format=rules.event_format.event_id)
        self.timeline_length = 0
        self.depth = 0
        self.forward_extremity_ids: list[str] = []
        self.forward_extremity_hashes: list[bytes] = []
        """Their reference hashes, in versions 1 and 2."""
        self.history_visibility: HistoryVisibility = HistoryVisibility.SHARED
        self.bucket_ts_ms: tuple[int, int] | None = None
        """The least and the greatest origin_server_ts in the timeline's last bucket; None: not known."""
        self.last_position = 0
        """Of the room's latest event. Until the tables hold it, this object knows more than they do and must stay."""
        self._contents: dict[tuple[str, str], bytes] = {}
        self._contents_bytes = 0
        self._parsed: dict[tuple[str, str], StateEvent] = {}
        self._power_levels: PowerLevels | None = None
        self._resolvable: CompactRoom | None = None
        self._resolvable_bytes = 0

    def load_state(self, row: CurrentStateRow, number: int) -> None:
        """A row of the stored current state; `number` is the event's."""
        self.state.load(row.type, row.state_key, row.event_id, row.membership, number, row.reference_hash)
        self._keep(row.type, row.state_key, row.client_json)

    def change_state(self, event: RoomEventFact) -> None:
        """A new state event of the main line has taken its place in the state."""
        assert event.state_number == self.state.event_count, "state events are numbered without gaps"
        self.state.change(event.type, event.state_key, event.event_id, event.membership, event.reference_hash)
        self._keep(event.type, event.state_key, event.client_json)
        if self._resolvable is not None:
            self._resolvable.append(columns_from_bytes(event.state_columns))
            self._resolvable_bytes += _RESOLVABLE_EVENT_BYTES

    @property
    def resolvable(self) -> CompactRoom | None:
        """All state events of the room as a resolution wants them, once one was needed (`state.resolving`)."""
        return self._resolvable

    def keep_resolvable(self, resolvable: CompactRoom) -> None:
        """From now on it grows with the room."""
        assert len(resolvable) == self.state.event_count, "a resolution knows all state events"
        self._resolvable = resolvable
        self._resolvable_bytes = resolvable.nbytes()

    def redact_state(self, event_type: str, state_key: str, client_json: bytes) -> None:
        """The event that holds this key now was redacted, and looks like `client_json` from now on."""
        self._keep(event_type, state_key, client_json)

    def advance(self, event: RoomEventFact) -> None:
        """A new event stands at the end of the main line."""
        self.timeline_length += 1
        self.depth = event.depth
        self.bucket_ts_ms = (
            (event.bucket_min_ts_ms, event.bucket_max_ts_ms) if event.HasField("bucket_min_ts_ms") else None
        )
        self.forward_extremity_ids = [event.event_id]
        if self.rules.event_format.references_carry_hashes:
            self.forward_extremity_hashes = [event.reference_hash]

    def reference_hashes(self, auth_keys: Iterable[tuple[str, str]]) -> dict[str, str]:
        """In base64 by event ID: of the forward extremities, and of the current events of these keys."""
        hashes = dict(zip(self.forward_extremity_ids, self.forward_extremity_hashes, strict=True))
        for event_type, state_key in auth_keys:
            event_id = self.state.event_id(event_type, state_key)
            if event_id is not None:
                hashes[event_id] = self.state.reference_hash(event_type, state_key)
        return {event_id: encode_base64(hashed) for event_id, hashed in hashes.items()}

    @property
    def timeline_buckets(self) -> int:
        """How many buckets the timeline has."""
        return -(-self.timeline_length // BUCKET_EVENTS_MAX)

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
        contents = 4 * self._contents_bytes + 400 * len(self._contents)
        return _HEAD_BYTES + self.state.memory_bytes() + contents + self._resolvable_bytes

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
