"""Unread notifications: counted when the reader asks, and right whatever the worker knew before."""

from __future__ import annotations

from typing import Any

import pytest

from sync_api.response import counting
from sync_api.unread.counter import NOTIFICATIONS_MAX
from sync_api.unread.counters import UnreadCounters
from tests.sync_api.world import Room, World, limit, user_id

THREADS = {"room": {"timeline": {"unread_thread_notifications": True}}}


def counts(answer: dict[str, Any], room: Room) -> tuple[int, int]:
    """(notifications, highlights)"""
    told = answer["rooms"]["join"][room.id]["unread_notifications"]
    return told["notification_count"], told["highlight_count"]


def threads(answer: dict[str, Any], room: Room) -> dict[str, int]:
    told = answer["rooms"]["join"][room.id].get("unread_thread_notifications", {})
    return {thread_id: of["notification_count"] for thread_id, of in told.items()}


async def fresh(world: World, room: Room, name: str = "bob", **options: Any) -> tuple[int, int]:
    """What a worker tells that has just started."""
    return counts(await world.worker().sync(name, **options), room)


def mention(name: str) -> dict[str, Any]:
    return {"m.mentions": {"user_ids": [user_id(name)]}}


def in_thread(root: str) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}


async def test_count_comes_with_the_event_and_grows_by_one() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    answer = await worker.sync("bob")
    assert counts(answer, room) == (0, 0)
    for number in range(1, 4):
        room.send("alice")
        answer = await worker.sync("bob", answer["next_batch"])
        assert counts(answer, room) == (number, 0)
    assert await fresh(world, room) == (3, 0)


async def test_event_is_looked_at_once_however_often_is_asked() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.send("alice")
    for _ in range(3):
        assert counts(await worker.sync("bob", since), room) == (1, 0)
    assert counts(await worker.sync("bob"), room) == (1, 0)


async def test_mention_highlights_for_the_one_who_is_mentioned() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    tokens = {name: (await worker.sync(name))["next_batch"] for name in ("bob", "carol")}
    room.send("alice", **mention("bob"))
    assert counts(await worker.sync("bob", tokens["bob"]), room) == (1, 1)
    assert counts(await worker.sync("carol", tokens["carol"]), room) == (1, 0)


async def test_display_name_in_the_room_highlights_where_the_rules_ask_for_it() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    rule = {"rule_id": "name", "conditions": [{"kind": "contains_display_name"}], "enabled": True}
    rule["actions"] = ["notify", {"set_tweak": "highlight"}]
    world.set_account_data("bob", "m.push_rules", {"global": {"override": [rule]}})
    room.member("bob", "bob", "join", displayname="Bobby")
    worker = world.worker()
    answer = await worker.sync("bob")
    room.send("alice", "hello Bobby")
    answer = await worker.sync("bob", answer["next_batch"])
    assert counts(answer, room) == (1, 1)
    room.member("bob", "bob", "join", displayname="Rob")
    room.send("alice", "hello Bobby")
    room.send("alice", "hello Rob")
    assert counts(await worker.sync("bob", answer["next_batch"]), room) == (2, 2)
    assert await fresh(world, room) == (2, 2)


async def test_who_may_notify_the_room_does() -> None:
    world = World()
    levels = {"m.room.power_levels": {"users": {user_id("alice"): 100}, "notifications": {"room": 60}}}
    room = world.room("alice", "bob", "carol", state=levels)
    everybody = {"m.mentions": {"room": True}}
    room.send("alice", **everybody)
    room.send("carol", **everybody)
    assert await fresh(world, room) == (2, 1)


@pytest.mark.parametrize("kind", ["m.read", "m.read.private"])
async def test_receipt_clears_what_is_at_or_before_it(kind: str) -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    sent = [room.send("alice") for _ in range(4)]
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.receipt("bob", sent[2], kind)
    assert counts(await worker.sync("bob", since), room) == (1, 0)
    assert await fresh(world, room) == (1, 0)


async def test_receipt_that_is_further_ahead_counts() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    sent = [room.send("alice") for _ in range(4)]
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.receipt("bob", sent[2], "m.read.private")
    room.receipt("bob", sent[0], "m.read")
    assert counts(await worker.sync("bob", since), room) == (1, 0)
    assert await fresh(world, room) == (1, 0)


