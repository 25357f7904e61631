"""A client that believes what it is told: its rooms are what the answers of /sync make of them.

It complains about an event that it is given twice or in the wrong order, and
knows at the end what it should know and doesn't.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from service_kit.tokens import SyncToken
from tests.sync_api.world import Room, Worker, World, user_id
from tests.sync_api.world_queries import MEMBER


@dataclass
class ClientRoom:
    state: dict[tuple[str, str], str] = field(default_factory=dict)
    timeline: list[int] = field(default_factory=list)
    """positions"""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """(after, through): what /messages would have to fill"""
    first_seen: int = 0
    section: str = ""
    receipts: dict[tuple[str, str], str] = field(default_factory=dict)
    account_data: dict[str, Any] = field(default_factory=dict)
    joined_count: int = -1


class Client:
    def __init__(self, world: World, name: str, **options: Any) -> None:
        self.world = world
        self.name = name
        self.options = options
        self.is_lazy = "lazy_load_members" in str(options)
        self.since = ""
        self.rooms: dict[str, ClientRoom] = {}
        self.account_data: dict[str, Any] = {}

    async def sync(self, worker: Worker, *, timeout_ms: int = 0, **options: Any) -> bool:
        """One request; answers whether there was anything new."""
        answer = await worker.sync(self.name, self.since, timeout_ms=timeout_ms, **self.options, **options)
        self.take(answer)
        return len(answer) > 1

    def take(self, answer: dict[str, Any]) -> None:
        before = SyncToken.parse(self.since, self.world.shards) if self.since else None
        after = SyncToken.parse(answer["next_batch"], self.world.shards)
        if before is not None:
            assert all(old <= new for old, new in zip(before.rooms, after.rooms, strict=True))
        for event in answer.get("account_data", {}).get("events", ()):
            self.account_data[event["type"]] = event["content"]
        for section, rooms in answer.get("rooms", {}).items():
            for room_id, given in rooms.items():
                room = self.world.rooms[room_id]
                since = before.rooms[room.shard.number] if before is not None else 0
                self._take_room(room, section, given, since, after.rooms[room.shard.number])
        self.since = answer["next_batch"]

    def _take_room(self, room: Room, section: str, given: dict[str, Any], since: int, through: int) -> None:
        known = self.rooms.setdefault(room.id, ClientRoom())
        if section in ("invite", "knock"):
            known.section = known.section or section
            return
        self._take_timeline(room, known, given["timeline"], since, through)
        known.section = section
        for event in (given.get("state") or given["state_after"])["events"]:
            known.state[event["type"], event["state_key"]] = event["event_id"]
        positions = {event.event_id: position for position, event in room.events()}
        for event in given["timeline"]["events"]:
            if section == "join" and "state_key" not in event and (MEMBER, event["sender"]) not in known.state:
                assert not room.membership_at(event["sender"], positions[event["event_id"]]), "unknown sender"
            if "state_key" in event and "state_after" not in given:
                known.state[event["type"], event["state_key"]] = event["event_id"]
        for event in given["account_data"]["events"]:
            known.account_data[event["type"]] = event["content"]
        for event in given.get("ephemeral", {}).get("events", ()):
            if event["type"] == "m.receipt":
                self._take_receipts(known, event["content"])
        known.joined_count = given.get("summary", {}).get("m.joined_member_count", known.joined_count)

    def _take_receipts(self, known: ClientRoom, content: dict[str, Any]) -> None:
        for event_id, by_type in content.items():
            for kind, by_user in by_type.items():
                known.receipts |= {(kind, name): event_id for name in by_user}

    def _take_timeline(self, room: Room, known: ClientRoom, given: dict[str, Any], since: int, through: int) -> None:
        positions = {event.event_id: position for position, event in room.events()}
        # How their own membership changes is everybody's to know, whatever the history visibility.
        own = {event.event_id for _, event in room.events() if event.state_key == user_id(self.name)}
        visible = room.visible_to(self.name) | own
        new = [positions[event["event_id"]] for event in given["events"]]
        assert all(event["event_id"] in visible for event in given["events"]), f"{self.name} sees too much"
        assert new == sorted(set(new)), f"out of order: {new}"
        assert all(position <= through for position in new)
        assert not set(new) & set(known.timeline), f"{self.name} was sent an event twice in {room.id}"
        if known.timeline and new:
            assert new[0] > known.timeline[-1]
        start = int(given["prev_batch"][1:])
        if not known.timeline:
            known.first_seen = start + 1
        elif known.section == "leave":
            known.gaps.append((0, start))  # nothing that happened while they were away is sent
        elif given["limited"]:
            known.gaps.append((since, start))
        known.timeline += new

    # --- afterwards ---

    def check(self, room: Room) -> None:
        """Everything that this client may know of a room that it is in, it knows."""
        known = self.rooms[room.id]
        head = self.world.head(room.shard)
        assert known.section == "join"
        state = {key: event.event_id for key, (_, event) in room.state_at(head).items()}
        if self.is_lazy:
            # Not all members, but no wrong ones.
            state = {key: event_id for key, event_id in state.items() if key[0] != MEMBER or key in known.state}
        assert known.state == state
        visible = room.visible_to(self.name)
        for position, event in room.events():
            if event.event_id in visible and position >= known.first_seen:
                in_gap = any(after < position <= through for after, through in known.gaps)
                assert in_gap or position in known.timeline, f"{self.name} misses {event.event_id} ({position})"
        assert known.joined_count == sum(event.membership == "join" for _, event in room.state_at(head).values())
        assert known.account_data == self._true_account_data(room)
        assert known.receipts == self._true_receipts(room)

    def _true_account_data(self, room: Room) -> dict[str, Any]:
        facts = self.world.facts(self.world.shards.of_user(user_id(self.name)))
        found = [f.account_data for _, f in facts if f.user_id == user_id(self.name)]
        return {data.type: orjson.loads(data.content_json) for data in found if data.room_id == room.id}

    def _true_receipts(self, room: Room) -> dict[tuple[str, str], str]:
        receipts = [
            f.receipt for _, f in self.world.facts(room.shard) if f.room_id == room.id and f.HasField("receipt")
        ]
        return {
            (receipt.receipt_type, receipt.user_id): receipt.event_id
            for receipt in receipts
            if receipt.receipt_type == "m.read" or receipt.user_id == user_id(self.name)
        }

    def is_joined(self, room: Room) -> bool:
        entry = room.state_at(self.world.head(room.shard)).get((MEMBER, user_id(self.name)))
        return entry is not None and entry[1].membership == "join"
