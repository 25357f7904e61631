"""A userserver worker: owns the user shards that fall to it, and answers questions about their users."""

from __future__ import annotations

from matrix_protocol.errors import Unavailable
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.config import PasswordSettings
from service_kit.ledger.leases import ShardHolder
from service_kit.ledger.owner import ShardOwner
from service_kit.shards import USER, Shard, ShardMap
from service_kit.store.interface import Store
from userserver.domain import UserShardDomain
from userserver.passwords import Passwords
from userserver.queries import UserQueryService
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
        grpc_address: str = "",
    ) -> None:
        self._store = store
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
        self.queries = UserQueryService(store)
        """for the worker's gRPC server, or for `service_kit.rpc.local`"""

    async def start(self) -> None:
        await self.holder.start()
        self._passwords.warm_up()

    def is_ready(self) -> bool:
        return self.holder.may_serve()

    async def drain(self) -> None:
        await self.holder.drain()

    async def stop(self) -> None:
        await self.holder.stop()
        self._passwords.close()

    def _make_domain(self, shard: Shard) -> UserShardDomain:
        return UserShardDomain(shard, self._store, self._passwords, self._recent, _Progress(self.holder, shard))


class _Progress:
    """How far the tables of a shard are, from its owner; a domain is made before its owner can be found."""

    def __init__(self, holder: ShardHolder, shard: Shard) -> None:
        self._holder = holder
        self._shard = shard
        self._owner: ShardOwner | None = None

    @property
    def applied_position(self) -> int:
        owner = self._find_owner()
        return owner.applied_position if owner is not None else 0

    async def wait_applied(self, position: int) -> None:
        owner = self._find_owner()
        if owner is None:
            raise Unavailable("The part of the server that this belongs to is moving; try again")
        await owner.wait_applied(position)

    def _find_owner(self) -> ShardOwner | None:
        # Kept once found: this domain lives and ends with that owner, also while it is being handed over.
        if self._owner is None:
            self._owner = self._holder.owner_of(self._shard)
        return self._owner
