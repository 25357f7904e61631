"""Where the owner of a shard answers questions, as the store's tables say."""

from __future__ import annotations

from service_kit.clock import Clock
from service_kit.ledger.tables import SERVICE_OF_KIND, SHARD_OWNERS, WORKERS
from service_kit.shards import Shard
from service_kit.store.interface import Store

CACHE_S = 10.0
"""An address may be as old as this; one that proves wrong is forgotten at once (`forget`)."""


class OwnerDirectory:
    """gRPC addresses of shard owners, cached."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._addresses: dict[Shard, tuple[float, str]] = {}

    async def address_of(self, shard: Shard) -> str:
        """host:port of the live owner; "" if there is none now."""
        known = self._addresses.get(shard)
        if known is not None and self._clock.monotonic_s() < known[0]:
            return known[1]
        address = await self._read(shard)
        if address:
            self._addresses[shard] = (self._clock.monotonic_s() + CACHE_S, address)
        return address

    def forget(self, shard: Shard) -> None:
        """The address was wrong: look again next time."""
        self._addresses.pop(shard, None)

    async def _read(self, shard: Shard) -> str:
        owner = await self._store.get(SHARD_OWNERS, (shard.kind, shard.number))
        if owner is None or not owner.worker:
            return ""
        worker = await self._store.get(WORKERS, (SERVICE_OF_KIND[shard.kind], owner.worker))
        if worker is None or worker.expires_at_ms <= self._clock.now_ms():
            return ""
        return worker.grpc_address
