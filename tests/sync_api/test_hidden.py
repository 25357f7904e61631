"""State that a filter or the history visibility keeps out of the timeline, and rooms that a filter keeps out."""

from __future__ import annotations

import pytest

from tests.sync_api.world import World, event_ids, joined, limit, user_id


async def test_state_that_a_sender_filter_hides_has_the_last_word() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    wanted = {"room": {"timeline": {"limit": 10, "not_senders": [user_id("bob")]}}}
    since = (await worker.sync("alice", filter=wanted))["next_batch"]
    shown = room.state("alice", "m.room.name", "", {"name": "old"})
    hidden = room.state("bob", "m.room.name", "", {"name": "new"})
    sent = room.send("alice")
    section = joined(await worker.sync("alice", since, filter=wanted), room.id)
    assert event_ids(section["state"]) == [hidden]
    assert event_ids(section["timeline"]) == [sent]
    assert section["timeline"]["limited"] is True
    after = joined(await worker.sync("alice", since, filter=wanted, state_after=True), room.id)
    assert event_ids(after["state_after"]) == [hidden]
    assert event_ids(after["timeline"]) == [shown, sent]


async def test_state_that_was_not_visible_has_the_last_word() -> None:
    world = World()
    room = world.room("alice", "carol")
    room.member("carol", "carol", "join", displayname="Carol")
    room.visibility = "joined"
    hidden = room.member("carol", "carol", "leave")
    join = room.member("bob", "bob", "join")
    section = joined(await world.worker().sync("bob", filter=limit(100)), room.id)
    assert hidden in event_ids(section["state"])
    assert event_ids(section["timeline"]) == [join]
    assert section["timeline"]["limited"] is True


async def test_room_that_one_clients_filter_leaves_out_is_news_to_another() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    nothing = {"room": {"rooms": []}}
    narrow = (await worker.sync("bob", filter=nothing))["next_batch"]
    await worker.sync("bob", narrow, filter=nothing)
    sent = room.send("alice")
    answer = await worker.sync("bob", narrow)
    assert event_ids(joined(answer, room.id)["timeline"]) == [sent]


@pytest.mark.parametrize("is_forgotten", [True, False])
async def test_leave_of_a_forgotten_room_does_not_claim_that_nothing_was_before(is_forgotten: bool) -> None:
    world = World()
    room = world.room("alice", "bob")
    since = (await world.worker().sync("bob"))["next_batch"]
    sent = room.send("alice")
    leave = room.member("bob", "bob", "leave")
    if is_forgotten:
        room.forget("bob")
    timeline = (await world.worker().sync("bob", since))["rooms"]["leave"][room.id]["timeline"]
    assert event_ids(timeline) == ([leave] if is_forgotten else [sent, leave])
    assert timeline["limited"] is is_forgotten
