"""A small world behind a sync worker: ledgers of facts, questions answered from them, delivery as slow as wanted.

    world = World()
    room = world.room("alice", "bob")
    room.send("alice", "hello")
    worker = world.worker()
    answer = await worker.sync("bob")

Facts reach a worker only when it is told so (`deliver`), unless `worker.lag` is False.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson

from matrix_protocol.errors import Unavailable
from service_kit.clock import ManualClock
from service_kit.rpc.local import LocalAsker
from service_kit.rpc.pb.facts_pb2 import (
    INVITED,
    JOINED,
    SHARED,
    WORLD_READABLE,
    AccountDataFact,
    DeviceFact,
    Fact,
    ForgottenFact,
    ReceiptFact,
    RoomEventFact,
    ToDeviceContent,
    ToDeviceFact,
    ToDeviceTarget,
    TypingFact,
)
from service_kit.shards import ROOM, Shard, ShardMap
from service_kit.tokens import SyncToken
from sync_api.consumers import FactConsumer
from sync_api.filters import NO_FILTER, parse_filter
from sync_api.positions import Positions
from sync_api.rooms import RoomViews
from sync_api.sync_waiters import SyncWaiters
from sync_api.syncing import SyncCall, Syncs
from sync_api.to_device import HELD_MESSAGES_MAX, ToDeviceMessage, event_of
from sync_api.users import UserViews
from tests.sync_api.truth import MEMBER, RoomTruth, user_id
from tests.sync_api.world_queries import WorldQueries

VISIBILITIES = {"shared": SHARED, "world_readable": WORLD_READABLE, "invited": INVITED, "joined": JOINED}


class World:
    def __init__(self, *, room_shards: int = 3) -> None:
        self.shards = ShardMap(room_shards, 2)
        self.clock = ManualClock()
        self.ledgers: dict[Shard, list[Fact]] = {}
        self.rooms: dict[str, Room] = {}
        self.workers: list[Worker] = []
        self.questions: list[str] = []
        self.deleted: dict[tuple[str, str], int] = {}
        """of to-device messages: through which position, by user and device"""
        self.deletions_fail = False
        self.slow_questions = 0
        """how many turns of the loop each question takes"""

    def head(self, shard: Shard) -> int:
        return len(self.ledgers.get(shard, ()))

    def append(self, shard: Shard, fact: Fact) -> int:
        ledger = self.ledgers.setdefault(shard, [])
        ledger.append(fact)
        for worker in self.workers:
            if not worker.lag:
                worker.deliver(shard)
        return len(ledger)

    def facts(self, shard: Shard) -> Iterable[tuple[int, Fact]]:
        return enumerate(self.ledgers.get(shard, ()), start=1)

    def room(self, creator: str, *joined: str, state: dict[str, Any] | None = None, **options: Any) -> Room:
        room = Room(self, f"!room{len(self.rooms)}:example.org", **options)
        self.rooms[room.id] = room
        room.state(creator, "m.room.create", "", {"room_version": "12"})
        room.member(creator, creator, "join")
        for event_type, content in (state or {}).items():
            room.state(creator, event_type, "", content)
        for name in joined:
            room.member(name, name, "join")
        return room

    def set_account_data(self, name: str, event_type: str, content: Any, room_id: str = "") -> None:
        fact = AccountDataFact(room_id=room_id, type=event_type, content_json=orjson.dumps(content))
        self.append(self.shards.of_user(user_id(name)), Fact(user_id=user_id(name), account_data=fact))

    def to_device(self, sender: str, name: str, content: Any, *devices: str) -> None:
        targets = [ToDeviceTarget(device_id=device) for device in devices or ("PHONE",)]
        contents = [ToDeviceContent(content_json=orjson.dumps(content), targets=targets)]
        fact = ToDeviceFact(sender=user_id(sender), type="m.test", contents=contents)
        self.append(self.shards.of_user(user_id(name)), Fact(user_id=user_id(name), to_device=fact))

    def remove_device(self, name: str, device: str) -> None:
        fact = Fact(user_id=user_id(name), device=DeviceFact(device_id=device, deleted=True))
        self.append(self.shards.of_user(user_id(name)), fact)

    def worker(self, *, lag: bool = False, **options: Any) -> Worker:
        worker = Worker(self, lag=lag, **options)
        self.workers.append(worker)
        return worker


class Room(RoomTruth):
    """Sends facts into the ledger of its shard; knows what a roomserver knows."""

    def __init__(self, world: World, room_id: str, *, visibility: str = "shared") -> None:
        super().__init__(room_id, world.shards.of_room(room_id))
        self.world = world
        self.visibility = visibility
        self.current: dict[tuple[str, str], tuple[str, str]] = {}
        """(type, key) -> (event ID, membership)"""
        self.count = 0
        self.forgotten: set[str] = set()

    def send(
        self,
        sender: str,
        body: str = "",
        *,
        device: str = "",
        txn: str = "",
        kind: str = "m.room.message",
        **content: Any,
    ) -> str:
        content = {"body": body or f"message {self.count}", **content}
        return self._event(sender, kind, None, content, device_id=device, client_txn_id=txn)

    def state(self, sender: str, event_type: str, state_key: str, content: Any) -> str:
        return self._event(sender, event_type, state_key, content)

    def member(self, sender: str, target: str, membership: str, **content: Any) -> str:
        return self._event(sender, MEMBER, user_id(target), {"membership": membership, **content})

    def join(self, *names: str) -> Room:
        for name in names:
            self.member(name, name, "join")
        return self

    def redact(self, sender: str, event_id: str) -> str:
        position, redacted = next((p, f) for p, f in self.events() if f.event_id == event_id)
        client = orjson.loads(redacted.client_json)
        client["content"] = {}
        client["unsigned"] = {"redacted_because": {"sender": user_id(sender)}}
        return self._event(
            sender,
            "m.room.redaction",
            None,
            {"redacts": event_id},
            redacts_event_id=event_id,
            redacts_position=position,
            redacted_client_json=orjson.dumps(client),
        )

    def receipt(self, name: str, event_id: str, kind: str = "m.read", thread: str = "") -> None:
        position = next(position for position, event in self.events() if event.event_id == event_id)
        fact = ReceiptFact(user_id=user_id(name), receipt_type=kind, event_id=event_id, thread_id=thread, ts_ms=7)
        fact.event_position = position
        self.world.append(self.shard, Fact(room_id=self.id, receipt=fact))

    def typing(self, name: str, typing: bool = True) -> None:
        expires = self.world.clock.now_ms() + 30_000
        fact = TypingFact(user_id=user_id(name), typing=typing, expires_at_ms=expires)
        self.world.append(self.shard, Fact(room_id=self.id, typing=fact))

    def forget(self, name: str) -> None:
        fact = Fact(room_id=self.id, user_id=user_id(name), forgotten=ForgottenFact(user_id=user_id(name)))
        self.world.append(self.shard, fact)
        self.forgotten.add(user_id(name))

    def _event(self, sender: str, event_type: str, state_key: str | None, content: Any, **fields: Any) -> str:
        self.count += 1
        event_id = f"${self.id[1:6]}{self.count}"
        now_ms = self.world.clock.now_ms()
        body: dict[str, Any] = {"content": content, "event_id": event_id, "origin_server_ts": now_ms}
        body |= {"room_id": self.id, "sender": user_id(sender), "type": event_type}
        if state_key is not None:
            body["state_key"] = state_key
        former_id, former_membership = self.current.get((event_type, state_key or ""), ("", ""))
        unsigned = {"replaces_state": former_id} if former_id else {}
        fact = RoomEventFact(
            event_id=event_id,
            type=event_type,
            sender=user_id(sender),
            state_key=state_key,
            origin_server_ts_ms=now_ms,
            client_json=orjson.dumps({**body, "unsigned": unsigned}),
            history_visibility=VISIBILITIES[self.visibility],
            **fields,
        )
        if state_key is not None:
            fact.replaces_event_id = former_id
            if event_type == MEMBER:
                fact.membership, fact.prev_membership = content["membership"], former_membership
                if fact.membership in ("invite", "knock"):
                    fact.invite_state_json = orjson.dumps([{**body, "event_id": event_id}])
            self.current[event_type, state_key] = (event_id, fact.membership)
        position = self.world.head(self.shard) + 1
        self.add(position, fact)
        target = state_key if event_type == MEMBER else None
        self.world.append(self.shard, Fact(room_id=self.id, user_id=target, room_event=fact))
        return event_id


class WorldInboxes:
    """`InboxSource`, from the ledgers; `limit` messages are read at a time."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def read(self, user_id: str, device_id: str, after_position: int) -> list[ToDeviceMessage]:
        await asyncio.sleep(0)
        deleted = self.world.deleted.get((user_id, device_id), 0)
        found = [
            ToDeviceMessage(
                position,
                fact.to_device.sender,
                event_of(fact.to_device.sender, fact.to_device.type, content.content_json),
            )
            for position, fact in self.world.facts(self.world.shards.of_user(user_id))
            for content in fact.to_device.contents
            if fact.user_id == user_id
            and position > max(after_position, deleted)
            and any(target.device_id == device_id for target in content.targets)
        ]
        return found[:HELD_MESSAGES_MAX]

    async def delete(self, user_id: str, device_id: str, through_position: int) -> None:
        if self.world.deletions_fail:
            raise Unavailable("not now")
        self.world.deleted[user_id, device_id] = through_position