async def test_receipt_changes_the_count_also_for_a_filter_without_receipts() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    sent = room.send("alice")
    without = {"room": {"ephemeral": {"types": []}}}
    worker = world.worker()
    since = (await worker.sync("bob", filter=without))["next_batch"]
    room.receipt("carol", sent)
    assert "rooms" not in await worker.sync("bob", since, filter=without)
    room.receipt("bob", sent)
    assert counts(await worker.sync("bob", since, filter=without), room) == (0, 0)


async def test_receipts_from_before_they_told_a_position_count_all_the_same() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    sent = [room.send("alice") for _ in range(3)]
    room.receipt("bob", sent[1])
    receipts = [fact for _, fact in world.facts(room.shard) if fact.HasField("receipt")]
    receipts[0].receipt.ClearField("event_position")
    assert await fresh(world, room) == (1, 0)


async def test_who_sends_has_read_what_is_before() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    room.send("alice")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.send("bob")
    room.send("alice")
    assert counts(await worker.sync("bob", since), room) == (1, 0)
    assert await fresh(world, room) == (1, 0)


async def test_new_profile_has_read_nothing() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    room.send("alice")
    room.member("bob", "bob", "join", displayname="Robert")
    assert await fresh(world, room) == (1, 0)


async def test_redacted_event_is_counted_no_more() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    sent = [room.send("alice") for _ in range(3)]
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.redact("alice", sent[1])
    assert counts(await worker.sync("bob", since), room) == (2, 0)
    assert await fresh(world, room) == (2, 0)


async def test_ignored_users_notify_nobody() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.send("alice")
    room.send("carol")
    assert counts(await worker.sync("bob", since), room) == (2, 0)
    world.set_account_data("bob", "m.ignored_user_list", {"ignored_users": {user_id("alice"): {}}})
    room.send("alice")
    room.send("carol")
    assert counts(await worker.sync("bob", since), room) == (2, 0)
    assert await fresh(world, room) == (2, 0)


async def test_other_rules_count_anew() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    room.send("alice")
    since = (await worker.sync("bob"))["next_batch"]
    muted = {"room": [{"rule_id": room.id, "actions": [], "enabled": True}]}
    world.set_account_data("bob", "m.push_rules", {"global": muted})
    room.send("alice")
    assert counts(await worker.sync("bob", since), room) == (0, 0)


async def test_encrypted_events_count() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    room.send("alice", kind="m.room.encrypted")
    room.send("alice", kind="m.reaction")
    room.send("alice", kind="m.room.encrypted", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}})
    assert await fresh(world, room) == (1, 0)


async def test_what_was_before_the_join_is_not_unread() -> None:
    world = World()
    room = world.room("alice", "carol")
    room.send("alice")
    room.join("bob")
    room.send("alice")
    worker = world.worker()
    answer = await worker.sync("bob")
    assert counts(answer, room) == (1, 0)
    room.member("bob", "bob", "leave")
    room.send("alice")
    answer = await worker.sync("bob", answer["next_batch"])
    room.send("alice")
    room.join("bob")
    room.send("alice")
    assert counts(await worker.sync("bob", answer["next_batch"]), room) == (1, 0)
    assert await fresh(world, room) == (1, 0)


async def test_threads_are_counted_apart_for_who_asks() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    root = room.send("alice")
    for _ in range(2):
        room.send("alice", **in_thread(root))
    worker = world.worker()
    answer = await worker.sync("bob", filter=THREADS)
    assert (counts(answer, room), threads(answer, room)) == ((1, 0), {root: 2})
    assert counts(await worker.sync("bob"), room) == (3, 0)


async def test_threaded_receipts_clear_their_thread() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    root = room.send("alice")
    replies = [room.send("alice", **in_thread(root)) for _ in range(3)]
    last = room.send("alice")
    worker = world.worker()
    answer = await worker.sync("bob", filter=THREADS)
    for thread, at, left in (
        (root, replies[1], ((2, 0), {root: 1})),
        ("main", last, ((0, 0), {root: 1})),
        ("", last, ((0, 0), {})),
    ):
        room.receipt("bob", at, thread=thread)
        answer = await worker.sync("bob", answer["next_batch"], filter=THREADS)
        assert (counts(answer, room), threads(answer, room)) == left
        anew = await world.worker().sync("bob", filter=THREADS)
        assert (counts(anew, room), threads(anew, room)) == left


