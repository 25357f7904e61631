"""Forks made of a room's own history, resolved by its owner, and by the plain reference."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from matrix_protocol import state_resolution
from matrix_protocol.errors import BadState, Forbidden, Unavailable
from matrix_protocol.event_auth import StateKey
from matrix_protocol.events.format import Event, event_from_parts
from matrix_protocol.room_versions import ROOM_VERSIONS
from matrix_protocol.signatures import SigningKey, sign_json
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.resolver import ResolutionCancelled
from roomserver.input import rows
from roomserver.state import resolvable, resolving
from roomserver.state.compact import MEMBER
from roomserver.state.forks import Fork, StateSet
from roomserver.state.resolvable import load_resolvable
from roomserver.state.resolver_threads import ResolverThreads
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import (
    CURRENT_STATE_BY_ROOM,
    ROOM_HEADS,
    STATE_COLUMNS_BY_ROOM,
    TIMELINE_BY_ROOM,
    StateColumnsRow,
)
from service_kit.store.interface import Delete, Put
from tests.roomserver.scene import ALICE, BOB, CAROL, Action, Scene

pytestmark = pytest.mark.timeout(600)
"""Whichever test comes first compiles the kernels: half a minute of CPU where nothing is cached."""

DAN = "@dan:b.example"
USERS = (ALICE, BOB, CAROL, DAN)


class History:
    """What the tables say of a room: its state events in order, and every state it had."""

    def __init__(self, version: str, events: list[Event]) -> None:
        self.rules = ROOM_VERSIONS[version]
        self.events = {event.event_id: event for event in events}
        self.states: list[dict[StateKey, str]] = [{}]
        for event in events:
            assert event.state_key is not None
            self.states.append({**self.states[-1], (event.type, event.state_key): event.event_id})

    def state(self, state_set: StateSet) -> dict[StateKey, str]:
        state = dict(self.states[state_set.version])
        for event_id in state_set.event_ids:
            event = self.events[event_id]
            state[event.type, event.state_key or ""] = event_id
        return {key: event_id for key, event_id in state.items() if key not in state_set.absent}

    def resolved(self, state_sets: list[StateSet]) -> dict[StateKey, str]:
        return state_resolution.resolve([self.state(s) for s in state_sets], self.events, self.rules)

    def random_sets(self, generator: Random) -> list[StateSet]:
        sets = []
        for _ in range(generator.randrange(2, 5)):
            version = generator.randrange(7, len(self.states))
            event_ids = generator.sample(list(self.events)[1:], generator.randrange(8))
            absent = generator.sample(list(self.states[-1])[1:], generator.randrange(2))
            sets.append(StateSet(version, event_ids, absent))
        return sets


async def history_of(scene: Scene, room_id: str, version: str) -> History:
    await scene.settle()
    timeline = await scene.store.scan(TIMELINE_BY_ROOM, (room_id, 0), limit=1000)
    rules = ROOM_VERSIONS[version]
    events = [event_from_parts(row.client_json, row.federation_json, rules) for row in timeline]
    return History(version, [event for event in events if event.state_key is not None])


async def much_happens(scene: Scene, room_id: str, generator: Random, steps: int) -> None:
    """Some of it is refused."""
    for step in range(steps):
        sender = ALICE if generator.random() < 0.5 else generator.choice(USERS)
        with suppress(Forbidden, BadState):
            await something_happens(scene, room_id, generator, sender, str(step))


async def something_happens(scene: Scene, room_id: str, generator: Random, sender: str, step: str) -> None:
    target = generator.choice(USERS[1:])
    match generator.randrange(6):
        case 0:
            await scene.join(target, room_id, displayname=step)
        case 1:
            action = generator.choice([Action.KICK, Action.BAN, Action.UNBAN, Action.UNBAN, Action.INVITE])
            await scene.change(action, sender, target, room_id)
        case 2:
            content = await scene.state(room_id, "m.room.power_levels")
            assert content is not None
            users = {**content.get("users", {}), target: generator.choice([0, 50, 60])}
            await scene.set_state(sender, room_id, "m.room.power_levels", {**content, "users": users})
        case 3:
            rule = generator.choice(["public", "public", "invite"])
            await scene.set_state(sender, room_id, "m.room.join_rules", {"join_rule": rule, "step": step})
        case 4:
            await scene.set_state(sender, room_id, "m.room.topic", {"topic": step})
        case 5:
            await scene.send(sender, room_id)


async def a_room(scene: Scene, version: str, *, steps: int = 60) -> str:
    room_id = await scene.create_room(version=version, preset="public_chat")
    for user_id in USERS[1:]:
        await scene.join(user_id, room_id)
    await much_happens(scene, room_id, Random(int(version)), steps)
    return room_id


async def held(scene: Scene, room_id: str) -> tuple[OwnedShard, RoomInMemory]:
    shard = scene.domain(room_id).owned
    room = await shard.load(room_id)
    assert room is not None
    return shard, room


async def check(scene: Scene, room_id: str, history: History, state_sets: list[StateSet]) -> dict[StateKey, str]:
    """The owner's answer is that of the reference; returns it."""
    shard, room = await held(scene, room_id)
    resolved = await resolving.resolve(shard, room, state_sets)
    current, expected = history.states[-1], history.resolved(state_sets)
    assert resolved.version == len(history.states) - 1
    assert {key: value for key, value in {**current, **resolved.changes}.items() if value is not None} == expected
    assert all(current.get(key) != event_id for key, event_id in resolved.changes.items())
    return expected


