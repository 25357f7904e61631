"""The room as integers: what it keeps, what it refuses, and what a resolution does beside its result."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random
from types import ModuleType

import pytest

from matrix_protocol import state_resolution
from matrix_protocol.state_resolution import current_state, layout, resolve, resolver
from matrix_protocol.state_resolution.compact import CompactRoom, UnknownAuthEvent
from matrix_protocol.state_resolution.resolver import Cancellation, ResolutionCancelled, Resolver, warm_up
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom
from tests.matrix_protocol.state_resolution.scenes import ALICE, BOB, Scene
from tests.matrix_protocol.state_resolution.test_kernels import compact, delta, resolved_by_kernels
from tests.matrix_protocol.versions import versions

KERNELS = "matrix_protocol.state_resolution.kernels"


@versions(1)
def test_room_loaded_from_columns_is_the_same(version: str) -> None:
    room = RandomRoom(Random(int(version)), version, length=120)
    added = CompactRoom(room.rules)
    stored = [added.add(event, rejected=event.event_id in room.rejected).to_bytes() for event in room.events.values()]
    loaded = CompactRoom.load(room.rules, iter(stored))
    assert [loaded.event_id(number) for number in range(len(loaded))] == list(room.events)
    for name in ("kind", "flags", "sender_level", "timestamp", "power_levels", "membership", "join_rule"):
        assert (loaded.events.used()[name] == added.events.used()[name]).all()
    assert (loaded.edges.used() == added.edges.used()).all()
    for sets in [room.state_sets()] if version != "1" else []:
        expected = resolve(sets, room.events, room.rules, room.rejected)
        assert resolved_by_kernels(loaded, {}, sets, room.events) == expected


def test_event_is_refused_before_its_auth_events() -> None:
    scene = Scene("11")
    room = CompactRoom(scene.rules)
    with pytest.raises(UnknownAuthEvent):
        room.add(list(scene.events.values())[1])
    assert len(room) == 0


def test_second_create_event_is_refused() -> None:
    scene = Scene("11")
    room = scene.compact()
    scene.send({}, "m.room.create", "", BOB, {}, event_id="$other")
    with pytest.raises(ValueError, match="create event"):
        room.add(scene.events["$other"])


def test_columns_of_another_place_are_refused() -> None:
    scene = Scene("11")
    room = CompactRoom(scene.rules)
    stored = [room.add(event).to_bytes() for event in scene.events.values()]
    for wrong in (stored[1:], [stored[0], stored[0]], [b"\x01"]):
        with pytest.raises(ValueError, match=r"."):
            CompactRoom.load(scene.rules, wrong)


def test_names_and_numbers() -> None:
    scene = Scene("11")
    room = scene.compact()
    number = room.number("$create:a.example")
    assert (number, room.event_id(number)) == (0, "$create:a.example")
    assert room.key(room.key_of_event(number)) == ("m.room.create", "")
    assert room.key(room.key_number("m.room.member", BOB)) == ("m.room.member", BOB)
    assert room.state_map(room.snapshot_of(scene.base.values())) == scene.base
    with pytest.raises(KeyError):
        room.number("$nothing")
    with pytest.raises(IndexError):
        room.event_id(len(room))


def test_verdict_can_change_later() -> None:
    scene = Scene("11")
    raised = scene.send(scene.base, "m.room.power_levels", "", BOB, {"users": {BOB: 99}})
    state = {key: event_id for key, event_id in scene.base.items() if key[0] != "m.room.power_levels"}
    topic = scene.topic(state, BOB, "bob", auth_state=raised)
    room = scene.compact()
    key = ("m.room.topic", "")
    assert key in resolved_by_kernels(room, state, [topic, state], scene.events)
    room.set_rejected(room.number(raised["m.room.power_levels", ""]), True)
    assert key not in resolved_by_kernels(room, state, [topic, state], scene.events)
    room.set_rejected(room.number(raised["m.room.power_levels", ""]), False)
    assert key in resolved_by_kernels(room, state, [topic, state], scene.events)


def test_resolution_can_be_cancelled() -> None:
    scene = Scene("11")
    room = scene.compact()
    topic = scene.topic(scene.base, ALICE, "x")
    room.add(scene.events[topic["m.room.topic", ""]])
    cancellation = Cancellation()
    cancellation.cancel()
    snapshot, deltas = room.snapshot_of(scene.base.values()), [{}, delta(room, scene.base, topic)]
    with pytest.raises(ResolutionCancelled):
        Resolver().resolve(room, snapshot, deltas, {}, cancellation)


def test_threads_resolve_one_room_each_with_its_own_resolver() -> None:
    room = RandomRoom(Random(7), "12", length=200)
    compacted, sets = compact(room), room.state_sets()
    snapshot = compacted.snapshot_of(sets[0].values())
    deltas = [delta(compacted, sets[0], state) for state in sets]
    expected = Resolver().resolve(compacted, snapshot, deltas, room.events)

    def run(_: int) -> bool:
        own = Resolver()
        return all(own.resolve(compacted, snapshot, deltas, room.events) == expected for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(4)))


def test_stamps_begin_anew_before_they_overflow() -> None:
    scene = Scene("12")
    topic = scene.topic(scene.base, ALICE, "x")
    room = scene.compact()
    own, deltas = Resolver(), [{}, delta(room, scene.base, topic)]
    snapshot = room.snapshot_of(scene.base.values())
    expected = own.resolve(room, snapshot, deltas, {})
    own._stamp = resolver._STAMP_MAX
    assert [own.resolve(room, snapshot, deltas, {}) for _ in range(3)] == [expected] * 3
    assert own._stamp < 100


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The kernels as they are where there is no numba."""
    compiled = importlib.import_module(KERNELS)
    monkeypatch.setattr(state_resolution, "kernels", compiled)  # the import below replaces it, too
    names = [name for name in sys.modules if name.startswith(KERNELS)]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    kernels = importlib.import_module(KERNELS)
    monkeypatch.setattr(resolver, "_kernel", kernels.resolve)
    return kernels


@versions(2)
def test_kernels_give_the_same_uncompiled(version: str, uncompiled: ModuleType) -> None:
    assert not uncompiled.IS_COMPILED
    room = RandomRoom(Random(int(version)), version, length=60)
    sets = room.state_sets()
    expected = resolve(sets, room.events, room.rules, room.rejected)
    for difference in (layout.DIFFERENCE_LOCAL, layout.DIFFERENCE_SWEEP):
        assert resolved_by_kernels(compact(room), {}, sets, room.events, difference) == expected


def test_warm_up_leaves_compiled_kernels() -> None:
    warm_up()
    assert resolver.kernels_are_compiled() is (importlib.util.find_spec("numba") is not None)


def test_package_imports_neither_numpy_nor_numba() -> None:
    code = "import sys, matrix_protocol.state_resolution as s; sys.exit(bool({'numpy', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@versions(1)
def test_current_state_is_the_resolution_of_the_forward_extremities(version: str) -> None:
    scene = Scene(version)
    left, right = scene.topic(scene.base, ALICE, "x"), scene.member(scene.base, ALICE, BOB, "ban")
    after = {"$left": left, "$right": right}
    expected = {**left, **right}
    for extremities in (["$left", "$right"], ["$right", "$left"]):
        assert current_state(extremities, after.__getitem__, scene.events, scene.rules) == expected
    assert current_state(["$left"], after.__getitem__, scene.events, scene.rules) == left
