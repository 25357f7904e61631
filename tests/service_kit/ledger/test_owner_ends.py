"""The end of an owner while its tables are behind."""

from __future__ import annotations

import asyncio

from service_kit.ledger.owner import ShardOwner
from service_kit.store.interface import StoreUnavailable
from tests.service_kit.ledger.counters import settle, texts_of, until
from tests.service_kit.ledger.owner_scene import ROOM_ID, SHARD, Scene


async def test_an_owner_whose_lease_has_run_out_does_not_write_its_tables_late() -> None:
    scene = Scene(atomic_tables=False)
    has_lease = True
    owner = ShardOwner(
        SHARD,
        1,
        bus=scene.bus.connect(),
        store=scene.store,
        clock=scene.clock,
        worker="a",
        make_domain=scene.make_domain,
        may_serve=lambda: has_lease,
    )
    await owner.start()

    async def tables_are_away(call: str) -> None:
        if call == "write":
            raise StoreUnavailable("away")

    scene.store.before_call = tables_are_away
    assert await scene.send("one") == "$1"
    await until(lambda: scene.store.calls["write"] == 1)
    scene.store.before_call = None
    has_lease = False
    await scene.clock.advance(5.0)
    assert scene.store.calls["write"] == 1
    await owner.abandon()
    await scene.owner()  # the next one redoes them
    assert await texts_of(scene.store, ROOM_ID) == ["one"]
    await scene.close()


async def test_a_hand_over_that_is_cut_short_by_the_end_of_the_lease_ends_as_usual() -> None:
    """It was cancelled together with the tables, and with it the task that looks after all shards of the worker."""
    scene = Scene(atomic_tables=False)
    owner = await scene.owner()
    gate = asyncio.Event()
    scene.store.before_call = lambda call: gate.wait() if call == "write" else asyncio.sleep(0)
    await scene.send("one")
    handing_over = asyncio.get_running_loop().create_task(owner.hand_over())
    await settle()
    await owner.abandon()
    await handing_over
    gate.set()
    await scene.close()