def is_same(one: CompactRoom, other: CompactRoom) -> bool:
    names = ("kind", "flags", "sender_level", "timestamp", "power_levels", "membership", "join_rule", "key", "sender")
    events = all((one.events.used()[name] == other.events.used()[name]).all() for name in names)
    return events and bool((one.edges.used() == other.edges.used()).all())


async def stored_columns(scene: Scene, room_id: str) -> list[StateColumnsRow]:
    await scene.settle()
    return await scene.store.scan(STATE_COLUMNS_BY_ROOM, (room_id, 0), limit=1000)


async def all_columns(scene: Scene, room_id: str) -> list[StateColumnsRow]:
    """Of small buckets."""
    buckets = [await scene.store.scan(STATE_COLUMNS_BY_ROOM, (room_id, bucket), limit=1000) for bucket in range(20)]
    return [row for bucket in buckets for row in bucket]


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_columns_are_those_of_a_room_that_has_all_events(scene: Scene, version: str) -> None:
    room_id = await a_room(scene, version)
    history = await history_of(scene, room_id, version)
    whole = CompactRoom(history.rules)
    expected = [whole.add(event).to_bytes() for event in history.events.values()]
    assert [row.columns for row in await stored_columns(scene, room_id)] == expected
    assert len(expected) > 20


@pytest.mark.slow
@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_owner_resolves_as_the_reference_does(scene: Scene, version: str) -> None:
    room_id = await a_room(scene, version)
    history = await history_of(scene, room_id, version)
    generator = Random(f"forks of {version}")
    changed = 0
    for _ in range(12):
        changed += await check(scene, room_id, history, history.random_sets(generator)) != history.states[-1]
    assert changed > 6


async def test_more_states_than_an_event_can_have_before_it_are_refused(scene: Scene) -> None:
    room_id = await scene.create_room()
    shard, room = await held(scene, room_id)
    with pytest.raises(ValueError, match="at most 20"):
        await resolving.resolve(shard, room, [StateSet(room.state.version)] * 21)


async def test_plain_resolution_of_too_many_conflicts_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    room_id = await a_room(scene, "1")
    shard, room = await held(scene, room_id)
    state_sets = [StateSet(room.state.version), StateSet(10)]
    monkeypatch.setattr(resolving, "PLAIN_CONFLICTS_MAX", 1)
    with pytest.raises(Unavailable):
        await resolving.resolve(shard, room, state_sets)
    monkeypatch.undo()
    await resolving.resolve(shard, room, state_sets)


