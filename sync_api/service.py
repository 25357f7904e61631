"""The sync worker as a component: what `/sync` needs, put together. It keeps nothing but caches.

The composition starts a listener for `application`, alone or merged with other components'.
"""

from __future__ import annotations

from typing import Any

from service_kit import telemetry
from service_kit.bus.interface import Bus, Message, Subscription
from service_kit.bus.streams import TOKEN_REVOKED
from service_kit.clock import Clock
from service_kit.config import Settings
from service_kit.http.application import HttpApplication
from service_kit.http.authentication import Authentication
from service_kit.http.endpoint import collect
from service_kit.http.rate_limits import RateLimits
from service_kit.http.shared_rate_limits import SharedRateLimits
from service_kit.ledger.follow import FactFollower
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import Fact, TokenRevoked
from service_kit.rpc.queries import AskedRoomQueries, AskedUserQueries, Asker
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import Store
from sync_api import endpoints
from sync_api.consumers import FactConsumer
from sync_api.filters import SavedFilters
from sync_api.peeking import Peeking
from sync_api.positions import Positions
from sync_api.presence.parts import Presence
from sync_api.presence.reports import PresenceReports
from sync_api.presence.spread import PresenceSpread
from sync_api.presence.table import PresenceTable
from sync_api.rooms import RoomViews
from sync_api.sync_waiters import SyncWaiters
from sync_api.syncing import Syncs
from sync_api.to_device import OwnersInboxes
from sync_api.users import UserViews

MIB = 1024 * 1024


class SyncApi:
    """Implements `service_kit.lifecycle.Service`."""

    name = "sync_api"

    def __init__(
        self,
        *,
        settings: Settings,
        bus: Bus,
        store: Store,
        asker: Asker,
        shards: ShardMap,
        clock: Clock,
        worker: str,
    ) -> None:
        """`worker` is unique for each life of the process: it names this consumer of facts."""
        limits = settings.sync
        room_queries, user_queries = AskedRoomQueries(asker), AskedUserQueries(asker)
        commands = CommandClient(bus, shards, clock)
        self.follower = FactFollower(bus, store, shards, clock, worker, self._on_fact, on_lost=self._on_lost)
        self._positions = Positions(self.follower, shards)
        self.rooms = RoomViews(room_queries, self.follower, shards, limits.rooms_in_memory_max_mib * MIB)
        self.users = UserViews(
            self.rooms, room_queries, user_queries, self.follower, shards, clock, idle_s=limits.users_idle_s
        )
        self.waiters = SyncWaiters(clock, waiting_max=limits.waiting_max)
        self.presence = self._new_presence(settings, commands, asker, bus, shards, clock)
        self._consumer = FactConsumer(self.rooms, self.users, self.waiters, self.presence)
        self.syncs = Syncs(
            self.rooms,
            self.users,
            self.waiters,
            asker,
            self._positions,
            OwnersInboxes(asker, commands),
            clock,
            timeline_limit_max=limits.timeline_limit_max,
            retention=settings.retention.policy(),
            presence=self.presence,
        )
        self._bus = bus
        self._revocations: Subscription | None = None
        self._authentication = Authentication(commands, bus, shards, clock)
        rate_limits = RateLimits.of_settings(settings.rate_limits, clock)
        self._shared_rate_limits = SharedRateLimits(rate_limits, bus, clock)
        providers: dict[Any, object] = {
            Asker: asker,
            SavedFilters: SavedFilters(commands),
            Settings: settings,
            ShardMap: shards,
            Syncs: self.syncs,
            Clock: clock,
            Peeking: Peeking(self.rooms, self.users, self.waiters, self._positions, asker),
        }
        self.application = HttpApplication(
            collect(endpoints),
            providers,
            self._authentication,
            rate_limits,
            clock=clock,
            trusted_proxies=settings.http.trusted_proxies,
            body_bytes_max=settings.http.body_max_kib * 1024,
        )
        self._ready = False

    async def start(self) -> None:
        await self._authentication.start()
        await self._shared_rate_limits.start()
        self._revocations = await self._bus.subscribe(TOKEN_REVOKED, self._on_revoked)
        await self.follower.start()
        self.users.start()
        if self.presence is not None:
            await self.presence.start()
        self._ready = True

    def is_ready(self) -> bool:
        return self._ready

    async def drain(self) -> None:
        """Long polls end with their ordinary answer; their clients go on from there at another worker."""
        self._ready = False
        self.application.drain()
        self.waiters.drain()

    async def stop(self) -> None:
        self._ready = False
        if self.presence is not None:
            await self.presence.stop()
        await self.waiters.close()
        await self.users.close()
        await self.rooms.close()
        await self.follower.stop()
        if self._revocations is not None:
            await self._revocations.unsubscribe()
        await self._shared_rate_limits.stop()
        await self._authentication.stop()

    def _new_presence(
        self, settings: Settings, commands: CommandClient, asker: Asker, bus: Bus, shards: ShardMap, clock: Clock
    ) -> Presence | None:
        servers = settings.presence_servers
        if not servers:
            return None
        table = PresenceTable(shards.user_shards)
        spread = PresenceSpread(table, self.rooms, self.users, self.waiters, asker, bus, clock)
        return Presence(PresenceReports(commands, shards, clock, servers), table, spread)

    def _on_fact(self, shard: Shard, position: int, fact: Fact) -> None:
        self._positions.forget()
        if not telemetry.is_tracing():
            self._consumer.on_fact(shard, position, fact)
            return
        with telemetry.span("fact to waiting syncs", fact.traceparent):
            self._consumer.on_fact(shard, position, fact)

    async def _on_revoked(self, message: Message) -> None:
        """One that is missed is found out at the client's next request."""
        revoked = TokenRevoked.FromString(message.payload)
        if (user := self.users.get(revoked.user_id)) is not None:
            self.waiters.revoke(user, revoked.token_sha256)
            if revoked.account_changed:  # perhaps locked: the next request is judged anew
                self.waiters.end_of(user)

    def _on_lost(self, shard: Shard) -> None:
        self._consumer.on_lost(shard)
