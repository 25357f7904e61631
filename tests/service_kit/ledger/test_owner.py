from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import Forbidden, LimitExceeded, Unavailable, Unknown
from service_kit.bus import streams
from service_kit.ledger import owner as owner_module
from service_kit.ledger.append import OwnershipLost
from service_kit.ledger.pending import PREPARED_TIMES_MAX
from service_kit.ledger.tables import SHARD_PROGRESS
from service_kit.rpc.pb.commands_pb2 import Command, Reply
from service_kit.rpc.queries import WrongOwner
from service_kit.store.interface import OutcomeUnknown, StoreUnavailable
from tests.service_kit.ledger.counters import settle, text, texts_of, until
from tests.service_kit.ledger.owner_scene import ROOM_ID, SHARD, Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


@pytest.fixture
async def plain_scene() -> AsyncIterator[Scene]:
    """With a store that does not write the tables together with the ledger."""
    scene = Scene(atomic_tables=False)
    yield scene
    await scene.close()


async def test_command_is_answered_after_its_fact_and_tables_are_written(scene: Scene) -> None:
    await scene.owner()
    assert await scene.send("one") == "$1"
    assert await scene.contents() == ["one"]
    assert await texts_of(scene.store, ROOM_ID) == ["one"]
    assert scene.domain.committed_positions == [1]


async def test_first_fact_carries_the_command_id_and_the_reply(scene: Scene) -> None:
    await scene.owner()
    await scene.send("3", "many")
    first, second, third = await scene.facts()
    assert len(first.command_id) == 16
    assert Reply.FromString(first.command_reply).room.event_id == "$1"
    assert not second.command_id
    assert not third.command_reply
    assert first.written_at_ms == scene.clock.now_ms()


async def test_commands_that_wait_are_committed_in_one_append_in_order(scene: Scene) -> None:
    await scene.owner()
    await scene.send("0")
    before = scene.store.calls["insert_all_if_absent"]
    replies = await asyncio.gather(*(scene.send(str(number)) for number in range(1, 51)))
    assert replies == [f"${number + 1}" for number in range(1, 51)]
    assert await scene.contents() == [str(number) for number in range(51)]
    assert scene.store.calls["insert_all_if_absent"] - before <= 3


async def test_command_that_adds_nothing_needs_no_append(scene: Scene) -> None:
    await scene.owner()
    assert await scene.send("", "read") == "$0"
    assert scene.store.calls["insert_all_if_absent"] == 0


@pytest.mark.parametrize("event_type", ["refuse", "refuse in prepare"])
async def test_refusal_comes_back_as_the_same_error(scene: Scene, event_type: str) -> None:
    await scene.owner()
    with pytest.raises(Forbidden):
        await scene.send("x", event_type)
    assert await scene.contents() == []


@pytest.mark.parametrize("times", [1, PREPARED_TIMES_MAX - 1])
async def test_a_command_whose_preparation_is_outdated_is_prepared_anew(scene: Scene, times: int) -> None:
    await scene.owner()
    scene.domain.outdated_times = times
    first, second = scene.start_sending("one", "outdated"), scene.start_sending("two")
    assert {await first, await second} == {"$1", "$2"}
    assert sorted(await scene.contents()) == ["one", "two"]
    assert scene.domain.executed.count("one") == times + 1


async def test_a_command_that_is_outdated_again_and_again_is_refused(scene: Scene) -> None:
    await scene.owner()
    scene.domain.outdated_times = 1000
    with pytest.raises(Unavailable):
        await scene.send("one", "outdated")
    assert scene.domain.executed == ["one"] * PREPARED_TIMES_MAX
    assert await scene.contents() == []


async def test_refusal_waits_for_the_commit_of_what_it_may_rest_on(scene: Scene) -> None:
    await scene.owner()
    await scene.send("loaded")
    gate = asyncio.Event()

    async def hold(call: str) -> None:
        if call == "insert_all_if_absent":
            await gate.wait()

    scene.store.before_call = hold
    sent, refused = scene.start_sending("text"), scene.start_sending("x", "refuse")
    await settle()
    assert not refused.done()
    gate.set()
    assert await sent == "$2"
    with pytest.raises(Forbidden):
        await refused