async def test_version_too_many_buckets_back_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    room_id = await scene.create_room()
    await scene.fail_over()
    shard, room = await held(scene, room_id)
    room.timeline_length += 3000  # as if many messages had followed
    monkeypatch.setattr(resolving, "BUCKETS_BACK_MAX", 3)
    with pytest.raises(LookupError):
        await resolving.resolve(shard, room, [StateSet(4)])
    monkeypatch.undo()
    assert (await resolving.resolve(shard, room, [StateSet(4)])).changes


async def test_same_states_are_no_conflict(scene: Scene) -> None:
    room_id = await a_room(scene, "11")
    history = await history_of(scene, room_id, "11")
    now = StateSet(len(history.states) - 1)
    await check(scene, room_id, history, [now])
    await check(scene, room_id, history, [now, now])
    await check(scene, room_id, history, [StateSet(12)] * 3)


@pytest.mark.parametrize("version", ["1", "3", "12"])
async def test_versions_from_before_the_room_was_loaded_are_read(scene: Scene, version: str) -> None:
    room_id = await a_room(scene, version)
    await scene.fail_over()
    await much_happens(scene, room_id, Random(1), 10)
    history = await history_of(scene, room_id, version)
    for former in range(0, len(history.states), 5):
        await check(scene, room_id, history, [StateSet(former)])
    shard, room = await held(scene, room_id)
    assert room.state.numbers_before(5) is None
    for unknown in (-1, len(history.states)):
        with pytest.raises(LookupError):
            await resolving.resolve(shard, room, [StateSet(unknown)])


