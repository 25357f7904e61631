"""Who should own which shard, and what operators' wishes change."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.clock import ManualClock
from service_kit.ledger.placement import BY_ITSELF, Placement, cordon, pin, read_placement, wanted_owners
from service_kit.ledger.tables import LEDGER_TABLES
from service_kit.shards import Shard
from service_kit.store.interface import OutcomeUnknown
from service_kit.store.memory import MemoryStore

SHARDS = [Shard("room", number) for number in range(24)]
workers_st = st.frozensets(st.sampled_from("abcdefg"), min_size=1)
pins_st = st.dictionaries(st.sampled_from(SHARDS), st.sampled_from("abcdefgz"))
placements = st.builds(Placement, pins_st, st.frozensets(st.sampled_from("abcdefgz")))


@given(workers=workers_st, placement=placements)
def test_every_shard_has_a_live_owner_whatever_operators_want(workers: frozenset[str], placement: Placement) -> None:
    wanted = wanted_owners(SHARDS, workers, placement)
    assert set(wanted) == set(SHARDS)
    assert set(wanted.values()) <= workers
    if workers - placement.cordoned:
        assert set(wanted.values()) <= workers - placement.cordoned


@given(workers=workers_st, placement=placements)
def test_all_workers_agree_whatever_order_they_know_each_other_in(
    workers: frozenset[str], placement: Placement
) -> None:
    wanted = wanted_owners(SHARDS, sorted(workers), placement)
    assert wanted == wanted_owners(SHARDS, sorted(workers, reverse=True), placement)


@given(workers=workers_st, placement=placements)
def test_pins_to_workers_that_may_own_are_kept(workers: frozenset[str], placement: Placement) -> None:
    able = workers - placement.cordoned or workers
    wanted = wanted_owners(SHARDS, workers, placement)
    for shard, worker in placement.pins.items():
        if worker in able:
            assert wanted[shard] == worker


@given(workers=workers_st, placement=placements)
def test_nobody_has_more_than_the_even_share_unless_pinned(workers: frozenset[str], placement: Placement) -> None:
    able = workers - placement.cordoned or workers
    share = -(-len(SHARDS) // len(able))
    pinned = Counter(worker for worker in placement.pins.values() if worker in able)
    for worker, load in Counter(wanted_owners(SHARDS, workers, placement).values()).items():
        assert load <= max(share, pinned[worker])


@given(workers=workers_st, shard=st.sampled_from(SHARDS), worker=st.sampled_from("abcdefg"))
def test_a_pin_moves_little_else(workers: frozenset[str], shard: Shard, worker: str) -> None:
    before = wanted_owners(SHARDS, workers)
    after = wanted_owners(SHARDS, workers, Placement({shard: worker}))
    assert sum(before[other] != after[other] for other in SHARDS) <= 1 + len(workers)


def test_a_pin_to_a_dead_worker_holds_nothing_up() -> None:
    assert wanted_owners(SHARDS, "ab", Placement({SHARDS[0]: "gone"})) == wanted_owners(SHARDS, "ab")


def test_were_all_cordoned_cordons_would_not_count() -> None:
    assert wanted_owners(SHARDS, "ab", Placement(cordoned=frozenset("ab"))) == wanted_owners(SHARDS, "ab")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(LEDGER_TABLES, clock=ManualClock())


async def test_what_operators_want_is_read_back(store: MemoryStore) -> None:
    assert await read_placement(store, "room") == BY_ITSELF
    await pin(store, SHARDS[3], "a")
    await pin(store, SHARDS[3], "b")
    await cordon(store, "roomserver", "a", is_cordoned=True)
    assert await read_placement(store, "room") == Placement({SHARDS[3]: "b"}, frozenset("a"))
    assert await read_placement(store, "user") == BY_ITSELF
    await pin(store, SHARDS[3], "")
    await cordon(store, "roomserver", "a", is_cordoned=False)
    assert await read_placement(store, "room") == BY_ITSELF


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_lost_answer_of_the_store_is_settled(
    store: MemoryStore, is_written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_if, failures = store.replace_if, [True]

    async def fails_once(*arguments: object) -> bool:
        if failures:
            failures.pop()
            if is_written:
                await replace_if(*arguments)  # type: ignore[arg-type]
            raise OutcomeUnknown("the answer was lost")
        return await replace_if(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "replace_if", fails_once)
    await pin(store, SHARDS[0], "a")
    failures.append(True)
    await cordon(store, "roomserver", "b", is_cordoned=True)
    assert await read_placement(store, "room") == Placement({SHARDS[0]: "a"}, frozenset("b"))
