"""What a room holds and who may see it, from its facts alone: what clients' views are compared with."""

from __future__ import annotations

from service_kit.rpc.pb.facts_pb2 import INVITED, SHARED, WORLD_READABLE, RoomEventFact
from service_kit.shards import Shard

MEMBER = "m.room.member"
StateEntries = dict[tuple[str, str], tuple[int, RoomEventFact]]


def user_id(name: str) -> str:
    return name if name.startswith("@") else f"@{name}:example.org"


class RoomTruth:
    def __init__(self, room_id: str, shard: Shard) -> None:
        self.id = room_id
        self.shard = shard
        self._events: list[tuple[int, RoomEventFact]] = []
        self._state_events: list[tuple[int, RoomEventFact]] = []
        self._redacted: dict[str, bytes] = {}

    def add(self, position: int, fact: RoomEventFact) -> None:
        self._events.append((position, fact))
        if fact.HasField("state_key"):
            self._state_events.append((position, fact))
        if fact.redacts_event_id and fact.redacted_client_json:
            self._redacted[fact.redacts_event_id] = fact.redacted_client_json

    def events(self) -> list[tuple[int, RoomEventFact]]:
        return self._events

    def client_json(self, event: RoomEventFact) -> bytes:
        return self._redacted.get(event.event_id, event.client_json)

    def is_redacted(self, event_id: str) -> bool:
        return event_id in self._redacted

    def state_at(self, position: int) -> StateEntries:
        state = {}
        for at, event in self._state_events:
            if at > position:
                break
            state[event.type, event.state_key] = (at, event)
        return state

    def membership_at(self, name: str, position: int) -> str:
        entry = self.state_at(position).get((MEMBER, user_id(name)))
        return entry[1].membership if entry else ""

    def joined_since(self, name: str) -> int:
        """Position of the event by which the user came last."""
        joins = [at for at, f in self._state_events if is_own(f, name) and f.membership == "join"]
        return max((at for at in joins if self.membership_at(name, at - 1) != "join"), default=0)

    def visible_to(self, name: str) -> set[str]:
        """IDs of the events that the user may see; the specification's five rules."""
        seen = set()
        last_join = max((p for p, f in self._state_events if is_own(f, name) and f.membership == "join"), default=0)
        membership = ""
        for position, event in self._events:
            memberships = {membership}
            if is_own(event, name):
                membership = event.membership
                memberships.add(membership)
            shared = event.history_visibility == SHARED and last_join > position
            invited = "invite" in memberships and event.history_visibility == INVITED
            if event.history_visibility == WORLD_READABLE or "join" in memberships or shared or invited:
                seen.add(event.event_id)
        return seen


def is_own(event: RoomEventFact, name: str) -> bool:
    """Whether it is about this user's membership."""
    return event.type == MEMBER and event.state_key == user_id(name)
