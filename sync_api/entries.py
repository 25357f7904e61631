"""Events as the views hold them: a few fields to choose by, and the JSON that goes out as it is."""

from __future__ import annotations

from typing import NamedTuple

from service_kit.rpc.pb.facts_pb2 import RoomEventFact
from service_kit.rpc.pb.room_queries_pb2 import Aggregations, StateEntry, TimelineEntry

MEMBER = "m.room.member"
EntryKey = tuple[str, str]
"""(event type, state key)"""

ENTRY_BYTES = 600
"""What an entry costs besides its JSON: tuple, strings, integers (measured with sys.getsizeof)."""


class TimelineEvent(NamedTuple):
    position: int
    event_id: str
    type: str
    sender: str
    state_key: str | None
    history_visibility: int
    replaces_event_id: str
    membership: str
    prev_membership: str
    device_id: str
    client_txn_id: str
    origin_server_ts_ms: int
    client_json: bytes
    viewer_membership: str = ""
    """of the user that this one copy is for, after this event; "" = not looked up"""
    aggregations: Aggregations | None = None
    """what is bundled with it, as read from the roomserver"""

    @classmethod
    def from_fact(cls, position: int, fact: RoomEventFact) -> TimelineEvent:
        return cls(
            position,
            fact.event_id,
            fact.type,
            fact.sender,
            fact.state_key if fact.HasField("state_key") else None,
            fact.history_visibility,
            fact.replaces_event_id,
            fact.membership,
            fact.prev_membership,
            fact.device_id,
            fact.client_txn_id,
            fact.origin_server_ts_ms,
            fact.client_json,
        )

    @classmethod
    def from_entry(cls, entry: TimelineEntry) -> TimelineEvent:
        return cls(
            entry.position,
            entry.event_id,
            entry.type,
            entry.sender,
            entry.state_key if entry.HasField("state_key") else None,
            entry.history_visibility,
            entry.replaces_event_id,
            entry.membership,
            entry.prev_membership,
            entry.device_id,
            entry.client_txn_id,
            entry.origin_server_ts_ms,
            entry.client_json,
            entry.viewer_membership,
            entry.aggregations if entry.HasField("aggregations") else None,
        )


class StateEvent(NamedTuple):
    type: str
    state_key: str
    event_id: str
    position: int
    """at which it came into the state"""
    membership: str
    client_json: bytes

    @classmethod
    def from_entry(cls, entry: StateEntry) -> StateEvent:
        return cls(entry.type, entry.state_key, entry.event_id, entry.position, entry.membership, entry.client_json)

    @classmethod
    def from_timeline(cls, event: TimelineEvent) -> StateEvent:
        assert event.state_key is not None
        return cls(event.type, event.state_key, event.event_id, event.position, event.membership, event.client_json)

    @property
    def key(self) -> EntryKey:
        return (self.type, self.state_key)