@pytest.mark.parametrize("version", ["2", "11", "12"])
async def test_signatures_of_third_party_invites_are_looked_up(
    scene: Scene, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_event = OwnedShard.read_event

    async def recorded(shard: OwnedShard, room_id: str, event_id: str) -> Any:
        read.append(event_id)
        return await read_event(shard, room_id, event_id)

    monkeypatch.setattr(OwnedShard, "read_event", recorded)
    room_id = await scene.create_room(version=version)
    key = SigningKey("ed25519:0", b"k" * 32)
    issued = await scene.set_state(
        ALICE, room_id, "m.room.third_party_invite", {"display_name": "B", "public_key": key.verify_key_base64}, "token"
    )
    signed = sign_json({"mxid": BOB, "token": "token"}, "id.example", key)
    content = {"membership": "invite", "third_party_invite": {"display_name": "B", "signed": signed}}
    invite = await scene.set_state(ALICE, room_id, MEMBER, content, BOB)
    history = await history_of(scene, room_id, version)
    now = len(history.states) - 1
    for _ in range(2):
        resolved = await check(scene, room_id, history, [StateSet(now), StateSet(now - 1)])
        assert resolved[MEMBER, BOB] == invite
    assert sorted(read) == sorted([invite, issued])  # the second time it is known


@pytest.mark.parametrize("version", ["1", "6", "12"])
async def test_each_resolution_is_of_the_state_at_its_beginning(scene: Scene, version: str) -> None:
    """The room goes on while threads resolve."""
    room_id = await a_room(scene, version, steps=30)
    shard, room = await held(scene, room_id)
    sets = [[StateSet(room.state.version - back), StateSet(8), StateSet(12 + back)] for back in range(12)]
    resolving_all = [asyncio.ensure_future(resolving.resolve(shard, room, state_sets)) for state_sets in sets]
    await much_happens(scene, room_id, Random(9), 60)
    found = await asyncio.gather(*resolving_all)
    history = await history_of(scene, room_id, version)
    for state_sets, resolved in zip(sets, found, strict=True):
        state = {**history.states[resolved.version], **resolved.changes}
        assert {key: value for key, value in state.items() if value is not None} == history.resolved(state_sets)


async def test_unknown_event_is_refused(scene: Scene) -> None:
    room_id = await scene.create_room()
    shard, room = await held(scene, room_id)
    with pytest.raises(KeyError):
        await resolving.resolve(shard, room, [StateSet(room.state.version, ["$unknown"])])


async def test_resolvable_room_grows_with_its_room_and_counts(scene: Scene) -> None:
    room_id = await a_room(scene, "11", steps=10)
    shard, room = await held(scene, room_id)
    assert room.resolvable is None
    before_bytes = room.memory_bytes()
    loaded = await load_resolvable(shard, room)
    assert room.memory_bytes() == before_bytes + loaded.nbytes()
    assert scene.service._surroundings.budget.used_bytes == room.memory_bytes()
    await much_happens(scene, room_id, Random(2), 40)
    history = await history_of(scene, room_id, "11")
    assert await load_resolvable(shard, room) is loaded
    assert len(loaded) == len(history.events) == room.state.event_count
    whole = CompactRoom(history.rules)
    for event in history.events.values():
        whole.add(event)
    assert is_same(loaded, whole)
    assert room.memory_bytes() > before_bytes + loaded.nbytes()
    for _ in range(3):
        await check(scene, room_id, history, [StateSet(len(history.states) - 1), StateSet(10)])


async def test_room_that_grows_while_its_columns_are_read_is_complete(scene: Scene) -> None:
    room_id = await a_room(scene, "12", steps=5)
    shard, room = await held(scene, room_id)
    loading = [asyncio.ensure_future(load_resolvable(shard, room)) for _ in range(2)]
    for number in range(5):
        await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": str(number)})
    first, second = await asyncio.gather(*loading)
    assert first is second is room.resolvable
    assert len(first) == room.state.event_count


async def test_numbers_stay_dense_when_the_owner_is_replaced_between_state_events(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    for user_id in USERS[1:]:
        await scene.join(user_id, room_id)
        await scene.fail_over()
    sends = [
        asyncio.ensure_future(scene.set_state(ALICE, room_id, "m.room.topic", {"topic": str(n)})) for n in range(9)
    ]
    await asyncio.sleep(0)
    former, scene.service = scene.service, scene.new_service("worker-planned")
    starting = asyncio.ensure_future(scene.service.start())
    await former.drain()
    await starting
    for _ in range(30):
        await scene.clock.advance(0.5)
    await asyncio.gather(*sends)
    await former.stop()
    history = await history_of(scene, room_id, "12")
    stored = await stored_columns(scene, room_id)
    assert [row.number for row in stored] == list(range(len(history.events)))
    whole = CompactRoom(history.rules)
    assert [row.columns for row in stored] == [whole.add(event).to_bytes() for event in history.events.values()]
    shard, room = await held(scene, room_id)
    assert is_same(await load_resolvable(shard, room), whole)


async def as_before_there_were_columns(scene: Scene, room_id: str) -> None:
    """What an older version of this server has written."""
    await scene.settle()
    await scene.store.delete_partition(STATE_COLUMNS_BY_ROOM, (room_id, 0))
    for row in await scene.store.scan(CURRENT_STATE_BY_ROOM, (room_id,), limit=1000):
        await scene.store.write([Put(CURRENT_STATE_BY_ROOM, row._replace(state_number=None))])
    head = await scene.store.get(ROOM_HEADS, (room_id,))
    assert head is not None
    await scene.store.write([Put(ROOM_HEADS, head._replace(state_events=None))])
    await scene.fail_over()


async def test_gap_in_the_columns_is_filled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older server may have owned the room for a while, between two newer ones; buckets have an end."""
    for module in (resolvable, rows):
        monkeypatch.setattr(module, "COLUMNS_BUCKET_EVENTS_MAX", 7)
    room_id = await a_room(scene, "11", steps=60)
    await scene.settle()
    stored = await all_columns(scene, room_id)
    count = len(stored)
    assert count > 28
    for number in range(10, 17):
        await scene.store.write([Delete(STATE_COLUMNS_BY_ROOM, (room_id, number // 7, number))])
    shard, room = await held(scene, room_id)
    loaded = await load_resolvable(shard, room)
    assert len(loaded) == count
    assert await all_columns(scene, room_id) == stored


@pytest.mark.slow
def test_numpy_is_not_imported_before_a_room_forks() -> None:
    """It takes memory that a server without forks has no use for."""
    program = """
import asyncio, sys
from tests.roomserver.scene import ALICE, BOB, Scene

async def main():
    scene = await Scene.create()
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.send(BOB, room_id)
    await scene.fail_over()
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "N"})
    await scene.close()
    assert not {"numpy", "numba"} & set(sys.modules)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("version", ["3", "11", "12"])
