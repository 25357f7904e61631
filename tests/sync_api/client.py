"""A client that believes what it is told: its rooms are what the answers of /sync make of them.

It complains about an event that it is given twice or in the wrong order, and
knows at the end what it should know and doesn't.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

import orjson

from service_kit.rpc.pb.facts_pb2 import Fact, RoomEventFact
from service_kit.shards import Shard, ShardMap
from service_kit.tokens import SyncToken
from tests.sync_api.truth import MEMBER, RoomTruth, is_own, user_id

THREADS_WANTED = "unread_thread_notifications"


class Truth(Protocol):
    """What there is; `World`, or a cluster with real owners."""

    shards: ShardMap

    @property
    def rooms(self) -> Mapping[str, RoomTruth]: ...

    def head(self, shard: Shard) -> int: ...

    def facts(self, shard: Shard) -> Iterable[tuple[int, Fact]]: ...


class Syncing(Protocol):
    async def sync(self, name: str, since: str = "", **options: Any) -> dict[str, Any]: ...


@dataclass
class ClientRoom:
    state: dict[tuple[str, str], str] = field(default_factory=dict)
    timeline: list[int] = field(default_factory=list)
    """positions"""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """(after, through): what /messages would have to fill"""
    first_seen: int = 0
    section: str = ""
    pending: str = ""
    """an invite or a knock that nothing has come of yet"""
    receipts: dict[tuple[str, str, str], str] = field(default_factory=dict)
    account_data: dict[str, Any] = field(default_factory=dict)
    joined_count: int = -1
    unread: tuple[int, dict[str, int]] = (-1, {})
    """notifications: of the room, or of the main timeline and of each thread"""


class EventWish:
    """A RoomEventFilter, read in the plainest way."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    def allows_type(self, event_type: str) -> bool:
        types, not_types = self._given.get("types"), self._given.get("not_types", ())
        allowed = types is None or any(fnmatchcase(event_type, one) for one in types)
        return allowed and not any(fnmatchcase(event_type, one) for one in not_types)

    def allows(self, room: RoomTruth, event: RoomEventFact, *, at_any_time: bool) -> bool:
        """`at_any_time`: when it had its content, or when it was redacted; else at both."""
        senders, not_senders = self._given.get("senders"), self._given.get("not_senders", ())
        if not self.allows_type(event.type) or event.sender in not_senders:
            return False
        if senders is not None and event.sender not in senders:
            return False
        url = self._given.get("contains_url")
        looks = [event.client_json, room.client_json(event)]
        allowed = [url is None or url == ("url" in orjson.loads(look)["content"]) for look in looks]
        return any(allowed) if at_any_time else all(allowed)


