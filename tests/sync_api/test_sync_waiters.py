"""Long polls: how many there may be, how long, and what wakes them."""

from __future__ import annotations

import asyncio

from service_kit.clock import ManualClock
from sync_api.sync_waiters import WAITERS_OF_USER_MAX, SyncWaiters
from sync_api.user_view import UserView


async def test_facts_of_one_delivery_wake_once() -> None:
    waiters, user = SyncWaiters(ManualClock(), waiting_max=10), UserView("@a:b")
    waiter = waiters.add(user, 30_000)
    woken = asyncio.create_task(waiter.wait())
    await asyncio.sleep(0)
    for room_id in ("!a", "!b", "!a"):
        waiters.room_changed(room_id, [user])
    await woken
    assert user.changed_room_ids == {"!a", "!b"}
    waiters.remove(waiter)
    await waiters.close()


async def test_fact_wakes_nobody_else() -> None:
    waiters, alice, bob = SyncWaiters(ManualClock(), waiting_max=10), UserView("@a:b"), UserView("@b:b")
    waiter = waiters.add(bob, 30_000)
    task = asyncio.create_task(waiter.wait())
    waiters.room_changed("!a", [alice])
    waiters.account_changed(alice)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    await waiters.close()
    await task


async def test_oldest_long_poll_of_a_user_ends_when_there_are_too_many() -> None:
    clock = ManualClock()
    waiters, user = SyncWaiters(clock, waiting_max=1000), UserView("@a:b")
    many = [waiters.add(user, 30_000 + 1000 * number) for number in range(WAITERS_OF_USER_MAX + 1)]
    assert [waiter.is_over for waiter in many] == [True] + [False] * WAITERS_OF_USER_MAX
    await waiters.close()


async def test_longest_waiting_ends_when_the_worker_is_full() -> None:
    waiters = SyncWaiters(ManualClock(), waiting_max=2)
    first, second, third = (waiters.add(UserView(f"@{number}:b"), 30_000) for number in range(3))
    assert (first.is_over, second.is_over, third.is_over) == (True, False, False)
    await waiters.close()


async def test_nothing_is_left_behind_when_everybody_has_gone() -> None:
    clock = ManualClock()
    waiters, user = SyncWaiters(clock, waiting_max=10), UserView("@a:b")
    waiter = waiters.add(user, 1000)
    task = asyncio.create_task(waiter.wait())
    await clock.advance(2)
    await task
    assert waiter.is_over
    waiters.remove(waiter)
    await clock.advance(1)
    assert len(waiters) == 0
    assert not user.waiters
    assert asyncio.all_tasks() == {asyncio.current_task()}
