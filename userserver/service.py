"""A userserver worker: owns the user shards that fall to it, and answers questions about their users."""

from __future__ import annotations

from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.config import PasswordSettings, PresenceSettings
from service_kit.email_settings import EmailSettings
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.progress import OwnersProgress
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.queries import Asker
from service_kit.shards import USER, Shard, ShardMap
from service_kit.store.interface import Store
from service_kit.third_party_ids import ValidationCodes
from userserver.chores import Doer, Doing
from userserver.domain import UserShardDomain
from userserver.passwords import Passwords
from userserver.presence_publisher import PresencePublisher
from userserver.queries import UserQueryService
from userserver.room_leaver import RoomLeaver
from userserver.smtp import Mailer
from userserver.users import RecentUsers


class UserserverService:
    """Implements `service_kit.lifecycle.Service`."""

    name = "userserver"

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        shards: ShardMap,
        worker: str,
        settings: PasswordSettings,
        codes: ValidationCodes,
        email: EmailSettings | None = None,
        presence: PresenceSettings | None = None,
        grpc_address: str = "",
    ) -> None:
        """`presence`: None where nobody is told of it."""
        self._presence_settings = presence or PresenceSettings()
        self._tells_presence = presence is not None
        self._store = store
        self._codes = codes
        self._doers: dict[str, Doer] = {}
        if email is not None and email.enabled:
            self._doers["mail"] = Mailer(email, codes, clock).do
        self._commands = CommandClient(bus, shards, clock)
        self._doing = Doing(self._doers, self._commands, clock)
        self._recent = RecentUsers()
        self._passwords = Passwords(
            memory_kib=settings.argon2_memory_kib,
            iterations=settings.argon2_iterations,
            threads=settings.concurrent_hashes_max,
        )
        self.holder = ShardHolder(
            bus,
            store,
            clock,
            service=self.name,
            worker=worker,
            kind=USER,
            shards=shards,
            make_domain=self._make_domain,
            grpc_address=grpc_address,
        )
        self._presence = PresencePublisher(self.holder, bus, clock)
        self.queries = UserQueryService(store, shards, self.holder.owner_of, self._presence)
        """for the worker's gRPC server, or for `service_kit.rpc.local`"""

    def work_in_rooms(self, asker: Asker) -> None:
        """Before the start: how to ask roomservers, which are put together after this service."""
        self._doers["leave_rooms"] = RoomLeaver(self._commands, asker).do

    async def start(self) -> None:
        await self.holder.start()
        if self._tells_presence:
            self._presence.start()
        self._passwords.warm_up()

    def is_ready(self) -> bool:
        return self.holder.may_serve()

    async def drain(self) -> None:
        await self.holder.drain()

    async def stop(self) -> None:
        await self._presence.stop()
        await self.holder.stop()
        self._passwords.close()

    def _make_domain(self, shard: Shard) -> UserShardDomain:
        return UserShardDomain(
            shard,
            self._store,
            self._passwords,
            self._recent,
            OwnersProgress(self.holder, shard),
            self._codes,
            self._doing,
            self._presence_settings,
        )