async def test_event_is_in_the_thread_of_what_it_relates_to() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    root = room.send("alice")
    reply = room.send("alice", **in_thread(root))
    to_reply = {"m.relates_to": {"rel_type": "m.reference", "event_id": reply}}
    second = room.send("alice", **to_reply)
    room.send("alice", **{"m.relates_to": {"rel_type": "m.reference", "event_id": second}})
    room.send("alice", **{"m.relates_to": {"rel_type": "m.reference", "event_id": root}})
    room.send("alice", **{"m.relates_to": {"rel_type": "m.reference", "event_id": "$gone"}})
    room.send("alice", **{"m.relates_to": {"m.in_reply_to": {"event_id": reply}}})
    answer = await world.worker().sync("bob", filter=THREADS)
    assert (counts(answer, room), threads(answer, room)) == ((4, 0), {root: 3})


async def test_sending_into_a_thread_reads_the_thread_alone() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    root = room.send("alice")
    room.send("alice", **in_thread(root))
    room.send("bob", **in_thread(root))
    answer = await world.worker().sync("bob", filter=THREADS)
    assert (counts(answer, room), threads(answer, room)) == ((1, 0), {})


async def test_counter_outlives_the_users_view_and_makes_up_for_the_gap() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker(idle_s=60)
    since = (await worker.sync("bob"))["next_batch"]
    await world.clock.advance(100)
    await worker.users.sweep()
    for _ in range(120):
        room.send("alice")
    assert counts(await worker.sync("bob", since, filter=limit(5)), room) == (120, 0)


async def test_old_receipt_costs_a_bounded_look_back_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "EVENTS_MAX", 60)
    world = World()
    room = world.room("alice", "bob", "carol")
    room.receipt("bob", room.send("alice"))
    for _ in range(100):
        room.send("alice")
    worker = world.worker()
    answer = await worker.sync("bob")
    assert counts(answer, room) == (60, 0)
    world.questions.clear()
    room.send("alice")
    answer = await worker.sync("bob", answer["next_batch"])
    assert counts(answer, room) == (61, 0)
    assert world.questions == []


async def test_many_rooms_are_looked_into_only_so_deep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync_api.scope.EVENTS_OF_ANSWER_MAX", 50)
    world = World()
    rooms = [world.room("alice", "bob", "carol") for _ in range(4)]
    for room in rooms:
        for _ in range(60):
            room.send("alice")
    worker = world.worker()
    answer = await worker.sync("bob")
    told = sorted(counts(answer, room)[0] for room in rooms)
    assert told[0] < 60
    assert told[-1] == 60
    for room in rooms:
        room.send("alice")
        answer = await worker.sync("bob", answer["next_batch"])
        assert counts(answer, room) == (61, 0)


async def test_counts_end_somewhere() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    answer = await worker.sync("bob")
    for _ in range(NOTIFICATIONS_MAX // 50 + 2):
        for _ in range(50):
            room.send("alice")
        answer = await worker.sync("bob", answer["next_batch"])
    assert counts(answer, room) == (NOTIFICATIONS_MAX, 0)


async def test_readers_who_were_not_here_for_long_are_forgotten_first() -> None:
    world = World()
    room = world.room("alice", "bob", "carol")
    worker = world.worker()
    counters = worker.syncs.counters = UnreadCounters(2)
    for name in ("alice", "bob", "carol"):
        await worker.sync(name)
    assert len(counters) == 2
    room.send("carol")
    assert counts(await worker.sync("alice"), room) == (1, 0)


async def test_own_receipt_is_asked_for_where_memory_has_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync_api.room_contents.RECEIPTS_MAX", 2)
    world = World()
    room = world.room("alice", "bob", "carol")
    first = room.send("alice")
    room.receipt("bob", first)
    second = room.send("alice")
    for name in ("alice", "carol"):
        room.receipt(name, second)
    assert await fresh(world, room) == (1, 0)
