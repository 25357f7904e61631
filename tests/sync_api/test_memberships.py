"""Rooms that users are invited to, join, leave and come back to."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from tests.sync_api.world import World, event_ids, joined, lazy, limit


async def test_invite_is_in_the_invite_section_once() -> None:
    world = World()
    room = world.room("alice")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    poll = asyncio.create_task(worker.sync("bob", since, timeout_ms=10_000))
    await world.clock.advance(1)
    room.member("alice", "bob", "invite")
    answer = await poll
    stripped = answer["rooms"]["invite"][room.id]["invite_state"]["events"]
    assert stripped[-1]["content"]["membership"] == "invite"
    assert "rooms" not in await worker.sync("bob", answer["next_batch"])
    assert room.id in (await worker.sync("bob"))["rooms"]["invite"]


async def test_joined_room_is_new_with_its_whole_state_and_some_past() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "a"}})
    for _ in range(20):
        room.send("alice")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    poll = asyncio.create_task(worker.sync("bob", since, timeout_ms=10_000))
    await world.clock.advance(1)
    join = room.member("bob", "bob", "join")
    section = joined(await poll, room.id)
    assert event_ids(section["timeline"])[-1] == join
    assert len(section["timeline"]["events"]) == 10
    assert {event["type"] for event in section["state"]["events"]} == {"m.room.create", "m.room.member", "m.room.name"}


async def test_profile_change_after_the_join_does_not_hide_that_the_room_is_new() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "a"}})
    since = (await world.worker().sync("bob"))["next_batch"]
    room.member("bob", "bob", "join")
    room.member("bob", "bob", "join", displayname="Bob")
    section = joined(await world.worker().sync("bob", since, filter=limit(1)), room.id)
    assert "m.room.name" in {event["type"] for event in section["state"]["events"]}


async def test_profile_change_of_an_old_member_is_only_an_event() -> None:
    world = World()
    room = world.room("alice", "bob", state={"m.room.name": {"name": "a"}})
    since = (await world.worker().sync("bob"))["next_batch"]
    change = room.member("bob", "bob", "join", displayname="Bob")
    section = joined(await world.worker().sync("bob", since), room.id)
    assert event_ids(section["timeline"]) == [change]
    assert section["state"]["events"] == []


async def test_history_of_joined_visibility_is_not_shown_to_those_who_come_later() -> None:
    world = World()
    room = world.room("alice", visibility="joined")
    room.send("alice", "secret")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    join = room.member("bob", "bob", "join")
    sent = room.send("alice")
    for answer in (await worker.sync("bob", since), await worker.sync("bob"), await world.worker().sync("bob")):
        assert event_ids(joined(answer, room.id)["timeline"]) == [join, sent]
        assert b"secret" not in orjson.dumps(answer)


async def test_left_room_has_the_events_up_to_the_leave_and_nothing_later() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    sent = room.send("alice")
    kick = room.member("alice", "bob", "leave", reason="out")
    room.send("alice", "after")
    for at in (worker, world.worker()):
        answer = await at.sync("bob", since)
        assert event_ids(answer["rooms"]["leave"][room.id]["timeline"]) == [sent, kick]
        assert "join" not in answer["rooms"]
        assert "rooms" not in await at.sync("bob", answer["next_batch"])
    assert "rooms" not in await worker.sync("bob")
    archived = await worker.sync("bob", filter={"room": {"include_leave": True}})
    assert event_ids(archived["rooms"]["leave"][room.id]["timeline"])[-1] == kick


async def test_forgotten_room_is_not_among_the_left_ones() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    room.member("bob", "bob", "leave")
    room.forget("bob")
    for at in (worker, world.worker()):
        assert "rooms" not in await at.sync("bob", filter={"room": {"include_leave": True}})


async def test_ban_after_a_leave_does_not_hide_the_events_before() -> None:
    world = World()
    room = world.room("alice", "bob")
    since = (await world.worker().sync("bob"))["next_batch"]
    sent = room.send("alice")
    leave = room.member("bob", "bob", "leave")
    room.send("alice", "unseen")
    ban = room.member("alice", "bob", "ban")
    answer = await world.worker().sync("bob", since)
    assert event_ids(answer["rooms"]["leave"][room.id]["timeline"]) == [sent, leave, ban]


async def test_rejected_invite_is_a_left_room_with_the_rejection_only() -> None:
    world = World()
    room = world.room("alice")
    room.send("alice", "unseen")
    room.member("alice", "bob", "invite")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    rejection = room.member("bob", "bob", "leave")
    section = (await worker.sync("bob", since))["rooms"]["leave"][room.id]
    assert event_ids(section["timeline"]) == [rejection]
    assert section["state"]["events"] == []


@pytest.mark.parametrize("options", [{}, {"filter": {"room": {"state": {"lazy_load_members": True}}}}])
@pytest.mark.parametrize("before", ["join", "invite", "knock"])
async def test_state_after_of_a_left_room_says_how_it_ended(before: str, options: dict[str, Any]) -> None:
    world = World()
    room = world.room("alice")
    room.member("alice" if before == "invite" else "bob", "bob", before)
    worker = world.worker()
    since = (await worker.sync("bob", **options))["next_batch"]
    end = room.member("alice", "bob", "leave")
    for at in (worker, world.worker()):
        left = (await at.sync("bob", since, state_after=True, **options))["rooms"]["leave"][room.id]
        assert event_ids(left["state_after"]).count(end) == 1


async def test_leave_and_join_again_sends_no_event_twice() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    first = await worker.sync("bob")
    seen = event_ids(joined(first, room.id)["timeline"])
    leave = room.member("bob", "bob", "leave")
    second = await worker.sync("bob", first["next_batch"])
    missed = room.send("alice")
    join = room.member("bob", "bob", "join")
    third = joined(await worker.sync("bob", second["next_batch"]), room.id)
    assert event_ids(second["rooms"]["leave"][room.id]["timeline"]) == [leave]
    assert event_ids(third["timeline"]) == [missed, join]
    assert not set(seen) & set(event_ids(third["timeline"]))


async def test_who_comes_back_is_told_that_there_is_a_gap() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    await worker.sync("bob")
    room.member("bob", "bob", "leave")
    room.send("alice", "while bob is away")
    since = (await worker.sync("bob"))["next_batch"]
    join = room.member("bob", "bob", "join")
    for answer in (await worker.sync("bob", since), await world.worker().sync("bob", since)):
        timeline = joined(answer, room.id)["timeline"]
        assert event_ids(timeline) == [join]
        assert timeline["limited"] is True


async def test_who_came_back_and_left_between_two_requests_is_told_that_there_is_a_gap() -> None:
    world = World()
    room = world.room("alice", "bob")
    room.member("bob", "bob", "leave")
    topic = room.state("alice", "m.room.topic", "", {"topic": "while bob is away"})
    since = (await world.worker().sync("bob"))["next_batch"]
    came_and_went = [room.member("bob", "bob", "join"), room.member("bob", "bob", "leave")]
    left = (await world.worker().sync("bob", since))["rooms"]["leave"][room.id]
    assert event_ids(left["timeline"]) == came_and_went
    assert left["timeline"]["limited"] is True
    assert topic in event_ids(left["state"])


async def test_who_left_and_came_back_between_two_requests_misses_nothing() -> None:
    world = World()
    room = world.room("alice", "bob")
    since = (await world.worker().sync("bob"))["next_batch"]
    sent = [room.member("bob", "bob", "leave"), room.send("alice"), room.member("bob", "bob", "join")]
    timeline = joined(await world.worker().sync("bob", since), room.id)["timeline"]
    assert event_ids(timeline) == sent
    assert timeline["limited"] is False


async def test_events_tell_the_membership_that_the_user_had_then() -> None:
    world = World()
    room = world.room("alice")
    room.send("alice")
    room.member("alice", "bob", "invite")
    room.send("alice")
    room.member("bob", "bob", "join")
    room.member("bob", "bob", "leave")
    room.send("alice")
    room.member("bob", "bob", "join")
    room.member("bob", "bob", "join", displayname="Bob")
    expected = ["leave"] * 3 + ["invite"] * 2 + ["join", "leave", "leave", "join", "join"]
    worker = world.worker()
    for wanted in (limit(50), {"room": {"timeline": {"limit": 50, "types": ["*"]}}}):
        events = joined(await worker.sync("bob", filter=wanted), room.id)["timeline"]["events"]
        assert [event["unsigned"]["membership"] for event in events] == expected


async def test_events_of_a_left_room_tell_the_membership_too() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    room.send("alice")
    room.member("alice", "bob", "leave")
    events = (await worker.sync("bob", since))["rooms"]["leave"][room.id]["timeline"]["events"]
    assert [event["unsigned"]["membership"] for event in events] == ["join", "leave"]
    invited = world.room("alice", visibility="joined")
    invited.member("alice", "bob", "invite")
    invited.member("bob", "bob", "leave")
    events = (await worker.sync("bob", since))["rooms"]["leave"][invited.id]["timeline"]["events"]
    assert [event["unsigned"]["membership"] for event in events] == ["leave"]


async def test_full_state_repeats_invites_and_left_rooms_that_are_asked_for() -> None:
    world = World()
    invited, left, forgotten = world.room("alice"), world.room("alice", "bob"), world.room("alice", "bob")
    invited.member("alice", "bob", "invite")
    for room in (left, forgotten):
        room.member("bob", "bob", "leave")
    forgotten.forget("bob")
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    assert "rooms" not in await worker.sync("bob", since)
    answer = await worker.sync("bob", since, full_state=True)
    assert set(answer["rooms"]) == {"invite"}
    assert set(answer["rooms"]["invite"]) == {invited.id}
    answer = await worker.sync("bob", since, full_state=True, filter={"room": {"include_leave": True}})
    section = answer["rooms"]["leave"]
    assert set(section) == {left.id}
    assert section[left.id]["timeline"]["events"] == []
    assert {event["type"] for event in section[left.id]["state"]["events"]} == {"m.room.create", "m.room.member"}


@pytest.mark.parametrize("options", [{}, {"state_after": True}, {"filter": lazy()}])
@pytest.mark.parametrize("before", ["join", "invite", "knock"])
async def test_how_a_membership_ended_is_part_of_the_state(options: dict[str, Any], before: str) -> None:
    world = World()
    room = world.room("alice")
    room.member("bob", "bob", before)
    worker = world.worker()
    since = (await worker.sync("bob"))["next_batch"]
    end = room.member("alice", "bob", "leave")
    left = (await worker.sync("bob", since, **options))["rooms"]["leave"][room.id]
    if "state_after" in options:
        assert end in event_ids(left["state_after"])
    else:
        assert end in event_ids(left["timeline"]) + event_ids(left["state"])
    messages = {"room": {"timeline": {"types": ["m.room.message"]}}}
    left = (await worker.sync("bob", since, filter=messages))["rooms"]["leave"][room.id]
    assert end in event_ids(left["state"])