async def test_command_sent_twice_is_done_once_and_answered_twice(scene: Scene) -> None:
    await scene.owner()
    bus = scene.bus.connect()
    deadline_at_ms = scene.clock.now_ms() + 1000
    command = Command(command_id=b"c" * 16, key=ROOM_ID, deadline_at_ms=deadline_at_ms, room=text("once"))
    payload = command.SerializeToString()
    subject = streams.command(SHARD)
    both = await asyncio.gather(*(bus.request(subject, payload, timeout_s=5) for _ in range(2)))
    later = await bus.request(subject, payload, timeout_s=5)
    assert both == [later, later]
    assert await scene.contents() == ["once"]


async def test_command_repeated_at_the_next_owner_gets_the_same_reply_and_one_fact(scene: Scene) -> None:
    first = await scene.owner()
    command = Command(command_id=b"c" * 16, key=ROOM_ID, deadline_at_ms=scene.clock.now_ms() + 30_000, room=text("a"))
    bus, subject, payload = scene.bus.connect(), streams.command(SHARD), command.SerializeToString()
    reply = await bus.request(subject, payload, timeout_s=5)
    await scene.send("b")
    await first.abandon()
    await scene.owner()
    assert await bus.request(subject, payload, timeout_s=5) == reply
    assert await scene.contents() == ["a", "b"]


async def test_command_past_its_deadline_is_dropped(scene: Scene) -> None:
    await scene.owner()
    command = Command(command_id=b"c" * 16, key=ROOM_ID, deadline_at_ms=scene.clock.now_ms() - 1, room=text("late"))
    await scene.bus.connect().publish(streams.command(SHARD), command.SerializeToString())
    await scene.send("in time")
    assert await scene.contents() == ["in time"]


async def test_unreadable_command_is_dropped(scene: Scene) -> None:
    await scene.owner()
    await scene.bus.connect().publish(streams.command(SHARD), b"\xff\xff")
    assert await scene.send("a") == "$1"


async def test_too_many_waiting_commands_are_refused_with_a_time_to_retry(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_module, "COMMANDS_WAITING_MAX", 3)
    await scene.owner()
    scene.domain.gate = asyncio.Event()
    waiting = [scene.start_sending(str(number)) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded) as refused:
        await scene.send("too much")
    assert refused.value.extra["retry_after_ms"] == 1000
    scene.domain.gate.set()
    assert len(await asyncio.gather(*waiting)) == 3
    assert await scene.send("again") == "$4"


async def test_slow_preparation_does_not_hold_up_other_commands(scene: Scene) -> None:
    await scene.owner()
    await scene.send("loaded")
    scene.domain.gate = asyncio.Event()
    slow = scene.start_sending("slow", "slow")
    assert await scene.send("fast") == "$2"
    scene.domain.gate.set()
    assert await slow == "$3"


async def test_of_two_owners_the_zombie_steps_down_without_a_trace(scene: Scene) -> None:
    zombie = await scene.owner()
    await scene.send("a")
    for subscription in zombie._subscriptions:
        await subscription.unsubscribe()
    owner = await scene.owner()
    assert await scene.send("b") == "$2"
    # The zombie still believes that it owns the shard, and gets a command.
    zombie_command = Command(
        command_id=b"z" * 16, key=ROOM_ID, deadline_at_ms=scene.clock.now_ms() + 30_000, room=text("from the zombie")
    )
    bus = scene.bus.connect()
    subscription = await bus.subscribe("zombie", zombie._on_command)
    answer = asyncio.ensure_future(
        scene.bus.connect().request("zombie", zombie_command.SerializeToString(), timeout_s=9)
    )
    await until(lambda: scene.lost == [zombie])
    assert not zombie.is_serving
    await zombie.abandon()
    assert Reply.FromString(await answer).moved
    await subscription.unsubscribe()
    assert await scene.contents() == ["a", "b"]
    assert await scene.send("c") == "$3"
    assert owner.is_serving


