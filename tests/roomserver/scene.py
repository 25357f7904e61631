"""A roomserver for tests: one worker over the memory store and bus, and words for what users do.

scene = await Scene.create()
room_id = await scene.create_room("@alice:a.example", preset="public_chat")
await scene.join("@bob:a.example", room_id)
event_id = await scene.send("@bob:a.example", room_id, {"body": "hi"})
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

import orjson

from matrix_protocol.events.builder import build_create_event
from matrix_protocol.room_creation import create_event_content, preset_in_force
from matrix_protocol.room_versions import ROOM_VERSIONS
from matrix_protocol.signatures import SigningKey
from roomserver.domain import RoomShardDomain
from roomserver.service import RoomserverService
from roomserver.tables import CURRENT_STATE_BY_ROOM, EVENTS_BY_ID, TABLES, TIMELINE_BY_ROOM, TimelineRow
from service_kit.bus.memory import MemoryBus
from service_kit.clock import ManualClock
from service_kit.config import RoomSettings
from service_kit.hosted_servers import HostedServers
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.local import LocalAsker
from service_kit.rpc.pb.room_commands_pb2 import (
    ChangeMembership,
    CreateRoom,
    ForgetRoom,
    RoomCommand,
    SendEvent,
    SetReceipt,
    SetTyping,
)
from service_kit.rpc.queries import AskedRoomQueries
from service_kit.shards import ROOM, Shard, ShardMap
from service_kit.store.memory import MemoryStore
from service_kit.store.schema import Table

ALICE = "@alice:a.example"
BOB = "@bob:a.example"
CAROL = "@carol:a.example"
SHARDS = ShardMap(room_shards=2, user_shards=1)
HOSTED = HostedServers(
    "a.example",
    {"a.example": SigningKey("ed25519:1", b"a" * 32), "b.example": SigningKey("ed25519:1", b"b" * 32)},
)
Action = ChangeMembership.Action
JsonObject = dict[str, Any]


class Scene:
    """Everything around one or more roomserver workers."""

    def __init__(
        self,
        *,
        atomic_tables: bool = True,
        settings: RoomSettings | None = None,
        more_tables: Iterable[Table[Any]] = (),
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore([*TABLES, *LEDGER_TABLES, *more_tables], atomic_tables=atomic_tables, clock=self.clock)
        self.hub = MemoryBus(clock=self.clock)
        self.bus = self.hub.connect()
        self.commands = CommandClient(self.bus, SHARDS, self.clock)
        self.settings = settings or RoomSettings()
        self.service = self.new_service("worker-1")
        self.asker = LocalAsker(self._servicer_of, SHARDS, self.clock)
        self.queries = AskedRoomQueries(self.asker)
        self._numbers = count(1)

    @classmethod
    async def create(cls, *, atomic_tables: bool = True, settings: RoomSettings | None = None) -> Scene:
        scene = cls(atomic_tables=atomic_tables, settings=settings)
        await scene.service.start()
        return scene

    async def close(self) -> None:
        await self.service.stop()
        await self.bus.close()
        await self.store.close()

    async def fail_over(self) -> None:
        """The worker dies without a word; another one takes all shards, with nothing in memory."""
        await self.service.stop()
        self.service = self.new_service(f"worker-{next(self._numbers) + 1}")
        await self.service.start()
        for _ in range(10):
            await self.clock.advance(1.0)

    def _servicer_of(self, shard: Shard) -> object | None:
        return self.service.queries if self.holder.owns(shard) else None

    @property
    def holder(self) -> ShardHolder:
        return self.service.holder

    def new_service(self, worker: str) -> RoomserverService:
        return RoomserverService(
            self.hub.connect(),
            self.store,
            self.clock,
            shards=SHARDS,
            worker=worker,
            settings=self.settings,
            hosted_servers=HOSTED,
        )

    # --- what users do

    async def run(self, room_id: str, **command: Any) -> str:
        """Send the command; returns the event ID of the reply."""
        return (await self.commands.room(room_id, RoomCommand(**command))).event_id

    async def create_room(
        self, creator: str = ALICE, *, version: str = "12", profile: JsonObject | None = None, **request: Any
    ) -> str:
        ts_ms = self.clock.now_ms() + next(self._numbers)
        room_id = room_id_for(creator, version, ts_ms, request)
        body = CreateRoom(
            creator=creator,
            room_version=version,
            origin_server_ts_ms=ts_ms,
            request_json=orjson.dumps(request),
            member_content_json=orjson.dumps(profile or {}),
        )
        await self.run(room_id, create_room=body)
        return room_id

    async def send(
        self,
        sender: str,
        room_id: str,
        content: Mapping[str, Any] | None = None,
        *,
        event_type: str = "m.room.message",
        txn_id: str = "",
        device_id: str = "DEVICE",
        redacts: str = "",
    ) -> str:
        body = SendEvent(
            sender=sender,
            device_id=device_id,
            client_txn_id=txn_id or f"m{next(self._numbers)}",
            event_type=event_type,
            content_json=orjson.dumps({"body": "hello", "msgtype": "m.text"} if content is None else content),
            redacts=redacts,
        )
        return await self.run(room_id, send_event=body)

    async def redact(self, sender: str, room_id: str, event_id: str, *, txn_id: str = "") -> str:
        return await self.send(sender, room_id, {}, event_type="m.room.redaction", redacts=event_id, txn_id=txn_id)

    async def set_state(
        self, sender: str, room_id: str, event_type: str, content: Mapping[str, Any], state_key: str = ""
    ) -> str:
        body = SendEvent(
            sender=sender,
            device_id="DEVICE",
            event_type=event_type,
            state_key=state_key,
            content_json=orjson.dumps(content),
        )
        return await self.run(room_id, send_event=body)

    async def change(self, action: int, sender: str, target: str, room_id: str, **content: Any) -> str:
        body = ChangeMembership(
            sender=sender,
            target=target,
            action=Action.Name(action),
            content_json=orjson.dumps(content),
            device_id="DEVICE",
        )
        return await self.run(room_id, change_membership=body)

    async def join(self, user_id: str, room_id: str, **content: Any) -> str:
        return await self.change(Action.JOIN, user_id, user_id, room_id, **content)

    async def leave(self, user_id: str, room_id: str) -> str:
        return await self.change(Action.LEAVE, user_id, user_id, room_id)

    async def invite(self, sender: str, target: str, room_id: str, **content: Any) -> str:
        return await self.change(Action.INVITE, sender, target, room_id, **content)

    async def receipt(
        self, user_id: str, room_id: str, event_id: str, *, receipt_type: str = "m.read", thread_id: str = ""
    ) -> None:
        body = SetReceipt(user_id=user_id, receipt_type=receipt_type, event_id=event_id, thread_id=thread_id)
        await self.run(room_id, set_receipt=body)

    async def typing(self, user_id: str, room_id: str, typing: bool, timeout_ms: int = 30_000) -> None:
        await self.run(room_id, set_typing=SetTyping(user_id=user_id, typing=typing, timeout_ms=timeout_ms))

    async def forget(self, user_id: str, room_id: str) -> None:
        await self.run(room_id, forget_room=ForgetRoom(user_id=user_id))

    # --- what the tables say

    def domain(self, room_id: str) -> RoomShardDomain:
        owner = self.holder.owner_of(self.shard_of(room_id))
        assert owner is not None
        domain = owner.domain
        assert isinstance(domain, RoomShardDomain)
        return domain

    def shard_of(self, room_id: str) -> Shard:
        return SHARDS.of_room(room_id)

    async def settle(self) -> None:
        """Let the tables catch up."""
        for shard in SHARDS.all_of(ROOM):
            owner = self.holder.owner_of(shard)
            if owner is not None:
                await owner.wait_applied(owner.committed_position)

    async def event(self, room_id: str, event_id: str) -> TimelineRow:
        await self.settle()
        found = await self.store.get(EVENTS_BY_ID, (event_id,))
        assert found is not None
        assert found.room_id == room_id
        row = await self.store.get(TIMELINE_BY_ROOM, (room_id, found.bucket, found.position))
        assert row is not None
        return row

    async def client_event(self, room_id: str, event_id: str) -> JsonObject:
        event: JsonObject = orjson.loads((await self.event(room_id, event_id)).client_json)
        return event

    async def state(self, room_id: str, event_type: str, state_key: str = "") -> JsonObject | None:
        """The content of the current state event."""
        await self.settle()
        row = await self.store.get(CURRENT_STATE_BY_ROOM, (room_id, event_type, state_key))
        return None if row is None else orjson.loads(row.client_json)["content"]

    async def timeline(self, room_id: str) -> list[JsonObject]:
        """All events of a young room, in order."""
        await self.settle()
        rows = await self.store.scan(TIMELINE_BY_ROOM, (room_id, 0), limit=1000)
        return [orjson.loads(row.client_json) for row in rows]


def room_id_for(creator: str, version: str, ts_ms: int, request: JsonObject) -> str:
    """What the gateway does: a random ID, or the create event's hash."""
    rules = ROOM_VERSIONS[version]
    server_name = creator.partition(":")[2]
    if not rules.event_format.room_id_is_create_event_id:
        return f"!room{ts_ms}:{server_name}"
    preset = preset_in_force(request.get("preset"), request.get("visibility"))
    content = create_event_content(
        rules, creator, request.get("creation_content", {}), preset, request.get("invite", [])
    )
    key = HOSTED.signing_key(server_name)
    return build_create_event(
        room_id=None, sender=creator, content=content, origin_server_ts_ms=ts_ms, rules=rules, signing_key=key
    ).room_id


async def gather(*coroutines: Any) -> list[Any]:
    return list(await asyncio.gather(*coroutines, return_exceptions=True))