async def test_rooms_of_older_servers_get_their_columns(version: str) -> None:
    scene = await Scene.create(atomic_tables=True)  # so that nothing is redone from the ledger
    room_id = await a_room(scene, version, steps=30)
    expected = await stored_columns(scene, room_id)
    await as_before_there_were_columns(scene, room_id)
    await much_happens(scene, room_id, Random(5), 20)
    stored = await stored_columns(scene, room_id)
    assert stored[0].number == len(expected)  # what is new has columns at once
    history = await history_of(scene, room_id, version)
    await check(scene, room_id, history, [StateSet(len(history.states) - 1), StateSet(10), StateSet(20)])
    assert (await stored_columns(scene, room_id))[: len(expected)] == expected
    whole = CompactRoom(history.rules)
    for event in history.events.values():
        whole.add(event)
    await scene.fail_over()
    shard, room = await held(scene, room_id)
    assert is_same(await load_resolvable(shard, room), whole)
    await scene.close()


async def test_redacted_state_event_keeps_its_number(scene: Scene) -> None:
    room_id = await scene.create_room(version="11")
    first = await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": "1"})
    second = await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": "2"})
    for event_id in (first, second):
        await scene.redact(ALICE, room_id, event_id)
    await scene.settle()
    row = await scene.store.get(CURRENT_STATE_BY_ROOM, (room_id, "m.room.topic", ""))
    assert row is not None
    assert row.state_number == 7
    await scene.fail_over()
    _, room = await held(scene, room_id)
    assert room.state.event_number("m.room.topic", "") == 7
    assert room.state.event_count == 8


async def test_caller_that_goes_away_cancels_its_resolution(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolution is held in its thread until the caller is gone, and then finds itself cancelled."""
    room_id = await a_room(scene, "11")
    shard, room = await held(scene, room_id)
    loop = asyncio.get_running_loop()
    began: asyncio.Future[None] = loop.create_future()
    ended: asyncio.Future[Any] = loop.create_future()
    run = Fork.resolve

    def held_resolve(fork: Fork, events: Any) -> Any:
        loop.call_soon_threadsafe(began.set_result, None)
        while not fork.cancellation.control[0]:
            pass
        try:
            return run(fork, events)
        except ResolutionCancelled as error:
            loop.call_soon_threadsafe(ended.set_result, error)
            raise

    monkeypatch.setattr(Fork, "resolve", held_resolve)
    task = asyncio.ensure_future(resolving.resolve(shard, room, [StateSet(room.state.version), StateSet(8)]))
    await began
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await ended, ResolutionCancelled)


async def test_too_many_resolutions_are_refused() -> None:
    threads = ResolverThreads(threads_max=1, waiting_max=1)
    assert await threads.run(lambda: 7) == 7
    waiting = asyncio.ensure_future(threads.run(lambda: 8))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await threads.run(lambda: 9)
    assert await waiting == 8
    threads.close()
    with pytest.raises(Unavailable):
        await threads.run(lambda: 10)
