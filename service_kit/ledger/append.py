"""The ledger of one shard: the fenced append, and reading.

An append is one conditional write: its rows go in only if none of their
positions is taken. So of two workers that both believe they own a shard only
one can commit, and the position itself is the fence.

Every append starts at `next_position(head)`, a pure function of the head. Two
writers with the same head therefore collide on the same row, also at the end
of a bucket, where the last positions stay free (a bucket is one partition, an
append is atomic in one partition only, and nobody knows beforehand how many
facts a command will make):

    ... 8999 9000 9001 [9002 ... 9999 free] 10000 10001 ...
              bucket 0 ^ fewer than FACTS_PER_COMMAND_MAX left: go on in bucket 1
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence

from service_kit.ledger.tables import (
    BUCKET_POSITIONS,
    CONSUMER_POSITIONS,
    LEDGER,
    SHARD_PROGRESS,
    LedgerRow,
    bucket_of,
)
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.shards import Shard
from service_kit.store.interface import SCAN_ROWS_MAX, OutcomeUnknown, Range, Store, Write

FACTS_PER_COMMAND_MAX = 1000
APPEND_TRIES_MAX = 5
READ_PAGE_ROWS = 500
CONSUMERS_BEHIND_MAX_MS = 7 * 86_400_000
"""So much longer are facts kept that a group of consumers has not read. One further behind finds them gone."""


class OwnershipLost(Exception):
    """Another worker has written where this one wanted to: drop everything in memory and step down."""


class LedgerExpired(Exception):
    """The ledger after this position is gone (retention), or the position never was one."""


def next_position(head: int) -> int:
    """Where the append after `head` starts; always with room for a whole command in the bucket."""
    position = head + 1
    if BUCKET_POSITIONS - position % BUCKET_POSITIONS < FACTS_PER_COMMAND_MAX:
        return (bucket_of(position) + 1) * BUCKET_POSITIONS
    return position


class ShardLedger:
    """One shard's ledger, for its owner. Positions start at 1; head 0 = empty."""

    def __init__(self, store: Store, shard: Shard) -> None:
        self._store = store
        self.shard = shard
        self.head = 0

    @property
    def next_position(self) -> int:
        return next_position(self.head)

    async def open(self) -> int:
        """Find the head, settling an append whose outcome the former owner never learned; returns it."""
        progress = await self._store.get(SHARD_PROGRESS, (str(self.shard),))
        head = progress.applied_through if progress else 0
        while True:
            tail = await self._store.scan(LEDGER, (str(self.shard), bucket_of(head)), limit=1, reverse=True)
            head = tail[0].position if tail else head
            probe = next_position(head)
            following = await self._store.get_settled(LEDGER, (str(self.shard), bucket_of(probe), probe))
            if following is None:
                self.head = head
                return head
            head = following.position

    async def append(self, facts: Sequence[bytes], tables: Sequence[Write] = (), *, batch_id: bytes = b"") -> int:
        """Commit these facts, all or none; returns the position of the first.

        `tables` must be empty unless the store has `atomic_tables`. Raises
        OwnershipLost if another writer was there, StoreUnavailable or
        OutcomeUnknown if it is still open: call again with the same `batch_id`.
        """
        first = self.next_position
        assert 0 < len(facts) <= BUCKET_POSITIONS - first % BUCKET_POSITIONS, "a batch lies in one bucket"
        batch_id = batch_id or os.urandom(16)
        name, bucket = str(self.shard), bucket_of(first)
        rows = [LedgerRow(name, bucket, first + index, batch_id, fact) for index, fact in enumerate(facts)]
        if not await self._insert(rows, tables):
            raise OwnershipLost(f"another worker wrote {self.shard} at {first}")
        self.head = rows[-1].position
        return first

    async def _insert(self, rows: list[LedgerRow], tables: Sequence[Write]) -> bool:
        """True = committed, False = another's batch stands at the first position."""
        for _ in range(APPEND_TRIES_MAX):
            try:
                if await self._store.insert_all_if_absent(LEDGER, rows, tables=tables):
                    return True
            except OutcomeUnknown:
                pass
            standing = await self._store.get_settled(LEDGER, LEDGER.key_of(rows[0]))
            if standing is not None:
                return standing.batch_id == rows[0].batch_id
        raise OutcomeUnknown(f"append to {self.shard} at {rows[0].position}")

    async def read(self, after_position: int, through_position: int, limit: int) -> list[LedgerRow]:
        """See `read_shard`."""
        return await read_shard(self._store, self.shard, after_position, limit, through_position=through_position)

    async def read_back(self, through_position: int, limit: int) -> list[LedgerRow]:
        """At most `limit` rows at or below this position, descending, as far as they are still there."""
        rows: list[LedgerRow] = []
        bucket = bucket_of(through_position)
        while bucket >= 0 and len(rows) < limit:
            page = await self._store.scan(
                LEDGER,
                (str(self.shard), bucket),
                range=Range(through=rows[-1].position - 1 if rows else through_position),
                limit=min(limit - len(rows), SCAN_ROWS_MAX),
                reverse=True,
            )
            rows.extend(page)
            if not page:
                bucket -= 1
                if rows and rows[-1].position >= (bucket + 2) * BUCKET_POSITIONS:
                    break  # a whole bucket is missing: retention dropped it and those before it
        return rows

    async def expire_older(self, before_ms: int) -> int:
        """Drop whole applied buckets whose last fact was written before that; returns how many.

        What a group of consumers has not read stays, up to `CONSUMERS_BEHIND_MAX_MS` longer.
        """
        groups = await self._store.scan(CONSUMER_POSITIONS, (str(self.shard),), limit=SCAN_ROWS_MAX)
        read_through = min((row.position for row in groups), default=self.head)
        for bucket in range(bucket_of(self.head) - 1, -1, -1):
            last = await self._store.scan(LEDGER, (str(self.shard), bucket), limit=1, reverse=True)
            if not last:
                return 0
            keeps_longer_ms = CONSUMERS_BEHIND_MAX_MS if last[0].position > read_through else 0
            if Fact.FromString(last[0].fact).written_at_ms < before_ms - keeps_longer_ms:
                return await self.expire((bucket + 1) * BUCKET_POSITIONS)
        return 0

    async def expire(self, before_position: int) -> int:
        """Drop whole buckets that lie below this position and are applied; returns how many."""
        progress = await self._store.get(SHARD_PROGRESS, (str(self.shard),))
        keep = bucket_of(min(before_position, progress.applied_through if progress else 0))
        dropped = 0
        for bucket in range(keep - 1, -1, -1):
            partition = (str(self.shard), bucket)
            if not await self._store.scan(LEDGER, partition, limit=1):
                break  # dropped earlier, and with it all before it
            dropped += 1
        # The oldest first, so that a crash in the middle leaves no hole above a bucket that is still there.
        for bucket in range(keep - dropped, keep):
            await self._store.delete_partition(LEDGER, (str(self.shard), bucket))
        return dropped