@pytest.mark.parametrize("happened", [True, False])
async def test_unknown_outcome_of_an_append_is_settled_unseen(scene: Scene, happened: bool) -> None:
    await scene.owner()
    scene.store.fail_next_write(OutcomeUnknown("lost"), happened=happened)
    assert await scene.send("a") == "$1"
    assert await scene.contents() == ["a"]


async def test_append_waits_until_the_store_is_back(scene: Scene) -> None:
    await scene.owner()
    await scene.send("a")
    scene.store.fail_next_write(StoreUnavailable("away"))
    sending = scene.start_sending("b")
    await settle()
    await scene.clock.advance(0.2)
    assert await sending == "$2"
    assert await scene.contents() == ["a", "b"]


async def test_a_command_that_needs_a_store_that_is_away_is_refused_as_worth_trying_again(scene: Scene) -> None:
    await scene.owner()
    scene.store.is_available = False
    with pytest.raises(Unavailable):
        await scene.send("a")
    scene.store.is_available = True
    assert await scene.send("a") == "$1"
    assert await scene.contents() == ["a"]


async def test_a_flaw_that_added_facts_costs_only_its_command_and_the_memory(scene: Scene) -> None:
    await scene.owner()
    await scene.send("a")
    outcomes = await asyncio.gather(scene.send("b"), scene.send("x", "fail"), scene.send("c"), return_exceptions=True)
    assert outcomes[0] == "$2"
    assert isinstance(outcomes[1], Unknown)
    assert outcomes[2] == "$3"
    assert await scene.contents() == ["a", "b", "c"]
    assert len(scene.made) == 2
    assert scene.made[0].is_closed
    assert scene.made[1].recovered_at == 2


async def test_redo_writes_the_tables_that_a_crashed_owner_left_behind(plain_scene: Scene) -> None:
    scene = plain_scene
    crashed = await scene.owner()
    await scene.send("a")
    await until(lambda: crashed.applied_position == 1)
    gate = asyncio.Event()

    async def hold_tables(call: str) -> None:
        if call == "write":
            await gate.wait()

    scene.store.before_call = hold_tables
    assert await scene.send("b") == "$2"
    assert await scene.send("c") == "$3"
    assert await texts_of(scene.store, ROOM_ID) == ["a"]
    await crashed.abandon()
    scene.store.before_call = None
    owner = await scene.owner()
    assert scene.domain.recovered_at == 3
    assert owner.applied_position == 3
    assert await texts_of(scene.store, ROOM_ID) == ["a", "b", "c"]
    assert await scene.send("d") == "$4"


