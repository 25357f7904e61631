"""What single requests of /sync answer."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from matrix_protocol.errors import UnknownToken
from tests.sync_api.world import World, event_ids, joined, limit, user_id


async def test_initial_sync_has_the_newest_events_and_the_state_before_them() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "Tea"}})
    sent = [room.send("alice") for _ in range(12)]
    answer = await world.worker().sync("alice")
    section = joined(answer, room.id)
    assert event_ids(section["timeline"]) == sent[2:]
    assert section["timeline"]["limited"] is True
    assert {event["type"] for event in section["state"]["events"]} == {
        "m.room.create",
        "m.room.member",
        "m.room.name",
    }
    assert section["summary"] == {"m.joined_member_count": 1, "m.invited_member_count": 0}


async def test_state_that_is_in_the_timeline_is_not_in_the_state() -> None:
    world = World()
    room = world.room("alice")
    section = joined(await world.worker().sync("alice"), room.id)
    assert section["state"]["events"] == []
    assert section["timeline"]["limited"] is False
    assert len(section["timeline"]["events"]) == 2


async def test_state_is_that_at_the_start_of_the_timeline_when_it_changes_inside() -> None:
    world = World()
    room = world.room("alice")
    first = room.state("alice", "m.room.topic", "", {"topic": "old"})
    for _ in range(60):
        room.send("alice")
    second = room.state("alice", "m.room.topic", "", {"topic": "new"})
    section = joined(await world.worker().sync("alice", filter=limit(3)), room.id)
    assert event_ids(section["timeline"])[-1] == second
    assert first in event_ids(section["state"])
    after = joined(await world.worker().sync("alice", filter=limit(3), state_after=True), room.id)
    assert "state" not in after
    assert second in event_ids(after["state_after"])
    assert first not in event_ids(after["state_after"])


async def test_prev_batch_is_the_place_before_the_first_event() -> None:
    world = World()
    room = world.room("alice")
    for _ in range(20):
        room.send("alice")
    section = joined(await world.worker().sync("alice", filter=limit(5)), room.id)
    first_position = next(p for p, f in room.events() if f.event_id == section["timeline"]["events"][0]["event_id"])
    assert section["timeline"]["prev_batch"] == f"t{first_position - 1}"


async def test_incremental_sync_has_only_what_is_new() -> None:
    world = World()
    room, quiet = world.room("alice", "bob"), world.room("alice")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    sent = room.send("bob")
    answer = await worker.sync("alice", since)
    assert event_ids(joined(answer, room.id)["timeline"]) == [sent]
    assert joined(answer, room.id)["state"]["events"] == []
    assert "summary" not in joined(answer, room.id)
    assert quiet.id not in answer["rooms"]["join"]
    again = await worker.sync("alice", answer["next_batch"])
    assert again == {"next_batch": again["next_batch"]}


async def test_long_poll_ends_with_the_first_event() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    poll = asyncio.create_task(worker.sync("alice", since, timeout_ms=30_000))
    await world.clock.advance(3)
    assert not poll.done()
    sent = [room.send("bob"), room.send("bob")]
    answer = await poll
    assert event_ids(joined(answer, room.id)["timeline"]) == sent
    assert len(worker.waiters) == 0


async def test_long_poll_without_news_ends_empty_in_time_with_a_token_that_goes_on() -> None:
    world = World()
    room = world.room("alice", "bob")
    other = world.room("bob")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    poll = asyncio.create_task(worker.sync("alice", since, timeout_ms=5_000))
    await world.clock.advance(1)
    other.send("bob")
    await world.clock.advance(5.5)
    answer = await poll
    assert set(answer) == {"next_batch"}
    sent = room.send("bob")
    assert event_ids(joined(await worker.sync("alice", answer["next_batch"]), room.id)["timeline"]) == [sent]


async def test_draining_ends_long_polls_with_a_valid_token() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    poll = asyncio.create_task(worker.sync("alice", since, timeout_ms=30_000))
    await world.clock.advance(1)
    worker.waiters.drain()
    answer = await poll
    sent = room.send("bob")
    assert event_ids(joined(await world.worker().sync("alice", answer["next_batch"]), room.id)["timeline"]) == [sent]
    await worker.waiters.close()


async def test_timeline_of_a_long_gap_is_limited_and_tells_what_changed_in_it() -> None:
    world = World()
    room = world.room("alice", "bob", state={"m.room.name": {"name": "a"}, "m.room.topic": {"topic": "a"}})
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    name = room.state("alice", "m.room.name", "", {"name": "b"})
    carol = room.member("carol", "carol", "join")
    for _ in range(80):
        room.send("bob")
    topic = room.state("alice", "m.room.topic", "", {"topic": "b"})
    for section in (
        joined(await worker.sync("alice", since), room.id),
        joined(await world.worker().sync("alice", since), room.id),
    ):
        assert section["timeline"]["limited"] is True
        assert len(section["timeline"]["events"]) == 10
        assert event_ids(section["timeline"])[-1] == topic
        assert sorted(event_ids(section["state"])) == sorted([name, carol])
        assert section["summary"]["m.joined_member_count"] == 3


async def test_value_between_two_changes_is_in_the_state_of_a_limited_timeline() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "a"}})
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    between = room.state("alice", "m.room.name", "", {"name": "b"})
    for _ in range(60):
        room.send("alice")
    room.state("alice", "m.room.name", "", {"name": "c"})
    section = joined(await worker.sync("alice", since), room.id)
    assert event_ids(section["state"]) == [between]


async def test_timeline_within_the_limit_but_older_than_memory_is_read_from_the_room() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    sent = [room.send("bob") for _ in range(90)]
    section = joined(await worker.sync("alice", since, filter=limit(100)), room.id)
    assert event_ids(section["timeline"]) == sent
    assert section["timeline"]["limited"] is False


async def test_transaction_id_is_for_the_sending_device_alone() -> None:
    world = World()
    room = world.room("alice", "bob")
    room.send("alice", device="PHONE", txn='m"1')
    worker = world.worker()

    async def unsigned(name: str, device: str) -> Any:
        section = joined(await worker.sync(name, device=device), room.id)
        return section["timeline"]["events"][-1]["unsigned"]

    assert (await unsigned("alice", "PHONE"))["transaction_id"] == 'm"1'
    assert "transaction_id" not in await unsigned("alice", "LAPTOP")
    assert "transaction_id" not in await unsigned("bob", "PHONE")


async def test_unsigned_tells_age_and_own_membership() -> None:
    world = World()
    room = world.room("alice")
    room.send("alice")
    await world.clock.advance(5)
    event = joined(await world.worker().sync("alice"), room.id)["timeline"]["events"][-1]
    assert event["unsigned"] == {"age": 5000, "membership": "join"}


async def test_redacted_event_is_sent_without_its_content_from_then_on() -> None:
    world = World()
    room = world.room("alice")
    sent = room.send("alice", "secret")
    name = room.state("alice", "m.room.name", "", {"name": "secret"})
    worker = world.worker()
    await worker.sync("alice")
    room.redact("alice", sent)
    room.redact("alice", name)
    assert b"secret" not in await worker.sync_json("alice")
    for _ in range(20):
        room.send("alice")
    assert b"secret" not in await worker.sync_json("alice")


async def test_typing_and_receipts_are_ephemeral_and_sent_once() -> None:
    world = World()
    room = world.room("alice", "bob")
    sent = room.send("alice")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    poll = asyncio.create_task(worker.sync("alice", since, timeout_ms=10_000))
    await world.clock.advance(1)
    room.typing("bob")
    room.receipt("bob", sent)
    answer = await poll
    assert joined(answer, room.id)["ephemeral"]["events"] == [
        {"type": "m.typing", "content": {"user_ids": [user_id("bob")]}},
        {"type": "m.receipt", "content": {sent: {"m.read": {user_id("bob"): {"ts": 7}}}}},
    ]
    assert joined(answer, room.id)["timeline"]["events"] == []
    assert "rooms" not in await worker.sync("alice", answer["next_batch"])
    room.typing("bob", False)
    stopped = joined(await worker.sync("alice", answer["next_batch"]), room.id)
    assert stopped["ephemeral"]["events"] == [{"type": "m.typing", "content": {"user_ids": []}}]


async def test_private_receipt_is_its_users_alone_and_wakes_nobody_else() -> None:
    world = World()
    room = world.room("alice", "bob")
    sent = room.send("alice")
    worker = world.worker()
    since = {name: (await worker.sync(name))["next_batch"] for name in ("alice", "bob")}
    polls = {n: asyncio.create_task(worker.sync(n, since[n], timeout_ms=10_000)) for n in since}
    await world.clock.advance(1)
    room.receipt("bob", sent, kind="m.read.private", thread="main")
    await world.clock.advance(1)
    assert not polls["alice"].done()
    content = joined(await polls["bob"], room.id)["ephemeral"]["events"][0]["content"]
    assert content == {sent: {"m.read.private": {user_id("bob"): {"ts": 7, "thread_id": "main"}}}}
    await world.clock.advance(10)
    assert "rooms" not in await polls["alice"]
    assert b"private" not in await world.worker().sync_json("alice")


async def test_threaded_and_unthreaded_receipts_of_one_event_are_both_told() -> None:
    world = World()
    room = world.room("alice", "bob")
    sent = room.send("alice")
    for thread in ("", "main", "$root"):
        room.receipt("bob", sent, thread=thread)
    events = joined(await world.worker().sync("alice"), room.id)["ephemeral"]["events"]
    receipts = [event["content"][sent]["m.read"][user_id("bob")] for event in events]
    assert receipts == [{"ts": 7}, {"ts": 7, "thread_id": "main"}, {"ts": 7, "thread_id": "$root"}]


async def test_who_stopped_typing_is_told_by_a_worker_that_never_saw_them_type() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    await worker.sync("alice")
    room.typing("bob")
    since = (await worker.sync("alice"))["next_batch"]
    room.typing("bob", False)
    other = world.worker()
    answer = await other.sync("alice", since)
    assert joined(answer, room.id)["ephemeral"]["events"] == [{"type": "m.typing", "content": {"user_ids": []}}]
    assert "rooms" not in await other.sync("alice", answer["next_batch"])


async def test_long_poll_ends_with_its_access_token() -> None:
    world = World()
    room = world.room("alice")
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    polls = {
        token: asyncio.create_task(worker.sync("alice", since, timeout_ms=30_000, token=token))
        for token in (b"mine", b"other")
    }
    await world.clock.advance(1)
    alice = worker.users.get(user_id("alice"))
    assert alice is not None
    worker.waiters.revoke(alice, [b"mine"])
    with pytest.raises(UnknownToken):
        await polls[b"mine"]
    assert not polls[b"other"].done()
    sent = room.send("alice")
    assert event_ids(joined(await polls[b"other"], room.id)["timeline"]) == [sent]


async def test_event_fields_choose_what_is_told_of_events() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "a"}})
    room.send("alice", "hello")
    wanted = {"event_fields": ["type", "content.body", "content.name"], "room": {"timeline": {"limit": 1}}}
    section = joined(await world.worker().sync("alice", filter=wanted), room.id)
    assert section["timeline"]["events"] == [{"type": "m.room.message", "content": {"body": "hello"}}]
    assert {"type": "m.room.name", "content": {"name": "a"}} in section["state"]["events"]


async def test_account_data_global_and_of_rooms() -> None:
    world = World()
    room = world.room("alice")
    world.set_account_data("alice", "m.direct", {"a": []})
    worker = world.worker()
    first = await worker.sync("alice")
    assert first["account_data"]["events"] == [{"type": "m.direct", "content": {"a": []}}]
    poll = asyncio.create_task(worker.sync("alice", first["next_batch"], timeout_ms=10_000))
    await world.clock.advance(1)
    world.set_account_data("alice", "m.tag", {"tags": {}}, room.id)
    answer = await poll
    assert "account_data" not in answer
    assert joined(answer, room.id)["account_data"]["events"] == [{"type": "m.tag", "content": {"tags": {}}}]


async def test_ignored_users_messages_are_dropped_but_not_their_state() -> None:
    world = World()
    room = world.room("alice", "bob")
    world.set_account_data("alice", "m.ignored_user_list", {"ignored_users": {user_id("bob"): {}}})
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    room.send("bob", "noise")
    state = room.member("bob", "bob", "join", displayname="B")
    assert event_ids(joined(await worker.sync("alice", since), room.id)["timeline"]) == [state]
    world.room("bob").member("bob", "alice", "invite")
    assert "invite" not in (await worker.sync("alice"))["rooms"]


async def test_full_state_sends_all_state_and_only_new_events() -> None:
    world = World()
    room = world.room("alice", state={"m.room.name": {"name": "a"}})
    worker = world.worker()
    since = (await worker.sync("alice"))["next_batch"]
    sent = room.send("alice")
    section = joined(await worker.sync("alice", since, full_state=True), room.id)
    assert event_ids(section["timeline"]) == [sent]
    assert len(section["state"]["events"]) == 3


async def test_events_that_the_filter_keeps_out_do_not_end_a_long_poll() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    wanted = {"room": {"timeline": {"not_types": ["m.noise*"]}}}
    since = (await worker.sync("alice", filter=wanted))["next_batch"]
    poll = asyncio.create_task(worker.sync("alice", since, filter=wanted, timeout_ms=10_000))
    await world.clock.advance(1)
    room.send("bob", kind="m.noise.loud")
    await world.clock.advance(1)
    assert not poll.done()
    sent = room.send("bob")
    assert event_ids(joined(await poll, room.id)["timeline"]) == [sent]


async def test_state_that_the_timeline_filter_leaves_out_comes_as_state() -> None:
    world = World()
    room = world.room("alice", "bob")
    worker = world.worker()
    wanted = {"room": {"timeline": {"types": ["m.room.message"]}}}
    since = (await worker.sync("alice", filter=wanted))["next_batch"]
    name = room.state("bob", "m.room.name", "", {"name": "x"})
    sent = room.send("bob")
    section = joined(await worker.sync("alice", since, filter=wanted), room.id)
    assert event_ids(section["timeline"]) == [sent]
    assert event_ids(section["state"]) == [name]


async def test_rooms_can_be_filtered() -> None:
    world = World()
    here, there = world.room("alice"), world.room("alice")
    answer = await world.worker().sync("alice", filter={"room": {"not_rooms": [there.id]}})
    assert set(answer["rooms"]["join"]) == {here.id}


async def test_answer_for_several_waiting_users_is_made_once() -> None:
    world = World()
    names = [f"user{number}" for number in range(5)]
    room = world.room("alice", *names)
    worker = world.worker()
    since = {name: (await worker.sync(name))["next_batch"] for name in names}
    polls = [asyncio.create_task(worker.sync_json(name, since[name], timeout_ms=10_000)) for name in names]
    await world.clock.advance(1)
    room.send("alice")
    timelines = [joined(orjson.loads(await poll), room.id)["timeline"] for poll in polls]
    assert all(timeline == timelines[0] for timeline in timelines)
    view = worker.rooms.get(room.id)
    assert view is not None
    assert view.contents is not None
    assert len(view.contents.fragments) == 1
