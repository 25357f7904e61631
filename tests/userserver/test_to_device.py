"""The inboxes of devices: what is put into them, once, and when it goes."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from matrix_protocol.errors import TooLarge
from service_kit.limits import TO_DEVICE_AGE_S_MAX
from service_kit.rpc.pb.user_commands_pb2 import DeleteDevices, DeliveredToDevice, SendToDevice, ToDeviceMessage
from service_kit.rpc.pb.user_queries_pb2 import ToDeviceEntry, ToDeviceRequest
from tests.userserver.cluster import ALICE, BOB, SHARDS, UserCluster
from userserver import to_device

Contents = dict[str, object]
"""by device ID, of ALICE"""


async def send(cluster: UserCluster, contents: Contents, txn_id: str = "", *, sender: str = BOB) -> None:
    cluster_txn = txn_id or f"txn{next(_numbers)}"
    messages = [
        ToDeviceMessage(user_id=ALICE, device_id=device_id, content_json=orjson.dumps(content))
        for device_id, content in contents.items()
    ]
    command = SendToDevice(
        sender=sender, device_id="PHONE", client_txn_id=cluster_txn, event_type="m.test", messages=messages
    )
    await cluster.send(ALICE, send_to_device=command)


_numbers = iter(range(10**9))


async def entries(
    cluster: UserCluster, device_id: str = "A", *, after: int = 0, limit: int = 100
) -> list[ToDeviceEntry]:
    request = ToDeviceRequest(user_id=ALICE, device_id=device_id, after_position=after, limit=limit)
    chunks = cluster.workers[-1].queries.get_to_device(request)
    return [entry async for chunk in chunks for entry in chunk.entries]


async def contents(cluster: UserCluster, device_id: str = "A") -> list[object]:
    return [orjson.loads(entry.content_json) for entry in await entries(cluster, device_id)]


async def delivered(cluster: UserCluster, through: int, device_id: str = "A") -> bool:
    command = DeliveredToDevice(user_id=ALICE, device_id=device_id, through_position=through)
    return (await cluster.send(ALICE, delivered_to_device=command)).more


async def two_devices(cluster: UserCluster) -> None:
    await cluster.register()
    for device_id in ("A", "B"):
        await cluster.login(device_id=device_id)


async def test_each_device_gets_what_is_for_it_in_order(cluster: UserCluster) -> None:
    await two_devices(cluster)
    await send(cluster, {"A": 1, "B": 2, "UNKNOWN": 3})
    await send(cluster, {"*": 4})
    await send(cluster, {"*": 5, "B": 6})
    await cluster.restart()
    await send(cluster, {"A": 7})
    assert await contents(cluster, "A") == [1, 4, 5, 7]
    assert await contents(cluster, "B") == [2, 4, 6]
    assert await contents(cluster, "UNKNOWN") == []
    (first, *_) = await entries(cluster)
    assert (first.sender, first.type) == (BOB, "m.test")


async def test_messages_to_users_that_do_not_exist_are_ignored(cluster: UserCluster) -> None:
    await send(cluster, {"*": 1, "A": 2})
    await two_devices(cluster)
    assert await contents(cluster) == []


async def test_the_same_request_is_carried_out_once(cluster: UserCluster) -> None:
    await two_devices(cluster)
    await asyncio.gather(*(send(cluster, {"A": 1}, "once") for _ in range(3)))
    await send(cluster, {"A": 1}, "once")
    await cluster.restart()
    await send(cluster, {"A": 1}, "once")
    await send(cluster, {"A": 2}, "another")
    await send(cluster, {"A": 3}, "once", sender=ALICE)
    assert await contents(cluster) == [1, 2, 3]


async def test_what_was_delivered_is_deleted_and_the_rest_stays(cluster: UserCluster) -> None:
    await two_devices(cluster)
    for number in range(5):
        await send(cluster, {"*": number})
    third = (await entries(cluster))[2].position
    await asyncio.gather(*(delivered(cluster, third) for _ in range(2)))
    assert await contents(cluster, "A") == [3, 4]
    assert await contents(cluster, "B") == [0, 1, 2, 3, 4]
    await cluster.restart()
    await delivered(cluster, third - 1)
    assert await contents(cluster, "A") == [3, 4]
    await delivered(cluster, 10**9)
    await delivered(cluster, 10**9, "UNKNOWN")
    assert await contents(cluster, "A") == []
    await send(cluster, {"A": 5})
    assert await contents(cluster, "A") == [5]


async def test_a_long_inbox_is_deleted_in_parts(cluster: UserCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_device, "DELETED_AT_ONCE_MAX", 2)
    await two_devices(cluster)
    for number in range(5):
        await send(cluster, {"A": number})
    assert [await delivered(cluster, 10**9) for _ in range(3)] == [True, True, False]
    assert await contents(cluster) == []


@pytest.mark.parametrize("is_read_anew", [False, True])
async def test_a_full_inbox_takes_nothing_more_until_it_is_emptied(
    cluster: UserCluster, monkeypatch: pytest.MonkeyPatch, is_read_anew: bool
) -> None:
    monkeypatch.setattr(to_device, "TO_DEVICE_INBOX_MESSAGES_MAX", 3)
    await two_devices(cluster)
    for number in range(5):
        await send(cluster, {"*" if number < 3 else "A": number})
        if is_read_anew:
            await cluster.restart()
    assert await contents(cluster, "A") == [0, 1, 2]
    await delivered(cluster, (await entries(cluster))[0].position)
    if is_read_anew:
        await cluster.restart()
    for number in range(5, 8):
        await send(cluster, {"*": number})
    assert await contents(cluster, "A") == [1, 2, 5]
    assert await contents(cluster, "B") == [0, 1, 2]


async def test_an_inbox_is_bounded_in_bytes_too(cluster: UserCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_device, "TO_DEVICE_INBOX_BYTES_MAX", 100)
    await two_devices(cluster)
    for number in range(3):
        await send(cluster, {"A": str(number) * 40})
    await send(cluster, {"A": 1})
    assert await contents(cluster) == ["0" * 40, "1" * 40, 1]


async def test_what_is_too_large_once_it_is_multiplied_is_refused(
    cluster: UserCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_device, "TO_DEVICE_EXPANDED_BYTES_MAX", 3000)
    await two_devices(cluster)
    await send(cluster, {"A": "x" * 1000})
    with pytest.raises(TooLarge):
        await send(cluster, {"*": "x" * 1000}, "again")
    await send(cluster, {"*": "x" * 10}, "again")
    assert len(await contents(cluster, "A")) == 2


async def test_old_messages_expire_and_make_room(cluster: UserCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_device, "TO_DEVICE_INBOX_MESSAGES_MAX", 2)
    await two_devices(cluster)
    await send(cluster, {"A": 1})
    await send(cluster, {"A": 2})
    worker = cluster.workers.pop()
    await worker.drain()  # or the next one would write them anew
    await worker.stop()
    await cluster.clock.advance(TO_DEVICE_AGE_S_MAX + 1)
    await cluster.start_worker()
    await send(cluster, {"A": 3})
    assert await contents(cluster) == [3]


async def test_a_new_device_does_not_get_what_an_older_one_of_its_name_left(cluster: UserCluster) -> None:
    await two_devices(cluster)
    await send(cluster, {"A": 1, "B": 2})
    await cluster.send(ALICE, delete_devices=DeleteDevices(user_id=ALICE, device_ids=["A"]))
    await cluster.login(device_id="A")
    assert await contents(cluster, "A") == []
    await send(cluster, {"A": 3})
    await cluster.restart()
    assert await contents(cluster, "A") == [3]
    assert await contents(cluster, "B") == [2]


async def test_a_killed_owner_loses_and_doubles_nothing(cluster: UserCluster) -> None:
    await two_devices(cluster)
    owner = cluster.workers[0].holder.owner_of(SHARDS.of_user(ALICE))
    assert owner is not None
    await send(cluster, {"A": 1}, "first")
    sends = [asyncio.create_task(send(cluster, {"A": number}, f"t{number}")) for number in range(2, 6)]
    await asyncio.sleep(0)
    await owner.abandon()
    await cluster.restart()
    for _ in range(50):  # commands that got no answer are sent again
        await cluster.clock.advance(0.2)
    await asyncio.gather(*sends)
    for number in range(2, 6):
        await send(cluster, {"A": number}, f"t{number}")
    assert sorted(await contents(cluster)) == [1, 2, 3, 4, 5]  # type: ignore[type-var]
