"""Real owners of rooms and users and two sync workers, in one event loop, with everything that can go wrong in between.

cluster = await Cluster.start()
room_id = await cluster.scene.create_room(ALICE, preset="public_chat")
answer = await cluster.workers[0].sync(ALICE)
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import orjson

from service_kit.config import PasswordSettings, Settings
from service_kit.ledger.append import read_shard
from service_kit.rpc.local import LocalAsker
from service_kit.rpc.pb.facts_pb2 import ACCEPTED, Fact
from service_kit.rpc.pb.user_commands_pb2 import SetAccountData, UserCommand
from service_kit.shards import ROOM, USER, Shard
from service_kit.third_party_ids import ValidationCodes
from sync_api.service import SyncApi
from tests.roomserver.scene import HOSTED, SHARDS, Scene
from tests.sync_api.truth import RoomTruth
from tests.sync_api.world import call_of
from userserver.service import UserserverService
from userserver.tables import TABLES as USER_TABLES

FACTS_READ = 500


class ClusterWorker:
    def __init__(self, cluster: Cluster, service: SyncApi) -> None:
        self._cluster = cluster
        self.service = service

    async def sync(self, name: str, since: str = "", **options: Any) -> dict[str, Any]:
        """`options`: those of `call_of`. Afterwards the truth is at least as new as the answer."""
        answer: dict[str, Any] = orjson.loads(await self.service.syncs.sync(call_of(SHARDS, name, since, **options)))
        await self._cluster.read_ledgers()
        return answer

    async def stop(self) -> None:
        await self.service.drain()
        await self.service.stop()


class Cluster:
    """Implements `tests.sync_api.client.Truth`."""

    def __init__(self) -> None:
        self.shards = SHARDS
        self.scene = Scene(more_tables=USER_TABLES)
        self.clock = self.scene.clock
        self.rooms: dict[str, RoomTruth] = {}
        self.settings = Settings(server_name="a.example")
        self.users = UserserverService(
            self.scene.hub.connect(),
            self.scene.store,
            self.clock,
            shards=SHARDS,
            worker="userserver-1",
            settings=PasswordSettings(argon2_memory_kib=8, argon2_iterations=1),
            codes=ValidationCodes.of_cluster(HOSTED),
        )
        self.asker = LocalAsker(self._servicer_of, SHARDS, self.clock)
        self.workers: list[ClusterWorker] = []
        self._facts: dict[Shard, list[tuple[int, Fact]]] = {}
        self._numbers = count(1)

    @classmethod
    async def start(cls) -> Cluster:
        cluster = cls()
        await cluster.scene.service.start()
        await cluster.users.start()
        for _ in range(2):
            cluster.workers.append(await cluster.new_worker())
        return cluster

    async def close(self) -> None:
        for worker in self.workers:
            await worker.stop()
        await self.users.stop()
        await self.scene.close()

    def _servicer_of(self, shard: Shard) -> object | None:
        service = self.scene.service if shard.kind == ROOM else self.users
        return service.queries if service.holder.owns(shard) else None

    # --- what happens to it ---

    async def new_worker(self) -> ClusterWorker:
        service = SyncApi(
            settings=self.settings,
            bus=self.scene.hub.connect(),
            store=self.scene.store,
            asker=self.asker,
            shards=SHARDS,
            clock=self.clock,
            worker=f"sync_api-{next(self._numbers)}",
        )
        await service.start()
        return ClusterWorker(self, service)

    async def replace_worker(self, number: int) -> None:
        """It dies, and a new one knows nothing."""
        old, self.workers[number] = self.workers[number], await self.new_worker()
        await old.stop()

    async def lose_facts(self, number: int) -> None:
        """What a worker has missed cannot be had any more."""
        for shard in SHARDS.all_of(ROOM):
            self.workers[number].service._on_lost(shard)

    async def set_account_data(self, user_id: str, event_type: str, content: Any, room_id: str = "") -> None:
        body = SetAccountData(user_id=user_id, room_id=room_id, type=event_type, content_json=orjson.dumps(content))
        await self.scene.commands.user(user_id, UserCommand(set_account_data=body))

    # --- what there is, by the ledgers alone ---

    async def read_ledgers(self) -> None:
        """Call it before the truth is asked for."""
        for shard in (*SHARDS.all_of(ROOM), *SHARDS.all_of(USER)):
            facts = self._facts.setdefault(shard, [])
            while rows := await read_shard(self.scene.store, shard, self.head(shard), FACTS_READ):
                for row in rows:
                    fact = Fact.FromString(row.fact)
                    facts.append((row.position, fact))
                    self._take(shard, row.position, fact)

    def _take(self, shard: Shard, position: int, fact: Fact) -> None:
        if fact.WhichOneof("body") == "room_event" and fact.room_event.verdict == ACCEPTED:
            room = self.rooms.setdefault(fact.room_id, RoomTruth(fact.room_id, shard))
            room.add(position, fact.room_event)

    def head(self, shard: Shard) -> int:
        facts = self._facts.get(shard)
        return facts[-1][0] if facts else 0

    def facts(self, shard: Shard) -> Iterable[tuple[int, Fact]]:
        return self._facts.get(shard, ())
