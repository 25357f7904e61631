"""One shard as a consumer follows it: registered with its owner, every fact of interest once and in order.

Three things can be to do, and one task does them, in this order, while there is any:

    register   all keys anew (a first key, a new owner, an owner that forgot us, silence), or what has changed
    repair     read the ledger from our position to where we know the shard to be
    catch up   take the deliveries that came in the meantime

Otherwise deliveries are handed over as they come. Whatever goes missing shows as a delivery that begins after
our position, at the latest in the owner's heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import islice

from matrix_protocol.errors import Unavailable
from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import Bus, BusError
from service_kit.clock import Clock
from service_kit.ledger.append import LedgerExpired, read_pages
from service_kit.rpc.pb.facts_pb2 import Fact, FactDelivery, InterestReply, InterestRequest
from service_kit.shards import Shard
from service_kit.store.interface import Store, StoreError

RENEW_EVERY_S = 3.0
SILENCE_S = 3.0
"""Owners send a heartbeat every second; after this long without one we register anew."""
REQUEST_S = 2.0
BACKOFF_FIRST_S = 0.01
BACKOFF_MAX_S = 0.2
KEYS_PER_REQUEST_MAX = 5000
"""Room IDs of 45 bytes: 250 KiB a request."""
BUFFERED_DELIVERIES_MAX = 1000

OnFact = Callable[[Shard, int, Fact], None]
OnLost = Callable[[Shard], None]

_ASKED = -1
"""In place of a position: the owner has not confirmed this key yet."""

_logger = logging.getLogger(__name__)


class ShardFeed:
    """Made by `FactFollower`, one for each shard with something to follow. Keys are room IDs and user IDs."""

    def __init__(
        self, shard: Shard, consumer: str, bus: Bus, store: Store, clock: Clock, on_fact: OnFact, on_lost: OnLost
    ) -> None:
        self._shard = shard
        self._consumer = consumer
        self._bus = bus
        self._store = store
        self._clock = clock
        self._on_fact = on_fact
        self._on_lost = on_lost
        self._subject = streams.interest(shard)
        self.position = 0
        """Everything of interest through here has been handed over."""
        self._known_head = 0
        """A gap up to here has to be repaired, if it is above `position`."""
        self._epoch = 0
        self._since: dict[str, int] = {}
        """What is followed, and the position from which on its facts are delivered."""
        self._wishes: dict[str, list[tuple[float, asyncio.Future[int]]]] = {}
        self._removals: set[str] = set()
        self._position_waiters: list[tuple[int, float, asyncio.Future[None]]] = []
        self._must_register = True
        self._must_renew = False
        self._heard_at_s = 0.0
        self._renewed_at_s = 0.0
        self._requests = 0
        self._buffer: deque[FactDelivery] = deque()
        self._task: asyncio.Task[None] | None = None
        self._gaps_repaired = telemetry.FACT_GAPS_REPAIRED.labels(shard.kind)

    # --- what the consumer asks

    async def follow(self, key: str, timeout_s: float) -> int:
        """Returns once the owner delivers this key's facts; see `FactFollower.follow_room`."""
        since = self._since.setdefault(key, _ASKED)
        if since != _ASKED:
            return since
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._wishes.setdefault(key, []).append((deadline_s, future))
        self._removals.discard(key)
        self._work()
        head = await future
        await self.wait_position(head, deadline_s - self._clock.monotonic_s())
        return head

    def unfollow(self, key: str) -> None:
        if self._since.pop(key, None) is not None:
            for _, future in self._wishes.pop(key, ()):
                future.cancel()
            self._removals.add(key)
            self._work()

    async def wait_position(self, position: int, timeout_s: float) -> None:
        """Until everything of interest through this position was handed over. Raises Unavailable."""
        if self.position >= position or not self._since:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._position_waiters.append((position, self._clock.monotonic_s() + timeout_s, future))
        self.renew()  # the owner answers with a heartbeat
        await future

    # --- what happens to it

    def renew(self) -> None:
        self._must_renew = True
        self._work()

    def owner_changed(self, epoch: int) -> None:
        if epoch > self._epoch and self._since:
            self._register_anew()

    def tick(self) -> None:
        """Every second: silence, renewal, deadlines."""
        now_s = self._clock.monotonic_s()
        self._fail_late(now_s)
        if not self._since:
            return
        if not self._must_register and now_s - self._heard_at_s > SILENCE_S:
            _logger.warning("nothing heard of the owner of shard %s for %d s", self._shard, SILENCE_S)
            self._register_anew()
        elif now_s - self._renewed_at_s >= RENEW_EVERY_S:
            self.renew()

    def deliver(self, delivery: FactDelivery) -> None:
        """Called in the order of arrival."""
        if not self._since:
            return
        if not self._must_register:
            if delivery.epoch > self._epoch:
                self._register_anew()
            if delivery.epoch != self._epoch:
                return
            self._heard_at_s = self._clock.monotonic_s()
        if self._must_register or self._known_head > self.position:
            self._keep(delivery)
        else:
            self._take(delivery)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for wishes in self._wishes.values():
            for _, future in wishes:
                future.cancel()
        for _, _, waiter in self._position_waiters:
            waiter.cancel()

    # --- deliveries

    def _take(self, delivery: FactDelivery) -> None:
        if delivery.head_position <= self.position:
            return  # a copy of what we have
        if delivery.after_position > self.position:
            self._known_head = delivery.after_position
            self._buffer.appendleft(delivery)
            self._work()
            return
        for delivered in delivery.facts:
            if delivered.position > self.position:
                self._hand_over(delivered.position, Fact.FromString(delivered.fact))
        self._advance(delivery.head_position)

    def _keep(self, delivery: FactDelivery) -> None:
        if len(self._buffer) >= BUFFERED_DELIVERIES_MAX:
            # Too many to keep: let the ledger give them all.
            self._known_head = max(self._known_head, *(kept.head_position for kept in self._buffer))
            self._buffer.clear()
        self._buffer.append(delivery)

    def _take_kept(self) -> None:
        while self._buffer and self._known_head <= self.position and not self._must_register:
            delivery = self._buffer.popleft()
            if delivery.epoch == self._epoch:
                self._take(delivery)

    def _hand_over(self, position: int, fact: Fact) -> None:
        since = self._since
        from_room, from_user = since.get(fact.room_id), since.get(fact.user_id)
        if (from_room is not None and position > from_room) or (from_user is not None and position > from_user):
            try:
                self._on_fact(self._shard, position, fact)
            except Exception:
                _logger.exception("the consumer failed at position %d of shard %s", position, self._shard)

    def _advance(self, position: int) -> None:
        if position <= self.position:
            return
        self.position = position
        if self._position_waiters:
            reached = [waiter for waiter in self._position_waiters if waiter[0] <= position]
            self._position_waiters = [waiter for waiter in self._position_waiters if waiter[0] > position]
            for _, _, future in reached:
                if not future.done():
                    future.set_result(None)

    # --- the task

    def _register_anew(self) -> None:
        self._must_register = True
        self._work()

    def _work(self) -> None:
        if self._task is None and self._has_work():
            self._task = asyncio.get_running_loop().create_task(self._work_off())

    def _has_work(self) -> bool:
        if not self._since:
            return bool(self._removals) and not self._must_register
        return bool(
            self._must_register
            or self._must_renew
            or self._wishes
            or self._removals
            or self._known_head > self.position
        )

    async def _work_off(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        try:
            while self._has_work():
                try:
                    await self._step()
                    backoff_s = BACKOFF_FIRST_S
                except (BusError, StoreError) as error:
                    _logger.info("shard %s cannot be followed now, trying again: %r", self._shard, error)
                except Exception:
                    _logger.exception("following shard %s failed, trying again", self._shard)
                    self._must_register, backoff_s = True, BACKOFF_MAX_S
                else:
                    continue
                await self._clock.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
        finally:
            self._task = None

    async def _step(self) -> None:
        if self._since and self._must_register:
            await self._register_all()
        elif self._must_renew or self._wishes or self._removals:
            await self._register_changes()
        else:
            await self._repair()
        self._take_kept()

    async def _register_all(self) -> None:
        self._removals.clear()
        keys = list(self._since)
        was_following = any(since != _ASKED for since in self._since.values())
        reply, head = InterestReply(), 0
        for first in range(0, len(keys), KEYS_PER_REQUEST_MAX):
            reply = await self._request(
                keys[first : first + KEYS_PER_REQUEST_MAX], (), replace=first == 0, epoch=reply.epoch
            )
            if reply.unknown:
                raise BusError(f"the owner of shard {self._shard} changed, or takes no more consumers")
            head = max(head, reply.head_position)
        self._epoch = reply.epoch
        self._must_register = False
        if was_following:
            self._known_head = max(self._known_head, head)
        else:
            # Nothing was followed, so there is nothing to make up for.
            self._known_head = 0
            self._advance(head)
        self._confirm(keys, head)

    async def _register_changes(self) -> None:
        added = list(islice(self._wishes, KEYS_PER_REQUEST_MAX))
        removed, self._removals = self._removals, set()
        self._must_renew = False
        try:
            reply = await self._request(added, list(removed), replace=False, epoch=self._epoch)
        except BaseException:
            self._removals |= removed - self._since.keys()
            self._must_renew = True
            raise
        if reply.unknown:
            self._must_register = True
            return
        self._confirm(added, reply.head_position)
        if not self._since:
            self._must_register = True  # the next key begins anew

    async def _request(
        self, added: list[str], removed: list[str] | tuple[()], *, replace: bool, epoch: int
    ) -> InterestReply:
        self._requests += 1
        request = InterestRequest(
            consumer=self._consumer,
            number=self._requests,
            replace=replace,
            known_epoch=epoch,
            add_room_ids=[key for key in added if key[0] != "@"],
            add_user_ids=[key for key in added if key[0] == "@"],
            remove_room_ids=[key for key in removed if key[0] != "@"],
            remove_user_ids=[key for key in removed if key[0] == "@"],
        )
        answer = await self._bus.request(self._subject, request.SerializeToString(), timeout_s=REQUEST_S)
        self._renewed_at_s = self._heard_at_s = self._clock.monotonic_s()
        return InterestReply.FromString(answer)

    def _confirm(self, keys: list[str], head: int) -> None:
        for key in keys:
            wishes = self._wishes.pop(key, None)
            if wishes is None:
                continue
            if key in self._since:
                self._since[key] = head
            for _, future in wishes:
                if not future.done():
                    future.set_result(head)

    async def _repair(self) -> None:
        head = self._known_head
        try:
            async for rows in read_pages(self._store, self._shard, self.position, head):
                for row in rows:
                    self._hand_over(row.position, Fact.FromString(row.fact))
                    self._advance(row.position)
        except LedgerExpired:
            _logger.warning("facts of shard %s after %d are gone from the ledger", self._shard, self.position)
            self._on_lost(self._shard)
        self._advance(head)
        self._gaps_repaired.inc()

    def _fail_late(self, now_s: float) -> None:
        for key, wishes in list(self._wishes.items()):
            late = [wish for wish in wishes if wish[0] <= now_s]
            if len(late) == len(wishes):
                del self._wishes[key]
                self._since.pop(key, None)
                self._removals.add(key)
            else:
                self._wishes[key] = [wish for wish in wishes if wish[0] > now_s]
            for _, future in late:
                _fail(future, self._shard)
        for _, _, waiter in [waiter for waiter in self._position_waiters if waiter[1] <= now_s]:
            _fail(waiter, self._shard)
        self._position_waiters = [waiter for waiter in self._position_waiters if waiter[1] > now_s]


def _fail(future: asyncio.Future[int] | asyncio.Future[None], shard: Shard) -> None:
    if not future.done():
        future.set_exception(Unavailable(f"Shard {shard} is not available; try again later"))
