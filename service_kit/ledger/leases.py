"""The workers that own the shards of a service's ledgers: what `sharing` divides, with heartbeats and retention."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from service_kit.bus import streams
from service_kit.bus.interface import Bus
from service_kit.clock import Clock
from service_kit.ledger.domain import ShardDomain
from service_kit.ledger.owner import ShardOwner
from service_kit.ledger.sharing import RENEW_EVERY_S, ShardSharer
from service_kit.ledger.tables import SERVICE_OF_KIND, WORKERS
from service_kit.rpc.pb.facts_pb2 import ConsumerMessage
from service_kit.shards import Shard, ShardMap
from service_kit.store.interface import SCAN_ROWS_MAX, Store

EXPIRE_EVERY_S = 3600.0
RETENTION_S = 30 * 86400.0
"""How long ledgers are kept, in whole buckets. A sync token older than this gets a fresh sync."""

_logger = logging.getLogger(__name__)


async def clear_leases(store: Store, services: Iterable[str] = tuple(SERVICE_OF_KIND.values())) -> None:
    """Remove every worker's lease: only for a process that knows that no other is alive (embedded mode).

    So that a restart after a crash need not wait until the leases of the dead expire.
    """
    for service in services:
        for row in await store.scan(WORKERS, (service,), limit=SCAN_ROWS_MAX):
            await store.replace_if(WORKERS, WORKERS.key_of(row), row, None)


class ShardHolder(ShardSharer[ShardOwner]):
    """Keeps this worker's lease, and owns the shards that fall to it."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        clock: Clock,
        *,
        service: str,
        worker: str,
        kind: str,
        shards: ShardMap,
        make_domain: Callable[[Shard], ShardDomain],
        grpc_address: str = "",
        retention_s: float = RETENTION_S,
    ) -> None:
        super().__init__(
            bus, store, clock, service=service, worker=worker, kind=kind, shards=shards, grpc_address=grpc_address
        )
        self._make_domain = make_domain
        self._retention_ms = int(retention_s * 1000)

    def _make(self, shard: Shard, epoch: int) -> ShardOwner:
        return ShardOwner(
            shard,
            epoch,
            bus=self._bus,
            store=self._store,
            clock=self._clock,
            worker=self.worker,
            make_domain=self._make_domain,
            on_lost=self._on_lost,
            may_serve=self.may_serve,
        )

    def _more_repeated(self) -> Sequence[tuple[float, Callable[[], Awaitable[None]]]]:
        return ((RENEW_EVERY_S, self._send_heartbeats), (EXPIRE_EVERY_S, self._expire_ledgers))

    async def _send_heartbeats(self) -> None:
        """One message for each consumer, of all shards: they learn the heads, and that the owner is alive."""
        messages: dict[str, ConsumerMessage] = {}
        for owner in list(self._owners.values()):
            if not owner.is_serving:
                continue
            owner.interest.drop_silent()
            for name in owner.interest.consumers:
                heartbeat = owner.interest.heartbeat(name)
                assert heartbeat is not None
                messages.setdefault(name, ConsumerMessage()).deliveries.append(heartbeat)
        for name, message in messages.items():
            await self._publish(streams.facts_for(name), message.SerializeToString())

    async def _expire_ledgers(self) -> None:
        before_ms = self._clock.now_ms() - self._retention_ms
        for owner in list(self._owners.values()):
            if owner.is_serving and (dropped := await owner.expire(before_ms)):
                _logger.info("%d old ledger buckets of shard %s were dropped", dropped, owner.shard)