async def test_wait_applied_returns_when_the_tables_hold_the_position(plain_scene: Scene) -> None:
    scene = plain_scene
    owner = await scene.owner()
    gate = asyncio.Event()

    async def hold_tables(call: str) -> None:
        if call == "write":
            await gate.wait()

    scene.store.before_call = hold_tables
    await scene.send("a")
    waiting = asyncio.ensure_future(owner.wait_applied(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    await waiting
    assert await texts_of(scene.store, ROOM_ID) == ["a"]


async def test_waiting_for_the_tables_ends_when_the_shard_is_lost(plain_scene: Scene) -> None:
    owner = await plain_scene.owner()
    waiting = asyncio.ensure_future(owner.wait_applied(1))
    await settle()
    await owner.abandon()
    with pytest.raises(WrongOwner):
        await waiting


async def test_hand_over_finishes_what_was_begun_and_leaves_nothing_to_redo(plain_scene: Scene) -> None:
    scene = plain_scene
    first = await scene.owner()
    sending = [scene.start_sending(str(number)) for number in range(20)]
    await until(lambda: bool(scene.made[0].executed))
    await first.hand_over()
    assert scene.made[0].is_closed
    progress = await scene.store.get(SHARD_PROGRESS, (str(SHARD),))
    assert progress is not None
    assert progress.applied_through == first.committed_position == 20
    await scene.owner()
    await scene.clock.advance(1)
    assert len(await asyncio.gather(*sending)) == 20
    assert await scene.contents() == [str(number) for number in range(20)]


@pytest.mark.parametrize("atomic_tables", [True, False])
async def test_progress_is_recorded_lazily_and_at_hand_over(atomic_tables: bool) -> None:
    scene = Scene(atomic_tables=atomic_tables)
    owner = await scene.owner()
    await scene.send("a")
    await scene.send("b")
    assert await scene.store.get(SHARD_PROGRESS, (str(SHARD),)) is None
    await scene.clock.advance(6)
    await scene.send("c")
    await owner.wait_applied(3)
    progress = await scene.store.get(SHARD_PROGRESS, (str(SHARD),))
    assert progress is not None
    assert progress.applied_through == 3
    await scene.send("d")
    await owner.hand_over()
    progress = await scene.store.get(SHARD_PROGRESS, (str(SHARD),))
    assert progress is not None
    assert progress.applied_through == 4
    await scene.close()


@pytest.mark.slow
async def test_batches_end_before_the_bucket_does(scene: Scene) -> None:
    owner = await scene.owner()
    for _ in range(12):
        await scene.send("900", "many")
    # Ten such commands fill bucket 0 through 9,000; it has no sure room for an eleventh, so bucket 1 takes two.
    assert owner.committed_position == 10_000 + 2 * 900 - 1
    assert len(await texts_of(scene.store, ROOM_ID)) == 12 * 900


@pytest.mark.slow
async def test_ledger_buckets_past_their_retention_are_dropped_once_applied(scene: Scene) -> None:
    owner = await scene.owner()
    for _ in range(11):
        await scene.send("900", "many")
    now_ms = scene.clock.now_ms()
    assert await owner.expire(now_ms + 1) == 1
    assert await owner.expire(now_ms + 1) == 0
    assert await scene.send("after") == "$12"
    await owner.hand_over()
    await scene.owner()
    assert len(await texts_of(scene.store, ROOM_ID)) == 11 * 900 + 1
    assert await scene.send("after") == f"${11 * 900 + 2}"


@pytest.mark.slow
async def test_younger_ledger_buckets_are_kept(scene: Scene) -> None:
    owner = await scene.owner()
    for _ in range(11):
        await scene.send("900", "many")
    assert await owner.expire(scene.clock.now_ms()) == 0


async def test_command_with_too_many_facts_is_refused_as_our_flaw(scene: Scene) -> None:
    await scene.owner()
    with pytest.raises(Unknown):
        await scene.send("1001", "many")
    assert await scene.contents() == []
    assert await scene.send("a") == "$1"


async def test_without_an_owner_the_client_waits_and_then_gives_up(scene: Scene) -> None:
    sending = scene.start_sending("a")
    await settle()
    await scene.clock.advance(1)
    assert not sending.done()
    await scene.owner()
    await scene.clock.advance(0.3)
    assert await sending == "$1"
    await scene.owners[0].abandon()
    failing = scene.start_sending("b")
    await asyncio.sleep(0)
    await scene.clock.advance(31)
    with pytest.raises(Unavailable):
        await failing


@pytest.mark.parametrize("call", ["get", "get_settled", "scan"])
async def test_an_owner_that_is_abandoned_while_it_starts_serves_nothing(scene: Scene, call: str) -> None:
    await (await scene.owner()).abandon()
    gate = asyncio.Event()
    scene.store.before_call = lambda name: gate.wait() if name == call else asyncio.sleep(0)
    starting = asyncio.get_running_loop().create_task(scene.owner())
    await settle()
    await scene.owners[-1].abandon()
    gate.set()
    with pytest.raises(OwnershipLost):
        await starting
    assert not scene.bus.has_responder(streams.command(SHARD))
    assert not scene.bus.has_responder(streams.interest(SHARD))
