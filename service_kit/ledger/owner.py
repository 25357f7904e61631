"""The owner of one shard: commands in, facts out. The steps are those of `service_kit.ledger.domain`.

    command.<kind>.<n> ──► 1 arrive ──► 2 prepare ──► queue ──► 3 execute ──► 4 commit ──► 5 answer
                           seen before?  perhaps in              a batch,      one append   replies, facts,
                           too late?     a task of its own       in order                   table rows

The next batch gathers in the queue while the former is being committed, so
batches grow with the load and cost nothing when there is none. Rooms take turns
in a batch (`fair_queue`): one that is flooded does not hold up its neighbours.
Refusals go through the same batches: they may rest on changes that are not
committed yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any, cast

from google.protobuf.message import DecodeError

from matrix_protocol.errors import MatrixError, Unavailable, Unknown
from service_kit import telemetry
from service_kit.bus import streams
from service_kit.bus.interface import Bus, BusError, Message, Subscription
from service_kit.clock import Clock
from service_kit.ledger.append import OwnershipLost, ShardLedger
from service_kit.ledger.apply import TableWriter
from service_kit.ledger.batch import MicroBatch
from service_kit.ledger.begun import begin
from service_kit.ledger.domain import Outdated, ShardDomain
from service_kit.ledger.fair_queue import FairQueue
from service_kit.ledger.heads import HeadAnnouncer
from service_kit.ledger.interest import Interest
from service_kit.ledger.pending import Pending
from service_kit.ledger.replies import REMEMBER_MS, RememberedReplies
from service_kit.rpc.errors import overloaded, refusal
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.pb.facts_pb2 import ConsumerMessage, Fact, InterestRequest, OwnerAnnouncement
from service_kit.shards import Shard
from service_kit.store.interface import Store, StoreError

COMMANDS_PER_BATCH_MAX = 256
COMMANDS_WAITING_MAX = 5000
"""More than this in preparation, queue and commit together are refused."""
COMMANDS_WAITING_PER_KEY_MAX = 1000
"""More than this in the queue for one room, or one user, are refused: its neighbours are not."""
WAITERS_PER_COMMAND_MAX = 16
HAND_OVER_S = 5.0
"""How long a planned hand-over waits for what was begun."""
TAIL_PAGE_ROWS = 500
TAIL_POSITIONS_MAX = 20_000
APPEND_BACKOFF_FIRST_S = 0.05
APPEND_BACKOFF_MAX_S = 1.0

_MOVED = Reply(moved=True).SerializeToString()
_logger = logging.getLogger(__name__)


class ShardOwner:
    """Serves one shard until it is handed over (`hand_over`) or lost (`abandon`).

    `on_lost` is called once if another writer was met or the memory can't be trusted any more; nothing is
    served from then on, and the caller must `abandon`. `may_serve` says whether the worker's lease still holds.
    """

    def __init__(
        self,
        shard: Shard,
        epoch: int,
        *,
        bus: Bus,
        store: Store,
        clock: Clock,
        worker: str,
        make_domain: Callable[[Shard], ShardDomain],
        on_lost: Callable[[ShardOwner], None] = lambda owner: None,
        may_serve: Callable[[], bool] = lambda: True,
    ) -> None:
        self.shard = shard
        self.epoch = epoch
        self._bus = bus
        self._store = store
        self._clock = clock
        self._worker = worker
        self._make_domain = make_domain
        self._on_lost = on_lost
        self._may_serve = may_serve
        self._ledger = ShardLedger(store, shard)
        self._writer = TableWriter(store, shard, clock, may_serve)
        self._replies = RememberedReplies(clock)
        self._domain = make_domain(shard)
        self._heads = HeadAnnouncer(bus, clock, shard)
        self.interest = Interest(shard, epoch, 0, clock)
        # Unique for each append, without asking the system for randomness each time.
        self._batch_id_prefix = os.urandom(8)
        self._batch_numbers = count()
        self._queue: FairQueue[Pending] = FairQueue()
        self._in_flight: dict[bytes, Pending] = {}
        self._preparing: set[asyncio.Task[None]] = set()
        self._wake_signal: asyncio.Future[None] | None = None
        self._run_task: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []
        self._is_closing = False
        self._is_lost = False
        self._is_released = False
        self._is_domain_doubtful = False
        self._commit_seconds = telemetry.COMMIT_SECONDS.labels(shard.kind)
        self._facts_committed = telemetry.FACTS_COMMITTED.labels(shard.kind)

    @property
    def domain(self) -> ShardDomain:
        """The rules and state in memory: may be ahead of what is committed."""
        return self._domain

    @property
    def committed_position(self) -> int:
        return self._ledger.head

    @property
    def applied_position(self) -> int:
        """The tables hold everything through here."""
        return self._writer.applied_through

    @property
    def is_serving(self) -> bool:
        return self._run_task is not None and not self._is_closing and not self._is_lost and self._may_serve()

    async def wait_applied(self, position: int) -> None:
        """Until the tables hold everything through this position. Raises WrongOwner if the shard is lost before."""
        await self._writer.wait_applied(position)

    async def expire(self, before_ms: int) -> int:
        """Drop ledger buckets whose facts are all older than this and applied; returns how many."""
        return await self._ledger.expire_older(before_ms)

    # --- beginning and end

    async def start(self) -> None:
        """Take over where the former owner ended; serving on return."""
        try:
            head = await self._ledger.open()
            await self._writer.redo(self.shard, head, self._domain)
            await self._remember_replies(head)
            await self._domain.recover(head)
            self._check_wanted()
            self.interest = Interest(self.shard, self.epoch, head, self._clock)
            self._run_task = asyncio.get_running_loop().create_task(self._run())
            for subject, handler in (
                (streams.command(self.shard), self._on_command),
                (streams.interest(self.shard), self._on_interest),
            ):
                self._subscriptions.append(await self._bus.subscribe(subject, handler))
            await self._bus.flush()
            self._check_wanted()
            announcement = OwnerAnnouncement(shard=str(self.shard), epoch=self.epoch, worker=self._worker)
            await self._bus.publish(streams.owner_announcements(self.shard.kind), announcement.SerializeToString())
        except BaseException:
            self._is_closing = self._is_released = True
            await self._release()
            raise

    def _check_wanted(self) -> None:
        """The lease may run out while the start waits for the store: then this owner is abandoned in the middle."""
        if self._is_released:
            raise OwnershipLost(f"shard {self.shard} was abandoned before it was served")

    async def hand_over(self) -> None:
        """Finish what was begun, leave the tables complete, release everything."""
        self._is_closing = True  # new commands are sent back from now on
        self._wake()
        timer = asyncio.ensure_future(self._clock.sleep(HAND_OVER_S))
        # Whoever sent before the bus knew gets an answer, too: it would wait for one in vain.
        drains = (subscription.drain() for subscription in self._subscriptions)
        drained: asyncio.Future[list[Any]] = asyncio.gather(*drains, return_exceptions=True)
        waits: set[asyncio.Future[Any]] = {drained, timer}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._run_task is not None:
                await asyncio.wait({self._run_task, timer}, return_when=asyncio.FIRST_COMPLETED)
                if self._run_task.done() and not self._is_lost:
                    await self._writer.finish()
        finally:
            timer.cancel()
            drained.cancel()
            await self.abandon()

    async def abandon(self) -> None:
        """Stop at once: nothing is written any more, and whoever waits is sent to the next owner."""
        if self._is_released:
            return
        self._is_closing = self._is_released = True
        await self._release()

    async def _release(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            await subscription.unsubscribe()
        tasks = [*self._preparing, *([self._run_task] if self._run_task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.stop()
        self._heads.stop()
        await self._send_back_all()
        await self._domain.close()

    async def _remember_replies(self, head: int) -> None:
        """Read back the replies in the ledger's tail, as far as somebody may still send a command again."""
        now_ms = self._clock.now_ms()
        found: list[Fact] = []
        position, facts_read = head, 0
        while facts_read < TAIL_POSITIONS_MAX and position > 0:
            rows = await self._ledger.read_back(position, TAIL_PAGE_ROWS)
            facts = [Fact.FromString(row.fact) for row in rows]
            found.extend(fact for fact in facts if fact.command_id)
            if not facts or facts[-1].written_at_ms + REMEMBER_MS < now_ms:
                break
            facts_read += len(facts)
            position = rows[-1].position - 1
        for fact in reversed(found):
            until_ms = fact.written_at_ms + REMEMBER_MS
            if until_ms > now_ms:
                self._replies.put(fact.command_id, fact.command_reply, now_ms, until_ms)

    # --- 1 arrive

    async def _on_command(self, message: Message) -> None:
        try:
            command = Command.FromString(message.payload)
        except DecodeError:
            _logger.warning("an unreadable command came to shard %s", self.shard)
            return
        command_id = command.command_id
        reply = self._replies.get(command_id)
        if reply is not None:
            await message.reply(reply)
            return
        pending = self._in_flight.get(command_id)
        if pending is not None:
            if len(pending.messages) < WAITERS_PER_COMMAND_MAX:
                pending.messages.append(message)
            return
        if self._is_closing or self._is_lost:
            await message.reply(_MOVED)
            return
        if command.deadline_at_ms < self._clock.now_ms():
            return
        is_flooded = self._queue.waiting_for(command.key) >= COMMANDS_WAITING_PER_KEY_MAX
        if is_flooded or len(self._in_flight) >= COMMANDS_WAITING_MAX:
            await message.reply(overloaded())
            return
        self._in_flight[command_id] = pending = Pending(command, message)
        self._prepare(pending)

    # --- 2 prepare

    def _prepare(self, pending: Pending) -> None:
        if self._is_domain_doubtful:
            self._queue.put(pending.command.key, pending)  # prepared when the new memory is there
            return
        try:
            prepared = self._domain.prepare(pending.command)
            if isinstance(prepared, Coroutine):
                prepared = begin(prepared)
        except Exception as error:
            pending.refused = self._refusal_for(error, "prepare")
        else:
            if hasattr(prepared, "__await__"):
                task = asyncio.get_running_loop().create_task(
                    self._finish_preparing(pending, cast(Awaitable[object], prepared), self._domain)
                )
                self._preparing.add(task)
                return
            pending.prepared = prepared
        self._queue.put(pending.command.key, pending)
        self._wake()

    async def _finish_preparing(self, pending: Pending, prepared: Awaitable[object], domain: ShardDomain) -> None:
        try:
            pending.prepared = await prepared
        except Exception as error:
            pending.refused = self._refusal_for(error, "prepare")
        task = asyncio.current_task()
        assert task is not None
        self._preparing.discard(task)
        if domain is not self._domain:
            self._prepare(pending)  # what was prepared belongs to a memory that was thrown away
            return
        self._queue.put(pending.command.key, pending)
        self._wake()

    def _wake(self) -> None:
        if self._wake_signal is not None and not self._wake_signal.done():
            self._wake_signal.set_result(None)

    # --- the loop over batches

    async def _run(self) -> None:
        taken: list[Pending] = []
        try:
            while True:
                if not self._queue:
                    if self._is_closing and not self._preparing:
                        return
                    self._wake_signal = asyncio.get_running_loop().create_future()
                    await self._wake_signal
                    continue
                await self._writer.wait_for_room()
                if not self._may_serve():
                    raise OwnershipLost(f"the lease of {self._worker} has run out")
                batch = MicroBatch(self._ledger.next_position, self._clock.now_ms())
                taken = self._execute(batch)
                await self._finish_batch(batch, taken)
                if self._is_domain_doubtful:
                    await self._replace_domain()
        except OwnershipLost as error:
            _logger.warning("shard %s is lost: %s", self.shard, error)
            self._lose()
        except Exception:
            _logger.exception("shard %s cannot go on, and starts anew", self.shard)
            for pending in taken:
                await self._answer(pending, refusal(Unknown("The server failed to carry this out")))
            self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        self._on_lost(self)

    # --- 3 execute

    def _execute(self, batch: MicroBatch) -> list[Pending]:
        taken: list[Pending] = []
        queue = self._queue
        while queue and len(taken) < COMMANDS_PER_BATCH_MAX and batch.has_room() and not self._is_domain_doubtful:
            pending = queue.take()
            if pending.refused is None and not self._execute_one(pending, batch):
                self._prepare(pending)
                continue
            taken.append(pending)
            if pending.refused is not None:
                pending.reply = refusal(pending.refused)
        return taken

    def _execute_one(self, pending: Pending, batch: MicroBatch) -> bool:
        """False: it must be prepared anew."""
        try:
            reply = self._domain.execute(pending.command, pending.prepared, batch)
        except Exception as error:
            # It changed something and then failed: the memory is not to be trusted any more.
            self._is_domain_doubtful = batch.undo()
            if isinstance(error, Outdated) and not self._is_domain_doubtful and pending.may_be_prepared_anew():
                return False
            pending.refused = self._refusal_for(error, "execute")
            return True
        pending.reply = reply.SerializeToString()
        if len(batch.facts) > len(batch.fact_bytes):
            pending.added = True
            batch.seal(pending.command, pending.reply, self._domain)
        return True

    def _refusal_for(self, error: Exception, step: str) -> MatrixError:
        if isinstance(error, MatrixError):
            return error
        if isinstance(error, StoreError | BusError):
            _logger.warning("a command could not be carried out in step %s at shard %s: %s", step, self.shard, error)
            return Unavailable("The server cannot do this right now; try again")
        _logger.error("a command failed in step %s at shard %s", step, self.shard, exc_info=error)
        return Unknown("The server failed to carry this out")

    async def _replace_domain(self) -> None:
        _logger.error("the memory of shard %s is thrown away and loaded anew", self.shard)
        former, self._domain = self._domain, self._make_domain(self.shard)
        await former.close()
        await self._writer.wait_applied(self._ledger.head)
        await self._domain.recover(self._ledger.head)
        self._is_domain_doubtful = False
        waiting, self._queue = self._queue, FairQueue()
        for pending in waiting:
            pending.refused = None
            self._prepare(pending)

    # --- 4 commit, 5 answer

    async def _finish_batch(self, batch: MicroBatch, taken: list[Pending]) -> None:
        publications: list[tuple[str, bytes]] = []
        if batch.facts:
            started_at_ns = telemetry.now_ns()
            await self._commit(batch)
            if telemetry.is_tracing():
                _trace_commit(taken, started_at_ns, len(batch.facts))
            # Before anything waits: whoever registers from now on is told a head that includes these facts.
            publications = self.interest.publications(batch.first_position, batch.facts, batch.fact_bytes)
            for subject, payload in self._domain.committed(batch.first_position, batch.facts) or ():
                await self._publish(subject, payload)
        for pending in taken:
            if pending.added:
                self._replies.put(
                    pending.command.command_id, pending.reply, batch.now_ms, pending.command.deadline_at_ms
                )
        for pending in taken:
            await self._answer(pending, pending.reply)
            if pending.arrived_at_ns:
                telemetry.finished_span(
                    f"{self.shard.kind} command", pending.command.traceparent, pending.arrived_at_ns
                )
        for subject, payload in publications:
            await self._publish(subject, payload)
        if batch.facts:
            self._heads.moved_to(batch.last_position)
            if not self._store.atomic_tables:
                self._writer.add(batch.last_position, batch.tables)

    async def _commit(self, batch: MicroBatch) -> None:
        started_s = time.perf_counter()
        batch_id = self._batch_id_prefix + next(self._batch_numbers).to_bytes(8, "big")
        tables = batch.tables
        if self._store.atomic_tables:
            tables.extend(self._writer.progress_due(batch.last_position))
        else:
            tables = []
        backoff_s = APPEND_BACKOFF_FIRST_S
        while True:
            try:
                await self._ledger.append(batch.fact_bytes, tables, batch_id=batch_id)
                break
            except StoreError as error:
                _logger.warning("append to shard %s, trying again: %s", self.shard, error)
                if not self._may_serve():
                    raise OwnershipLost("the lease ran out while the store was away") from error
                await self._clock.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, APPEND_BACKOFF_MAX_S)
        if self._store.atomic_tables:
            self._writer.mark_applied(batch.last_position)
        self._commit_seconds.observe(time.perf_counter() - started_s)
        self._facts_committed.inc(len(batch.facts))

    async def _answer(self, pending: Pending, reply: bytes) -> None:
        self._in_flight.pop(pending.command.command_id, None)
        for message in pending.messages:
            try:
                await message.reply(reply)
            except BusError as error:  # the command will be sent again
                _logger.warning("a reply of shard %s could not be sent: %s", self.shard, error)

    async def _publish(self, subject: str, payload: bytes) -> None:
        try:
            await self._bus.publish(subject, payload)
        except BusError as error:  # the consumer sees a gap and repairs it
            _logger.warning("facts of shard %s could not be published: %s", self.shard, error)

    async def _send_back_all(self) -> None:
        for pending in list(self._in_flight.values()):
            await self._answer(pending, _MOVED)
        self._queue.clear()

    # --- interest

    async def _on_interest(self, message: Message) -> None:
        try:
            request = InterestRequest.FromString(message.payload)
        except DecodeError:
            _logger.warning("an unreadable registration came to shard %s", self.shard)
            return
        if self._is_closing or self._is_lost:
            return
        reply = self.interest.register(request)
        if reply.unknown:
            await message.reply(reply.SerializeToString())
            return
        if not request.replace:
            # In line with the facts, so that the consumer's position reaches the head it is about to be told.
            heartbeat = self.interest.heartbeat(request.consumer)
            assert heartbeat is not None
            payload = ConsumerMessage(deliveries=[heartbeat]).SerializeToString()
            await self._publish(streams.facts_for(request.consumer), payload)
        await self._writer.wait_applied(reply.head_position)
        await message.reply(reply.SerializeToString())


def _trace_commit(taken: list[Pending], started_at_ns: int, facts: int) -> None:
    """The one append of a batch, as a part of the trace of each command in it."""
    for pending in taken:
        telemetry.finished_span("commit", pending.command.traceparent, started_at_ns, {"facts_of_batch": facts})
