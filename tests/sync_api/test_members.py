"""Member events: lazy loading, heroes, large rooms."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync_api.world import World, event_ids, joined, lazy, user_id


async def test_lazy_loading_sends_the_members_of_senders_once() -> None:
    world = World()
    room = world.room("alice", "bob", "carol", state={"m.room.name": {"name": "x"}})
    for _ in range(12):
        room.send("bob")
    worker = world.worker()

    def members(answer: dict[str, Any]) -> set[str]:
        events = joined(answer, room.id)["state"]["events"]
        return {event["state_key"] for event in events if event["type"] == "m.room.member"}

    first = await worker.sync("alice", filter=lazy())
    assert members(first) == {user_id("alice"), user_id("bob")}
    room.send("bob")
    second = await worker.sync("alice", first["next_batch"], filter=lazy())
    assert members(second) == set()
    room.send("carol")
    third = await worker.sync("alice", second["next_batch"], filter=lazy())
    assert members(third) == {user_id("carol")}
    # The answer may have been lost on its way: the same token again, the same members again.
    again = await worker.sync("alice", second["next_batch"], filter=lazy())
    assert members(again) == {user_id("carol")}
    redundant = lazy()
    redundant["room"]["state"]["include_redundant_members"] = True
    room.send("carol")
    assert members(await worker.sync("alice", third["next_batch"], filter=redundant)) == {user_id("carol")}


@pytest.mark.parametrize("full_state", [False, True])
async def test_lazy_loading_sends_members_that_changed_in_a_gap_once(full_state: bool) -> None:
    world = World()
    room = world.room("alice", "bob", "carol", state={"m.room.name": {"name": "x"}})
    worker = world.worker()
    since = (await worker.sync("alice", filter=lazy()))["next_batch"]
    change = room.member("carol", "carol", "join", displayname="C")
    for _ in range(20):
        room.send("bob")
    section = joined(await worker.sync("alice", since, filter=lazy(), full_state=full_state), room.id)
    assert change in event_ids(section["state"])
    assert len(event_ids(section["state"])) == len(set(event_ids(section["state"])))


async def test_lazy_loading_sends_members_that_changed_while_the_user_left_and_came_back() -> None:
    world = World()
    room = world.room("alice", "bob", "carol", visibility="joined")
    worker = world.worker()
    for _ in range(12):
        room.send("bob")
    since = (await worker.sync("alice", filter=lazy()))["next_batch"]
    room.member("alice", "alice", "leave")
    change = room.member("bob", "bob", "leave")
    room.member("alice", "alice", "join")
    for full_state in (False, True):
        section = joined(await worker.sync("alice", since, filter=lazy(), full_state=full_state), room.id)
        assert change in event_ids(section["state"])


async def test_unnamed_room_has_heroes_and_their_members_are_there() -> None:
    world = World()
    room = world.room("alice", "bob", "carol", "dan", "erin", "fred", "gina")
    for _ in range(12):
        room.send("alice")
    section = joined(await world.worker().sync("bob", filter=lazy()), room.id)
    heroes = [user_id(name) for name in ("alice", "carol", "dan", "erin", "fred")]
    assert section["summary"]["m.heroes"] == heroes
    members = {event.get("state_key") for event in section["state"]["events"]}
    assert set(heroes) <= members
    assert user_id("gina") not in members


async def test_large_room_reads_the_members_that_it_needs() -> None:
    world = World()
    room = world.room("alice", *(f"user{number}" for number in range(250)), state={"m.room.name": {"name": "x"}})
    for number in range(20):
        room.send(f"user{number % 3}")
    worker = world.worker()
    section = joined(await worker.sync("alice", filter=lazy()), room.id)
    assert section["summary"]["m.joined_member_count"] == 251
    members = {event["state_key"] for event in section["state"]["events"] if event["type"] == "m.room.member"}
    assert members == {user_id(name) for name in ("alice", "user0", "user1", "user2")}
    everything = joined(await worker.sync("alice"), room.id)
    assert len([event for event in everything["state"]["events"] if event["type"] == "m.room.member"]) == 251