class Worker:
    """A sync worker in this world, with a follower that hands facts over when told."""

    def __init__(self, world: World, *, lag: bool, bytes_max: int = 2**30, idle_s: float = 300.0) -> None:
        self.world = world
        self.lag = lag
        self.positions: dict[Shard, int] = {}
        self.since: dict[tuple[Shard, str], int] = {}
        queries = WorldQueries(world)
        self.rooms = RoomViews(queries, self, world.shards, bytes_max)
        self.users = UserViews(self.rooms, queries, queries, self, world.shards, world.clock, idle_s=idle_s)
        self.waiters = SyncWaiters(world.clock, waiting_max=100)
        self.consumer = FactConsumer(self.rooms, self.users, self.waiters)
        self.vector = Positions(self, world.shards)
        asker = LocalAsker(lambda shard: queries, world.shards, world.clock)
        self.syncs = Syncs(
            self.rooms,
            self.users,
            self.waiters,
            asker,
            self.vector,
            WorldInboxes(world),
            world.clock,
            timeline_limit_max=100,
        )

    # --- the follower ---

    async def follow_room(self, room_id: str) -> int:
        return await self._follow(self.world.shards.of_room(room_id), room_id)

    async def follow_user(self, user_id: str) -> int:
        return await self._follow(self.world.shards.of_user(user_id), user_id)

    async def follow_user_in_rooms(self, user_id: str) -> dict[Shard, int]:
        return {shard: await self._follow(shard, user_id) for shard in self.world.shards.all_of(ROOM)}

    async def unfollow_room(self, room_id: str) -> None:
        self.since.pop((self.world.shards.of_room(room_id), room_id), None)

    async def unfollow_user(self, user_id: str) -> None:
        self.since.pop((self.world.shards.of_user(user_id), user_id), None)

    async def unfollow_user_in_rooms(self, user_id: str) -> None:
        for shard in self.world.shards.all_of(ROOM):
            self.since.pop((shard, user_id), None)

    def position(self, shard: Shard) -> int:
        return self.positions.get(shard, 0)

    async def _follow(self, shard: Shard, key: str) -> int:
        head = self.world.head(shard)
        if (shard, key) not in self.since:
            await asyncio.sleep(0)
            self.since[shard, key] = head
            if not self.lag or shard not in self.positions:
                self.deliver(shard)
        while self.position(shard) < head:
            await asyncio.sleep(0)
            self.deliver(shard, through=head)
        return self.since[shard, key]

    def deliver(self, shard: Shard, through: int | None = None) -> None:
        """Hand over what has come in since."""
        for position, fact in list(self.world.facts(shard))[self.position(shard) : through]:
            keys = [self.since.get((shard, key)) for key in (fact.room_id, fact.user_id)]
            if any(since is not None and position > since for since in keys):
                self.vector.forget()
                self.consumer.on_fact(shard, position, fact)
            self.positions[shard] = position

    def deliver_all(self) -> None:
        for shard in self.world.ledgers:
            self.deliver(shard)

    # --- clients ---

    async def sync(self, name: str, since: str = "", **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(await self.sync_json(name, since, **options))
        return answer

    async def sync_json(self, name: str, since: str = "", **options: Any) -> bytes:
        """`options`: those of `call_of`."""
        return await self.syncs.sync(call_of(self.world.shards, name, since, **options))


def call_of(
    shards: ShardMap,
    name: str,
    since: str = "",
    *,
    filter: dict[str, Any] | None = None,
    timeout_ms: int = 0,
    device: str = "PHONE",
    full_state: bool = False,
    state_after: bool = False,
    token: bytes = b"",
) -> SyncCall:
    return SyncCall(
        user_id=user_id(name),
        device_id=device,
        filter=parse_filter(orjson.dumps(filter)) if filter else NO_FILTER,
        since=SyncToken.parse(since, shards) if since else None,
        since_text=since,
        timeout_ms=timeout_ms,
        full_state=full_state,
        state_after=b"state_after" if state_after else b"",
        token_sha256=token,
    )


def event_ids(section: dict[str, Any]) -> list[str]:
    return [event["event_id"] for event in section["events"]]


def joined(answer: dict[str, Any], room_id: str) -> dict[str, Any]:
    room: dict[str, Any] = answer["rooms"]["join"][room_id]
    return room


def lazy(**timeline: Any) -> dict[str, Any]:
    return {"room": {"state": {"lazy_load_members": True}, "timeline": timeline}}


def limit(number: int) -> dict[str, Any]:
    return {"room": {"timeline": {"limit": number}}}