async def read_shard(
    store: Store, shard: Shard, after_position: int, limit: int, *, through_position: int | None = None
) -> list[LedgerRow]:
    """Facts of a shard after a position that was once its head (or 0), ascending; [] = none yet.

    For consumers that follow whole shards from a position of their own.
    Raises LedgerExpired if facts in between may be gone.
    """
    if after_position < 0:
        raise LedgerExpired(f"{shard} has no position {after_position}")
    if through_position is not None and through_position <= after_position:
        return []
    start = max(after_position, 1)
    bucket = bucket_of(start)
    # The row at the position itself is read too: its presence proves that nothing after it was dropped.
    window = Range(at_least=start, through=through_position)
    rows = await store.scan(LEDGER, (str(shard), bucket), range=window, limit=min(limit + 1, SCAN_ROWS_MAX))
    if not rows or rows[0].position != start:
        await _check_never_written(store, shard, after_position)
        return []
    if after_position:
        rows = rows[1:]
    last = rows[-1].position if rows else after_position
    while len(rows) < min(limit, SCAN_ROWS_MAX - 1) and bucket_of(next_position(last)) > bucket:
        bucket += 1
        page = await store.scan(
            LEDGER,
            (str(shard), bucket),
            range=Range(through=through_position),
            limit=min(limit - len(rows), SCAN_ROWS_MAX),
        )
        if not page:
            break
        rows.extend(page)
        last = rows[-1].position
    return rows[:limit]


async def read_pages(
    store: Store, shard: Shard, after_position: int, through_position: int
) -> AsyncIterator[list[LedgerRow]]:
    """All facts after one position through another, page by page. Raises LedgerExpired."""
    while after_position < through_position:
        page = await read_shard(store, shard, after_position, READ_PAGE_ROWS, through_position=through_position)
        if not page:
            return
        yield page
        after_position = page[-1].position


async def _check_never_written(store: Store, shard: Shard, after_position: int) -> None:
    """Nothing stands at the first position: fine if the ledger is empty and 0 was asked, else it is lost."""
    progress = await store.get(SHARD_PROGRESS, (str(shard),))
    if after_position > 0 or (progress is not None and progress.applied_through > 0):
        raise LedgerExpired(f"the ledger of {shard} no longer has position {max(after_position, 1)}")
