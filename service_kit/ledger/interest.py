"""Who follows what in one shard (owner side), and what they are told.

A consumer registers rooms and users; of each batch it gets one message with
the facts that concern any of them. Every delivery says which head was told to
the consumer before and which one it knows now:

    head      100        103              104
    A told    |--- 101 ----|-- (nothing) --|        after=100 head=103 facts=[101]   after=103 head=104 facts=[]

so a lost delivery shows as a mismatch in the next one, at the latest in the
heartbeat. Registrations live in memory only: a new owner does not know them,
says so, and is told anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service_kit.bus import streams
from service_kit.clock import Clock
from service_kit.rpc.pb.facts_pb2 import ConsumerMessage, Fact, FactDelivery, InterestReply, InterestRequest
from service_kit.shards import Shard

REGISTRATION_S = 15.0
"""Consumers renew every 3 s; who was silent for this long is gone."""
CONSUMERS_MAX = 1000
DELIVERY_BYTES_MAX = 4 * 1024 * 1024
"""Half of what the bus takes; more facts than that go out in several deliveries."""


SECRET_FACTS = frozenset({"account", "token"})
"""Facts with hashes of passwords and tokens: for the owners of their shard alone, in its ledger."""


class _Consumer:
    __slots__ = ("name", "number", "renewed_at_s", "rooms", "subject", "told", "users")

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        """of its latest request"""
        self.subject = streams.facts_for(name)
        self.rooms: set[str] = set()
        self.users: set[str] = set()
        self.told = 0
        self.renewed_at_s = 0.0


class Interest:
    """The registrations of one owned shard. Nothing here waits: all of it happens between two batches."""

    def __init__(self, shard: Shard, epoch: int, head: int, clock: Clock) -> None:
        self._shard = str(shard)
        self._epoch = epoch
        self._clock = clock
        self.head = head
        """Facts through here have been published."""
        self._consumers: dict[str, _Consumer] = {}
        self._by_room: dict[str, set[_Consumer]] = {}
        self._by_user: dict[str, set[_Consumer]] = {}

    @property
    def consumers(self) -> Iterable[str]:
        return self._consumers.keys()

    def register(self, request: InterestRequest) -> InterestReply:
        """Add, remove, replace or only renew.

        A request that a later one has overtaken on its way would take back what that one has changed, unnoticed by
        the consumer: it is passed over.
        """
        consumer = self._consumers.get(request.consumer)
        if consumer is not None and request.number and request.number <= consumer.number:
            return InterestReply(unknown=True, epoch=self._epoch, head_position=self.head)
        if request.replace:
            consumer = self._begin(request.consumer)
        elif consumer is None or request.known_epoch != self._epoch:
            return InterestReply(unknown=True, epoch=self._epoch, head_position=self.head)
        if consumer is None:
            return InterestReply(unknown=True, epoch=self._epoch, head_position=self.head)
        consumer.number = request.number
        consumer.renewed_at_s = self._clock.monotonic_s()
        for key in request.add_room_ids:
            consumer.rooms.add(key)
            self._by_room.setdefault(key, set()).add(consumer)
        for key in request.add_user_ids:
            consumer.users.add(key)
            self._by_user.setdefault(key, set()).add(consumer)
        for key in request.remove_room_ids:
            consumer.rooms.discard(key)
            _remove(self._by_room, key, consumer)
        for key in request.remove_user_ids:
            consumer.users.discard(key)
            _remove(self._by_user, key, consumer)
        return InterestReply(epoch=self._epoch, head_position=self.head)

    def publications(
        self, first_position: int, facts: Sequence[Fact], fact_bytes: Sequence[bytes]
    ) -> list[tuple[str, bytes]]:
        """The messages that tell everyone concerned of a committed batch: (subject, payload)."""
        self.head = first_position + len(facts) - 1
        indexes_by_consumer: dict[_Consumer, list[int]] = {}
        by_room, by_user = self._by_room, self._by_user
        if not self._consumers:
            return []
        for index, fact in enumerate(facts):
            followers = by_room.get(fact.room_id)
            by_target = by_user.get(fact.user_id)
            if by_target is not None:
                followers = by_target if followers is None else followers | by_target
            if not followers or fact.WhichOneof("body") in SECRET_FACTS:
                continue
            for consumer in followers:
                indexes_by_consumer.setdefault(consumer, []).append(index)
        messages: list[tuple[str, bytes]] = []
        for consumer, indexes in indexes_by_consumer.items():
            self._tell(consumer, first_position, indexes, fact_bytes, messages)
        return messages

    def heartbeat(self, name: str) -> FactDelivery | None:
        """A delivery without facts that tells a consumer the head; None if it is not registered."""
        consumer = self._consumers.get(name)
        if consumer is None:
            return None
        told, consumer.told = consumer.told, self.head
        return FactDelivery(shard=self._shard, epoch=self._epoch, after_position=told, head_position=self.head)

    def drop_silent(self) -> None:
        """Forget consumers that did not renew."""
        before_s = self._clock.monotonic_s() - REGISTRATION_S
        for consumer in [c for c in self._consumers.values() if c.renewed_at_s < before_s]:
            self._forget(consumer)

    def _begin(self, name: str) -> _Consumer | None:
        former = self._consumers.get(name)
        if former is not None:
            self._forget(former)
        if not name or len(self._consumers) >= CONSUMERS_MAX:
            return None
        consumer = self._consumers[name] = _Consumer(name)
        consumer.told = self.head
        return consumer

    def _forget(self, consumer: _Consumer) -> None:
        del self._consumers[consumer.name]
        for key in consumer.rooms:
            _remove(self._by_room, key, consumer)
        for key in consumer.users:
            _remove(self._by_user, key, consumer)

    def _tell(
        self,
        consumer: _Consumer,
        first_position: int,
        indexes: list[int],
        fact_bytes: Sequence[bytes],
        messages: list[tuple[str, bytes]],
    ) -> None:
        message = ConsumerMessage()
        delivery = message.deliveries.add(shard=self._shard, epoch=self._epoch, after_position=consumer.told)
        size = 0
        for index in indexes:
            if size and size + len(fact_bytes[index]) > DELIVERY_BYTES_MAX:
                told = delivery.head_position = delivery.facts[-1].position
                messages.append((consumer.subject, message.SerializeToString()))
                message, size = ConsumerMessage(), 0
                delivery = message.deliveries.add(shard=self._shard, epoch=self._epoch, after_position=told)
            delivery.facts.add(position=first_position + index, fact=fact_bytes[index])
            size += len(fact_bytes[index])
        delivery.head_position = consumer.told = self.head
        messages.append((consumer.subject, message.SerializeToString()))


def _remove(index: dict[str, set[_Consumer]], key: str, consumer: _Consumer) -> None:
    followers = index.get(key)
    if followers is not None:
        followers.discard(consumer)
        if not followers:
            del index[key]
