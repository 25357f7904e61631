"""To-device messages in answers of /sync: in order, again until the client has come back, never after that."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

import pytest

from service_kit.tokens import SyncToken
from sync_api import to_device
from tests.sync_api.world import Worker, World, user_id


def told(answer: dict[str, Any]) -> list[Any]:
    return [event["content"] for event in answer.get("to_device", {}).get("events", [])]


@pytest.fixture
def world() -> World:
    world = World()
    world.room("bob")
    return world


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def deleted(world: World, device: str = "PHONE") -> int:
    return world.deleted.get((user_id("bob"), device), 0)


async def test_a_message_is_told_again_until_the_client_comes_back_with_the_next_token(world: World) -> None:
    worker = world.worker()
    world.to_device("alice", "bob", 1)
    first = await worker.sync("bob")
    assert first["to_device"]["events"] == [{"sender": user_id("alice"), "type": "m.test", "content": 1}]
    again = await worker.sync("bob")
    assert told(again) == [1]
    world.to_device("alice", "bob", 2)
    second = await worker.sync("bob", again["next_batch"])
    assert told(second) == [2]
    assert told(await worker.sync("bob", again["next_batch"])) == [2]
    assert told(await worker.sync("bob", second["next_batch"])) == []
    await settle()
    assert deleted(world) == SyncToken.parse(second["next_batch"], world.shards).user


async def test_a_waiting_device_is_woken_by_its_own_messages_alone(world: World) -> None:
    worker = world.worker()
    since = {device: (await worker.sync("bob", device=device))["next_batch"] for device in ("PHONE", "TABLET")}
    waiting = {
        device: asyncio.create_task(worker.sync("bob", token, device=device, timeout_ms=30_000))
        for device, token in since.items()
    }
    await settle()
    world.to_device("alice", "bob", "for the phone", "PHONE")
    await settle()
    assert told(await waiting["PHONE"]) == ["for the phone"]
    assert not waiting["TABLET"].done()
    world.to_device("alice", "bob", "for both", "PHONE", "TABLET")
    assert told(await waiting["TABLET"]) == ["for both"]


async def test_a_long_inbox_comes_in_answers_of_a_hundred_at_once(world: World) -> None:
    worker = world.worker()
    for number in range(250):
        world.to_device("alice", "bob", number)
    got: list[list[Any]] = []
    since = ""
    for _ in range(4):
        answer = await worker.sync("bob", since, timeout_ms=0)
        got.append(told(answer))
        since = answer["next_batch"]
    assert [len(some) for some in got] == [100, 100, 50, 0]
    assert list(chain(*got)) == list(range(250))
    waiting = asyncio.create_task(worker.sync("bob", since, timeout_ms=30_000))
    await settle()
    assert not waiting.done()
    for number in range(250):
        world.to_device("alice", "bob", number)
    got = [told(await waiting)]
    since = (await waiting)["next_batch"]
    while some := told(answer := await worker.sync("bob", since)):
        got.append(some)
        since = answer["next_batch"]
    assert list(chain(*got)) == list(range(250))
    assert max(map(len, got)) == 100


async def test_account_data_that_came_after_a_full_answer_is_not_lost(world: World) -> None:
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    for number in range(150):
        world.to_device("alice", "bob", number)
    world.set_account_data("bob", "m.direct", {"a": 1})
    first = await worker.sync("bob", since)
    second = await worker.sync("bob", first["next_batch"])
    assert told(first) + told(second) == list(range(150))
    types = [event["type"] for answer in (first, second) for event in answer.get("account_data", {}).get("events", [])]
    assert "m.direct" in types
    third = await worker.sync("bob", second["next_batch"])
    assert "account_data" not in third
    assert told(third) == []


async def test_an_answer_is_bounded_in_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_device, "ANSWER_BYTES_MAX", 1000)
    monkeypatch.setattr(to_device, "HELD_BYTES_MAX", 2000)
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    for number in range(9):
        world.to_device("alice", "bob", f"{number}" * 400)
    sizes = []
    while some := told(answer := await worker.sync("bob", since)):
        sizes.append(len(some))
        since = answer["next_batch"]
    assert sum(sizes) == 9
    assert max(sizes) == 3


async def test_another_worker_goes_on_and_deletes_what_the_first_could_not(world: World) -> None:
    first = world.worker()
    for number in range(3):
        world.to_device("alice", "bob", number)
    world.deletions_fail = True
    answer = await first.sync("bob")
    world.to_device("alice", "bob", 3)
    answer = await first.sync("bob", answer["next_batch"])
    assert told(answer) == [3]
    await settle()
    assert deleted(world) == 0
    world.deletions_fail = False
    second = world.worker()
    assert told(await second.sync("bob", answer["next_batch"])) == []
    await settle()
    assert deleted(world) == SyncToken.parse(answer["next_batch"], world.shards).user
    world.to_device("alice", "bob", 4)
    assert told(await second.sync("bob", answer["next_batch"])) == [4]


async def test_a_failed_deletion_is_tried_again_with_the_next_request(world: World) -> None:
    worker = world.worker()
    world.to_device("alice", "bob", 1)
    world.deletions_fail = True
    since = (await worker.sync("bob"))["next_batch"]
    since = (await worker.sync("bob", since))["next_batch"]
    await settle()
    world.deletions_fail = False
    await worker.sync("bob", since)
    await settle()
    assert deleted(world) > 0


async def test_messages_of_ignored_users_are_not_told_and_hold_nothing_up(world: World) -> None:
    worker = world.worker()
    for number in range(120):
        world.to_device("mallory", "bob", number)
    world.to_device("alice", "bob", "hello")
    world.set_account_data("bob", "m.ignored_user_list", {"ignored_users": {user_id("mallory"): {}}})
    answer = await worker.sync("bob")
    assert told(answer) == ["hello"]
    world.to_device("mallory", "bob", "again")
    assert told(await worker.sync("bob", answer["next_batch"])) == []


async def test_lost_facts_are_read_from_the_inbox(world: World) -> None:
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    worker.lag = True
    world.to_device("alice", "bob", 1)
    shard = world.shards.of_user(user_id("bob"))
    worker.positions[shard] = world.head(shard)
    worker.consumer.on_lost(shard)
    assert told(await worker.sync("bob", since)) == [1]


async def test_messages_that_the_tables_have_before_their_fact_came_are_told_once(world: World) -> None:
    worker = world.worker(lag=True)
    since = (await worker.sync("bob"))["next_batch"]
    world.to_device("alice", "bob", 1)
    worker.deliver_all()
    world.to_device("alice", "bob", 2)  # not delivered yet, but in the tables when the inbox is read
    first = await worker.sync("bob", since)
    worker.deliver_all()
    second = await worker.sync("bob", first["next_batch"])
    assert told(first) + told(second) == [1, 2]


async def test_a_logged_out_device_leaves_nothing_to_a_later_one_of_its_name(world: World) -> None:
    worker = world.worker()
    world.to_device("alice", "bob", 1)
    assert told(await worker.sync("bob")) == [1]
    world.remove_device("bob", "PHONE")
    world.deleted[user_id("bob"), "PHONE"] = world.head(world.shards.of_user(user_id("bob")))
    assert told(await worker.sync("bob")) == []


async def synced_through(worker: Worker, since: str, got: list[Any], rounds: int) -> str:
    for _ in range(rounds):
        answer = await worker.sync("bob", since)
        got += told(answer)
        since = answer["next_batch"]
    return since


async def test_a_client_that_changes_workers_all_the_time_gets_each_message_once(world: World) -> None:
    workers = [world.worker(lag=number == 2) for number in range(3)]
    got: list[Any] = []
    since = ""
    for number in range(60):
        for part in range(5):
            world.to_device("alice", "bob", 5 * number + part)
        since = await synced_through(workers[number % 3], since, got, 1)
        if number % 4 == 0:
            workers[2].deliver_all()
    for worker in workers:
        worker.deliver_all()
        since = await synced_through(worker, since, got, 3)
    assert got == list(range(300))