class Client:
    def __init__(self, world: Truth, name: str, **options: Any) -> None:
        self.world = world
        self.name = name
        self.options = options
        self.is_lazy = "lazy_load_members" in str(options)
        of_room = options.get("filter", {}).get("room", {})
        self.rooms_wish: list[str] | None = of_room.get("rooms")
        self.timeline_wish = EventWish(of_room.get("timeline", {}))
        self.state_wish = EventWish(of_room.get("state", {}))
        self.ephemeral_wish = EventWish(of_room.get("ephemeral", {}))
        self.splits_threads = THREADS_WANTED in str(options)
        self.since = ""
        self.rooms: dict[str, ClientRoom] = {}
        self.account_data: dict[str, Any] = {}

    async def sync(self, worker: Syncing, *, timeout_ms: int = 0, **options: Any) -> bool:
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
                assert self.rooms_wish is None or room_id in self.rooms_wish
                room = self.world.rooms[room_id]
                since = before.rooms[room.shard.number] if before is not None else 0
                self._take_room(room, section, given, since, after.rooms[room.shard.number])
        self.since = answer["next_batch"]

    def _take_room(self, room: RoomTruth, section: str, given: dict[str, Any], since: int, through: int) -> None:
        known = self.rooms.setdefault(room.id, ClientRoom())
        if section in ("invite", "knock"):
            known.pending = section
            known.section = known.section or section
            return
        known.pending = ""
        self._take_timeline(room, known, given["timeline"], since, through)
        known.section = section
        for event in (given.get("state") or given["state_after"])["events"]:
            assert self.state_wish.allows_type(event["type"])
            known.state[event["type"], event["state_key"]] = event["event_id"]
        positions = {event.event_id: position for position, event in room.events()}
        visible = room.visible_to(self.name)
        for event in given["timeline"]["events"]:
            is_unknown = "state_key" not in event and (MEMBER, event["sender"]) not in known.state
            if section == "join" and is_unknown and self.state_wish.allows_type(MEMBER):
                member = room.state_at(positions[event["event_id"]]).get((MEMBER, event["sender"]))
                # One that may not be seen, and was replaced meanwhile, is in no answer.
                assert member is None or member[1].event_id not in visible, "unknown sender"
            if "state_key" in event and "state_after" not in given:
                known.state[event["type"], event["state_key"]] = event["event_id"]
        for event in given["account_data"]["events"]:
            known.account_data[event["type"]] = event["content"]
        for event in given.get("ephemeral", {}).get("events", ()):
            assert self.ephemeral_wish.allows_type(event["type"])
            if event["type"] == "m.receipt":
                self._take_receipts(known, event["content"])
        known.joined_count = given.get("summary", {}).get("m.joined_member_count", known.joined_count)
        if section == "join":
            of_threads = given.get(THREADS_WANTED, {})
            threads = {thread: counts["notification_count"] for thread, counts in of_threads.items()}
            known.unread = (given["unread_notifications"]["notification_count"], threads)

    def _take_receipts(self, known: ClientRoom, content: dict[str, Any]) -> None:
        for event_id, by_type in content.items():
            for kind, by_user in by_type.items():
                for name, entry in by_user.items():
                    known.receipts[kind, name, entry.get("thread_id", "")] = event_id

    def _take_timeline(
        self, room: RoomTruth, known: ClientRoom, given: dict[str, Any], since: int, through: int
    ) -> None:
        positions = {event.event_id: position for position, event in room.events()}
        wanted = {
            event.event_id for _, event in room.events() if self.timeline_wish.allows(room, event, at_any_time=True)
        }
        # How their own membership changes is everybody's to know, whatever the history visibility.
        own = {event.event_id for _, event in room.events() if is_own(event, self.name)}
        visible = room.visible_to(self.name) | own
        new = [positions[event["event_id"]] for event in given["events"]]
        assert all(event["event_id"] in visible for event in given["events"]), f"{self.name} sees too much"
        assert all(event["event_id"] in wanted for event in given["events"]), f"{self.name} did not want this"
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

    def check(self, room: RoomTruth) -> None:
        """Everything that this client may know of a room that it is in, it knows."""
        known = self.rooms[room.id]
        head = self.world.head(room.shard)
        assert known.section == "join"
        assert not known.pending
        self._check_state(room, known)
        self._check_timeline(room, known, head)
        joined_count = sum(event.membership == "join" for _, event in room.state_at(head).values())
        assert known.joined_count == joined_count
        assert known.account_data == self._true_account_data(room)
        if self.ephemeral_wish.allows_type("m.receipt"):
            assert known.receipts == self._true_receipts(room)

    def check_left(self, room: RoomTruth) -> None:
        """The user was in the room or invited to it, and is no more."""
        known = self.rooms[room.id]
        assert known.section == "leave"
        own = (MEMBER, user_id(self.name))
        if self.state_wish.allows_type(MEMBER):
            assert known.state.get(own) == room.state_at(self.world.head(room.shard))[own][1].event_id
        ends = [
            position
            for position, event in room.events()
            if is_own(event, self.name) and event.prev_membership == "join" and event.membership != "join"
        ]
        if ends:
            self._check_timeline(room, known, max(ends))

    def check_unread(self, room: RoomTruth) -> None:
        unread = self._true_unread(room)
        if not self.splits_threads:
            assert self.rooms[room.id].unread == (sum(unread.values()), {})
        else:
            assert self.rooms[room.id].unread == (unread.pop("main", 0), unread)

    def _check_state(self, room: RoomTruth, known: ClientRoom) -> None:
        state = {
            key: event.event_id
            for key, (_, event) in room.state_at(self.world.head(room.shard)).items()
            if self.state_wish.allows_type(key[0])
        }
        if self.is_lazy:
            # Not all members, but no wrong ones.
            state = {key: event_id for key, event_id in state.items() if key[0] != MEMBER or key in known.state}
        told = {key: of for key, of in known.state.items() if self.state_wish.allows_type(key[0])}
        wrong = [key for key in {**told, **state} if told.get(key) != state.get(key)]
        assert not wrong, f"{self.name} {self.options} has wrong state in {room.id}: {wrong}"

    def _check_timeline(self, room: RoomTruth, known: ClientRoom, through: int) -> None:
        visible = room.visible_to(self.name)
        for position, event in room.events():
            if event.event_id in visible and known.first_seen <= position <= through:
                in_gap = any(after < position <= gap_end for after, gap_end in known.gaps)
                is_wanted = self.timeline_wish.allows(room, event, at_any_time=False)
                assert in_gap or not is_wanted or position in known.timeline, (
                    f"{self.name} misses {event.event_id} ({position})"
                )

    def _true_account_data(self, room: RoomTruth) -> dict[str, Any]:
        facts = self.world.facts(self.world.shards.of_user(user_id(self.name)))
        found = [f.account_data for _, f in facts if f.user_id == user_id(self.name)]
        return {data.type: orjson.loads(data.content_json) for data in found if data.room_id == room.id}

    def _true_receipts(self, room: RoomTruth) -> dict[tuple[str, str, str], str]:
        receipts = [
            f.receipt for _, f in self.world.facts(room.shard) if f.room_id == room.id and f.HasField("receipt")
        ]
        return {
            (receipt.receipt_type, receipt.user_id, receipt.thread_id): receipt.event_id
            for receipt in receipts
            if receipt.receipt_type == "m.read" or receipt.user_id == user_id(self.name)
        }

    def _true_unread(self, room: RoomTruth) -> dict[str, int]:
        """By thread: messages of others after what the user has read or sent there, by the predefined rules."""
        me = user_id(self.name)
        read = {"": room.joined_since(self.name)}
        for _, fact in self.world.facts(room.shard):
            if fact.room_id == room.id and fact.HasField("receipt") and fact.receipt.user_id == me:
                thread = fact.receipt.thread_id
                read[thread] = max(read.get(thread, 0), fact.receipt.event_position)
        threads = {event.event_id: _thread_of(event) for _, event in room.events()}
        for position, event in room.events():
            if event.sender == me and not event.HasField("state_key"):
                thread = threads[event.event_id]
                read[thread] = max(read.get(thread, 0), position)
        unread: dict[str, int] = {}
        for position, event in room.events():
            thread = threads[event.event_id]
            notifies = event.type == "m.room.message" and event.sender != me and not room.is_redacted(event.event_id)
            if notifies and position > max(read[""], read.get(thread, 0)):
                unread[thread] = unread.get(thread, 0) + 1
        return unread

    def membership(self, room: RoomTruth) -> str:
        return room.membership_at(self.name, self.world.head(room.shard))

    def is_joined(self, room: RoomTruth) -> bool:
        return self.membership(room) == "join"


def _thread_of(event: RoomEventFact) -> str:
    relation = orjson.loads(event.client_json)["content"].get("m.relates_to", {})
    return str(relation["event_id"]) if relation.get("rel_type") == "m.thread" else "main"
