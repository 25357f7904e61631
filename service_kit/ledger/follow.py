"""Following facts as a consumer: chosen rooms and users, live, in order, each fact once.

NATS brings the facts fast and at most once; positions show what is missing;
the ledger gives it. `FactFollower` is for consumers that know whom they serve
now (sync workers). Consumers that must see everything, whether they run or not
(federation senders, push), read whole shards with `service_kit.ledger.append.read_shard`.
"""

from __future__ import annotations

import asyncio
import logging

from google.protobuf.message import DecodeError

from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import Bus, Message, Subscription
from service_kit.clock import Clock
from service_kit.ledger.feed import OnFact, OnLost, ShardFeed
from service_kit.rpc.pb.facts_pb2 import ConsumerMessage, OwnerAnnouncement
from service_kit.shards import ROOM, USER, Shard, ShardMap
from service_kit.store.interface import Store

FOLLOW_TIMEOUT_S = 30.0
TICK_S = 1.0

_logger = logging.getLogger(__name__)


def _nothing_to_drop(shard: Shard) -> None:
    return None


class FactFollower:
    """Calls `on_fact(shard, position, fact)` for every fact of the rooms and users followed.

    In order for each shard, each once. `on_fact` must not wait; what it raises is logged. `on_lost(shard)` is
    called when facts of a shard can no longer be had (retention): drop what was made from them and read the
    tables again; the rest goes on. `consumer` is unique for each life of the process.

    Facts of a room may come before its `follow_room` has returned, and tables may be ahead of the returned
    position: a consumer leaves out facts at or below the position that it has already.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        shards: ShardMap,
        clock: Clock,
        consumer: str,
        on_fact: OnFact,
        *,
        on_lost: OnLost = _nothing_to_drop,
    ) -> None:
        self._bus = bus
        self._store = store
        self._shards = shards
        self._clock = clock
        self._consumer = consumer
        self._on_fact = on_fact
        self._on_lost = on_lost
        self._feeds: dict[str, ShardFeed] = {}
        self._subscriptions: list[Subscription] = []
        self._tick_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        facts = await self._bus.subscribe(streams.facts_for(self._consumer), self._on_message)
        self._subscriptions.append(facts)
        for kind in (ROOM, USER):
            subject = streams.owner_announcements(kind)
            self._subscriptions.append(await self._bus.subscribe(subject, self._on_announcement))
        self._bus.on_reconnect(self._on_reconnect)
        await self._bus.flush()
        self._tick_task = asyncio.get_running_loop().create_task(self._tick())

    async def stop(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions.clear()
        if self._tick_task is not None:
            self._tick_task.cancel()
            await asyncio.gather(self._tick_task, return_exceptions=True)
        for feed in self._feeds.values():
            await feed.stop()
        self._feeds.clear()

    # --- what to follow

    async def follow_room(self, room_id: str, *, timeout_s: float = FOLLOW_TIMEOUT_S) -> int:
        """Returns a position: the tables hold everything of the room through it, later facts are delivered.

        `position(shard)` is there, too, by then. Following twice is following once. Raises Unavailable if the
        shard's owner can't be reached in time; the room is not followed then.
        """
        return await self._feed(self._shards.of_room(room_id)).follow(room_id, timeout_s)

    async def follow_user(self, user_id: str, *, timeout_s: float = FOLLOW_TIMEOUT_S) -> int:
        """The user's own shard: account data, devices, …; returns as `follow_room` does."""
        return await self._feed(self._shards.of_user(user_id)).follow(user_id, timeout_s)

    async def follow_user_in_rooms(self, user_id: str, *, timeout_s: float = FOLLOW_TIMEOUT_S) -> dict[Shard, int]:
        """The user's memberships, at all room shards; a position of each, as `follow_room` returns it."""
        shards = self._shards.all_of(ROOM)
        positions = await asyncio.gather(
            *(self._feed(shard).follow(user_id, timeout_s) for shard in shards), return_exceptions=True
        )
        for position in positions:
            if isinstance(position, BaseException):
                await self.unfollow_user_in_rooms(user_id)
                raise position
        return {shard: position for shard, position in zip(shards, positions, strict=True) if isinstance(position, int)}

    async def unfollow_room(self, room_id: str) -> None:
        """No further fact of the room is handed over. The owner is told soon, nobody waits for it."""
        self._feed(self._shards.of_room(room_id)).unfollow(room_id)

    async def unfollow_user(self, user_id: str) -> None:
        self._feed(self._shards.of_user(user_id)).unfollow(user_id)

    async def unfollow_user_in_rooms(self, user_id: str) -> None:
        for shard in self._shards.all_of(ROOM):
            self._feed(shard).unfollow(user_id)

    # --- how far we are

    def position(self, shard: Shard) -> int:
        """Every fact of interest through it was handed over. Never goes back; 0 where nothing was ever followed."""
        feed = self._feeds.get(str(shard))
        return feed.position if feed is not None else 0

    async def wait_position(self, shard: Shard, position: int, *, timeout_s: float) -> None:
        """Until `position(shard)` has come this far (a token from another worker). Raises Unavailable.

        Only for shards with something followed: there the owner is asked at once how far it is.
        """
        await self._feed(shard).wait_position(position, timeout_s)

    # --- what comes in

    def _feed(self, shard: Shard) -> ShardFeed:
        name = str(shard)
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = ShardFeed(
                shard, self._consumer, self._bus, self._store, self._clock, self._on_fact, self._on_lost
            )
        return feed

    async def _on_message(self, message: Message) -> None:
        try:
            deliveries = ConsumerMessage.FromString(message.payload).deliveries
        except DecodeError:
            _logger.warning("an unreadable message came to %s", self._consumer)
            return
        telemetry.FACT_MESSAGES_RECEIVED.inc()
        if facts := sum([len(delivery.facts) for delivery in deliveries]):
            telemetry.FACTS_RECEIVED.inc(facts)
        for delivery in deliveries:
            feed = self._feeds.get(delivery.shard)
            if feed is not None:
                feed.deliver(delivery)

    async def _on_announcement(self, message: Message) -> None:
        try:
            announcement = OwnerAnnouncement.FromString(message.payload)
        except DecodeError:
            return
        feed = self._feeds.get(announcement.shard)
        if feed is not None and announcement.worker:
            feed.owner_changed(announcement.epoch)

    async def _on_reconnect(self) -> None:
        """Messages may have been missed: the answer to a renewal shows it."""
        for feed in self._feeds.values():
            feed.renew()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            for feed in list(self._feeds.values()):
                feed.tick()
