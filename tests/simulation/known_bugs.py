"""Bugs that are known, built in on purpose: the simulation must find each, or it finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest.mock import patch

from roomserver.input import rows
from service_kit.ledger.append import ShardLedger
from service_kit.ledger.feed import ShardFeed
from service_kit.ledger.tables import LEDGER, LedgerRow
from service_kit.rpc.pb.facts_pb2 import Fact, FactDelivery
from service_kit.store.interface import OutcomeUnknown, Write
from tests.simulation.cluster import Cluster
from tests.simulation.scenario import Outcome, run_seed


def without_position_condition(seed: int) -> Outcome:
    """The append does not ask whether its positions are free: two owners both commit."""

    def prepare(cluster: Cluster) -> None:
        cluster.database.forgets_condition = True

    return run_seed(seed, prepare)


def with_unsettled_outcome(seed: int) -> Outcome:
    """An append whose outcome is unknown is taken as not done, and done once more as another batch after the head."""

    async def insert(ledger: ShardLedger, rows: list[LedgerRow], tables: Sequence[Write]) -> bool:
        try:
            return await ledger._store.insert_all_if_absent(LEDGER, rows, tables=tables)
        except OutcomeUnknown:
            facts = [row.fact for row in rows]
            await ledger.open()
            await ledger.append(facts, tables)
            return True

    with patch.object(ShardLedger, "_insert", insert):
        return run_seed(seed)


def with_ignored_gap(seed: int) -> Outcome:
    """A consumer takes every delivery as if it followed the one before."""

    def take(feed: ShardFeed, delivery: FactDelivery) -> None:
        for delivered in delivery.facts:
            if delivered.position > feed.position:
                feed._hand_over(delivered.position, Fact.FromString(delivered.fact))
        feed._advance(delivery.head_position)

    with patch.object(ShardFeed, "_take", take):
        return run_seed(seed)


def with_stamps_of_skewed_clocks(seed: int) -> Outcome:
    """Which of two table rows is the newer one is decided by the clocks of their writers."""

    def prepare(cluster: Cluster) -> None:
        cluster.database.orders_by_clocks = True

    return run_seed(seed, prepare)


def with_delayed_events_that_stay(seed: int) -> Outcome:
    """An event that was sent later still waits, as far as the tables say: the shard's next owner sends it again."""
    with patch.dict(rows._ROWS_BY_BODY, {"delayed_event_finalised": lambda shard, position, fact: []}):
        return run_seed(seed)


KNOWN_BUGS: dict[str, Callable[[int], Outcome]] = {
    "position": without_position_condition,
    "outcome": with_unsettled_outcome,
    "gap": with_ignored_gap,
    "timestamps": with_stamps_of_skewed_clocks,
    "later": with_delayed_events_that_stay,
}
