"""The hooks of the store in memory, which tests and simulations rely on."""

from __future__ import annotations

import asyncio

import pytest

from service_kit.clock import ManualClock
from service_kit.store.interface import OutcomeUnknown, Put, StoreUnavailable
from service_kit.store.memory import MemoryStore
from tests.contracts.store_tables import EVENT_BY_TXN, LEASES, LEDGER, ROOMS, TABLES, Lease, Receipt, Room, fact


@pytest.mark.parametrize("happened", [True, False])
async def test_failing_write_happens_or_not_as_the_test_says(happened: bool) -> None:
    store = MemoryStore(TABLES)
    store.fail_next_write(OutcomeUnknown("lost"), happened=happened)
    with pytest.raises(OutcomeUnknown):
        await store.insert_all_if_absent(LEDGER, [fact(1)], tables=[Put(ROOMS, Room("!a", "1"))])
    assert (await store.get_settled(LEDGER, ("room.1", 0, 1)) is not None) is happened
    assert (await store.get(ROOMS, ("!a",)) is not None) is happened
    store.fail_next_write(OutcomeUnknown("lost"), happened=happened)
    with pytest.raises(OutcomeUnknown):
        await store.replace_if(LEASES, ("s",), None, Lease("s", "w", 1, False))
    assert (await store.get(LEASES, ("s",)) is not None) is happened


async def test_failures_queue_up_and_end() -> None:
    store = MemoryStore(TABLES)
    for _ in range(2):
        store.fail_next_write(StoreUnavailable("disk full"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.write([Put(ROOMS, Room("!a", "1"))])
    await store.write([Put(ROOMS, Room("!a", "2"))])
    assert await store.get(ROOMS, ("!a",)) == Room("!a", "2")


async def test_store_is_away_until_it_is_back() -> None:
    store = MemoryStore(TABLES)
    store.is_available = False
    with pytest.raises(StoreUnavailable):
        await store.get(ROOMS, ("!a",))
    store.is_available = True
    assert await store.get(ROOMS, ("!a",)) is None


async def test_without_atomic_tables_they_are_left_to_the_caller() -> None:
    store = MemoryStore(TABLES, atomic_tables=False)
    assert await store.insert_all_if_absent(LEDGER, [fact(1)], tables=[Put(ROOMS, Room("!a", "1"))]) is True
    assert await store.get(ROOMS, ("!a",)) is None


async def test_call_can_be_held_up_to_interleave_others() -> None:
    store = MemoryStore(TABLES)
    gate = asyncio.Event()

    async def hold(call: str) -> None:
        if call == "insert_all_if_absent":
            await gate.wait()

    store.before_call = hold
    append = asyncio.ensure_future(store.insert_all_if_absent(LEDGER, [fact(1)]))
    await store.write([Put(ROOMS, Room("!a", "1"))])
    assert not append.done()
    gate.set()
    assert await append is True
    assert store.calls == {"insert_all_if_absent": 1, "write": 1}


async def test_row_expires_by_the_clock() -> None:
    clock = ManualClock()
    store = MemoryStore(TABLES, clock=clock)
    await store.write([Put(EVENT_BY_TXN, Receipt("@a:b", "t", "$1"))])
    await clock.advance(3599)
    assert await store.get(EVENT_BY_TXN, ("@a:b", "t")) is not None
    await clock.advance(1)
    assert await store.get(EVENT_BY_TXN, ("@a:b", "t")) is None
    assert await store.scan(EVENT_BY_TXN, ("@a:b",), limit=10) == []
