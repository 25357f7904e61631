from __future__ import annotations

import pytest

from roomserver.state import client_transactions
from roomserver.state.client_transactions import ClientTransactions, DeviceInRoom
from roomserver.tables import EVENT_BY_CLIENT_TXN, EventByClientTxnRow
from service_kit.clock import ManualClock
from service_kit.store.interface import Put
from service_kit.store.memory import MemoryStore

PHONE, LAPTOP = (DeviceInRoom("!r:x", "@alice:x", device) for device in ("PHONE", "LAPTOP"))


class Scene:
    def __init__(self) -> None:
        self.store = MemoryStore([EVENT_BY_CLIENT_TXN], clock=ManualClock())
        self.applied = 0
        self.transactions = ClientTransactions(self.store, lambda: self.applied)

    async def apply(self, device: DeviceInRoom, scoped: str, event_id: str, position: int) -> None:
        row = EventByClientTxnRow(device.user_id, device.device_id, scoped, event_id, device.room_id)
        await self.store.write([Put(EVENT_BY_CLIENT_TXN, tuple(row))])
        self.applied = position


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(client_transactions, "SHARD_TRANSACTIONS_MAX", 1)
    return Scene()


async def test_what_the_table_may_lack_is_not_dropped(scene: Scene) -> None:
    await scene.transactions.load(PHONE, "!r:x|1")
    scene.transactions.record(PHONE, "!r:x|1", "$1", 1)
    scene.transactions.record(LAPTOP, "!r:x|1", "$2", 2)
    assert scene.transactions.event_id(PHONE, "!r:x|1") == "$1"
    await scene.apply(PHONE, "!r:x|1", "$1", 1)
    scene.transactions.record(LAPTOP, "!r:x|2", "$3", 3)
    assert scene.transactions.event_id(PHONE, "!r:x|1") is None
    await scene.transactions.load(PHONE, "!r:x|1")
    assert scene.transactions.event_id(PHONE, "!r:x|1") == "$1"


async def test_nothing_is_new_to_a_device_that_was_dropped_after_it_was_read(scene: Scene) -> None:
    await scene.transactions.load(PHONE, "!r:x|1")
    assert scene.transactions.is_new(PHONE, "!r:x|1")
    scene.transactions.record(LAPTOP, "!r:x|1", "$1", 1)
    scene.transactions.record(LAPTOP, "!r:x|2", "$2", 2)
    assert not scene.transactions.is_new(PHONE, "!r:x|1")


async def test_a_device_that_was_dropped_while_it_was_read_is_read_again(scene: Scene) -> None:
    async def drop(call: str) -> None:
        scene.store.before_call = None
        scene.transactions.record(PHONE, "!r:x|1", "$1", 1)
        await scene.apply(PHONE, "!r:x|1", "$1", 1)
        scene.transactions.record(LAPTOP, "!r:x|1", "$2", 2)
        scene.transactions.record(LAPTOP, "!r:x|2", "$3", 3)

    scene.store.before_call = drop
    await scene.transactions.load(PHONE, "!r:x|1")
    assert scene.transactions.event_id(PHONE, "!r:x|1") == "$1"


async def test_a_device_with_too_many_is_not_read_whole_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transactions, "SHARD_TRANSACTIONS_MAX", 4)
    monkeypatch.setattr(client_transactions, "LOADED_TRANSACTIONS_MAX", 4)
    await scene.transactions.load(PHONE, "!r:x|0")
    for number in range(4):
        scene.transactions.record(PHONE, f"!r:x|{number}", f"${number}", number + 1)
        await scene.apply(PHONE, f"!r:x|{number}", f"${number}", number + 1)
    scene.transactions.record(LAPTOP, "!r:x|1", "$5", 5)
    assert scene.transactions.event_id(PHONE, "!r:x|0") is None
    scans = scene.store.calls["scan"]
    await scene.transactions.load(PHONE, "!r:x|0")
    await scene.transactions.load(PHONE, "!r:x|new")
    assert scene.store.calls["scan"] == scans
    assert scene.transactions.event_id(PHONE, "!r:x|0") == "$0"
    assert scene.transactions.is_new(PHONE, "!r:x|new")
