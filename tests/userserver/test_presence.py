"""Presence is put together from devices, expires by itself, and is told as it changes."""

from __future__ import annotations

import pytest

from service_kit.bus.interface import Message
from service_kit.bus.streams import PRESENCE_CHANGED
from service_kit.config import PresenceSettings
from service_kit.rpc.pb.presence_pb2 import PresenceChanges
from service_kit.rpc.pb.user_commands_pb2 import DevicePresence, GetPresence, ReportPresence, SetPresence
from tests.userserver.cluster import ALICE, CHEAP, CODES, SHARDS, UserCluster
from userserver import presence
from userserver.presence import OFFLINE, ONLINE, UNAVAILABLE, PresenceBoard
from userserver.service import UserserverService

S = 1000


@pytest.fixture
def board() -> PresenceBoard:
    return PresenceBoard(idle_ms=300 * S, expire_ms=60 * S)


def see(
    board: PresenceBoard, at_s: int, presence: str = ONLINE, device: str = "PHONE", *, active: bool = False
) -> None:
    board.see(ALICE, device, presence, at_s * S, active=active, status_msg="")


def told(board: PresenceBoard, at_s: int) -> list[str]:
    return [user.presence for user in board.collect(at_s * S)]


def test_a_device_that_is_not_seen_any_more_leaves_its_user_offline(board: PresenceBoard) -> None:
    see(board, 10)
    assert told(board, 11) == [ONLINE]
    see(board, 30)
    assert told(board, 31) == []
    assert told(board, 89) == []
    assert told(board, 90) == [OFFLINE]
    assert told(board, 500) == []


def test_who_does_nothing_becomes_unavailable_and_is_online_again_with_the_next_thing_they_do(
    board: PresenceBoard,
) -> None:
    for at_s in range(0, 400, 20):
        see(board, at_s)
        assert told(board, at_s) == ([ONLINE] if at_s == 0 else [UNAVAILABLE] if at_s == 300 else [])
    see(board, 400, active=True)
    assert told(board, 400) == [ONLINE]
    assert board.presence_of(ALICE, 400 * S).last_active_at_ms == 400 * S


def test_the_most_present_device_decides(board: PresenceBoard) -> None:
    see(board, 1, UNAVAILABLE, "TABLET")
    assert told(board, 1) == [UNAVAILABLE]
    see(board, 2, ONLINE, "PHONE")
    assert told(board, 2) == [ONLINE]
    see(board, 3, OFFLINE, "PHONE")
    assert told(board, 3) == [UNAVAILABLE]
    see(board, 4, OFFLINE, "TABLET")
    assert told(board, 4) == [OFFLINE]


def test_times_of_what_is_told_grow_even_if_the_clock_goes_back(board: PresenceBoard) -> None:
    see(board, 10)
    (first,) = board.collect(10 * S)
    see(board, 9, UNAVAILABLE)
    (second,) = board.collect(9 * S)
    assert second.changed_at_ms > first.changed_at_ms == 10 * S


def test_users_are_bounded_and_those_offline_for_longest_go_first(
    board: PresenceBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "USERS_MAX", 3)
    for number in range(3):
        board.see(f"@{number}:x", "D", ONLINE, number, active=False, status_msg="")
    board.see("@1:x", "D", OFFLINE, 10, active=False, status_msg="")
    board.see("@new:x", "D", ONLINE, 20, active=False, status_msg="")
    board.see("@late:x", "D", ONLINE, 20, active=False, status_msg="")
    assert [board.knows(f"@{name}:x") for name in ("0", "1", "2", "new", "late")] == [True, False, True, True, False]


async def _presence(cluster: UserCluster) -> tuple[str, str]:
    found = (await cluster.send(ALICE, get_presence=GetPresence(user_id=ALICE))).presence
    return found.presence, found.status_msg


async def test_a_status_message_survives_its_owner_and_presence_does_not(cluster: UserCluster) -> None:
    await cluster.register()
    assert await _presence(cluster) == (OFFLINE, "")
    command = SetPresence(user_id=ALICE, device_id="PHONE", presence=UNAVAILABLE, status_msg="baking")
    await cluster.send(ALICE, set_presence=command)
    assert await _presence(cluster) == (UNAVAILABLE, "baking")
    await cluster.restart()
    assert await _presence(cluster) == (OFFLINE, "baking")
    report = ReportPresence(devices=[DevicePresence(user_id=ALICE, device_id="PHONE", presence=ONLINE)])
    await cluster.send(ALICE, report_presence=report)
    assert await _presence(cluster) == (ONLINE, "baking")
    await cluster.send(ALICE, set_presence=SetPresence(user_id=ALICE, device_id="PHONE", presence=ONLINE))
    assert await _presence(cluster) == (ONLINE, "")


async def test_changes_are_published_once_and_with_the_time_before(cluster: UserCluster) -> None:
    heard: list[PresenceChanges] = []

    async def hear(message: Message) -> None:
        heard.append(PresenceChanges.FromString(message.payload))

    await cluster.hub.connect().subscribe(PRESENCE_CHANGED, hear)
    worker = UserserverService(
        cluster.hub.connect(),
        cluster.store,
        cluster.clock,
        shards=SHARDS,
        worker="telling",
        settings=CHEAP,
        codes=CODES,
        presence=PresenceSettings(),
    )
    former = cluster.workers.pop()
    await former.drain()
    await former.stop()
    cluster.workers.append(worker)
    await worker.start()
    await cluster.register()
    report = ReportPresence(devices=[DevicePresence(user_id=ALICE, device_id="PHONE", presence=ONLINE)])
    await cluster.send(ALICE, report_presence=report)
    for _ in range(5):
        await cluster.clock.advance(1)
    number = SHARDS.of_user(ALICE).number
    shards = [shard for changes in heard for shard in changes.shards if shard.shard == number]
    assert [user.presence for shard in shards for user in shard.users] == [ONLINE]
    assert [shard.after_ms for shard in shards[1:]] == [shard.as_of_ms for shard in shards[:-1]]
