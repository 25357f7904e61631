"""Rooms built to break a resolver: circles, long chains, wide forks, values at every limit, numbers of other rooms."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_protocol.events.format import Event, event_from_pdu
from matrix_protocol.room_versions import SPECIFIED_ROOM_VERSIONS
from matrix_protocol.state_resolution import RoomTooLarge, layout, resolve, resolver, rules
from matrix_protocol.state_resolution.compact import CompactRoom
from matrix_protocol.state_resolution.growing import EventIdTable
from matrix_protocol.state_resolution.resolver import PackedDelta, Resolver
from tests.fuzz.checked_kernels import uncompiled_resolve
from tests.matrix_protocol.state_resolution.random_rooms import RandomRoom
from tests.matrix_protocol.state_resolution.scenes import ALICE, BOB, CAROL, Scene
from tests.matrix_protocol.state_resolution.test_kernels import RESOLVER, compact, resolved_by_kernels
from tests.matrix_protocol.versions import every_version, versions

TOPIC, LEVELS = ("m.room.topic", ""), ("m.room.power_levels", "")
LONG = 20_000


def chain_event(number: int, event_type: str, state_key: str, auth: tuple[str, ...], **content: Any) -> Event:
    pdu = {"type": event_type, "state_key": state_key, "sender": ALICE, "content": content, "room_id": "!r:a.example"}
    pdu |= {"origin_server_ts": number, "depth": number, "prev_events": ["$m"], "auth_events": list(auth)}
    return event_from_pdu(pdu, f"${number:06}", SPECIFIED_ROOM_VERSIONS["11"])


def long_chain(length: int, event_type: str) -> dict[str, Event]:
    """Create event, Alice's join, then events of which each cites the one before."""
    events = [
        chain_event(0, "m.room.create", "", ()),
        chain_event(1, "m.room.member", ALICE, ("$000000",), membership="join"),
    ]
    for number in range(2, length):
        auth = ("$000000", "$000001", *([f"${number - 1:06}"] if number > 2 else []))
        events.append(chain_event(number, event_type, "", auth, users={ALICE: 100}))
    return {event.event_id: event for event in events}


# What a resolution must survive --------------------------------------------------------------------------------------


@every_version
def test_reference_ends_on_circles_of_auth_events(version: str) -> None:
    scene = Scene(version)
    left, right = scene.levels(scene.base, ALICE, {ALICE: 100}), scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 1})
    one, other = left[LEVELS], right[LEVELS]
    scene.events[one].auth_event_ids += (other, one)
    scene.events[other].auth_event_ids += (one,)
    topic = scene.topic(left, ALICE, "x")
    assert resolve([topic, right], scene.events, scene.rules)[("m.room.create", "")] == "$create:a.example"


@pytest.mark.slow
@pytest.mark.parametrize("event_type", ["m.room.power_levels", "m.room.join_rules"])
def test_chain_of_twenty_thousand_events_is_resolved_without_recursion(event_type: str) -> None:
    events = long_chain(LONG, event_type)
    base = {("m.room.create", ""): "$000000", ("m.room.member", ALICE): "$000001"}
    states = [base | {(event_type, ""): f"${number:06}"} for number in (2, LONG - 1)]
    room = CompactRoom(SPECIFIED_ROOM_VERSIONS["11"])
    for event in events.values():
        room.add(event)
    for difference in (layout.DIFFERENCE_LOCAL, layout.DIFFERENCE_SWEEP):
        assert resolved_by_kernels(room, states[0], states, events, difference) == states[1]
    assert resolve(states, events, room.rules) == states[1]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["11", "12"])
def test_ten_thousand_states_with_an_event_each_for_one_key(version: str) -> None:
    scene = Scene(version)
    states = [scene.topic(scene.base, ALICE, str(n), ts=100, event_id=f"${n:05}:x") for n in range(10_000)]
    room = scene.compact()
    snapshot = room.snapshot_of(scene.base.values())
    deltas = [room.delta_of([state[TOPIC]]) for state in states]
    changes = RESOLVER.resolve(room, snapshot, deltas, {})
    # All are allowed, at one time: the greatest event ID comes last.
    assert [room.event_id(number) for number in changes.values()] == ["$09999:x"]


class Counted(np.ndarray):
    """Counts how often one of its elements is read."""

    reads = 0

    def __getitem__(self, index: Any) -> Any:
        Counted.reads += 1
        return super().__getitem__(index)


def edges_read(width: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Reads of edges by the local difference, and edges: `width` conflicting events, each cited by `width` others."""
    events = long_chain(2, "")
    number = 2
    for _ in range(width):
        events[f"${number:06}"] = chain_event(number, "m.room.power_levels", "", ("$000000", "$000001"))
        number += 1
    for cited in range(2, 2 + width):
        for _ in range(width):
            key = f"k{number}"
            events[f"${number:06}"] = chain_event(number, "x", key, ("$000000", "$000001", f"${cited:06}"))
            number += 1
    room = CompactRoom(SPECIFIED_ROOM_VERSIONS["11"])
    for event in events.values():
        room.add(event)
    snapshot = room.snapshot_of(["$000000", "$000001"])
    monkeypatch.setattr(resolver, "_kernel", uncompiled_resolve())
    room.edges.array = room.edges.used().view(Counted)
    Counted.reads = 0
    Resolver().resolve(
        room, snapshot, [{1: number} for number in range(2, 2 + width)], {}, difference=layout.DIFFERENCE_LOCAL
    )
    return Counted.reads, room.edges.length


@pytest.mark.slow
def test_search_for_who_cites_an_event_reads_each_edge_a_bounded_number_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for width in (8, 16, 32):
        reads, edges = edges_read(width, monkeypatch)
        assert edges // 2 < reads <= 2 * edges


@versions(2)
@pytest.mark.parametrize("ts", [0, -1, -(2**53), 2**53, 2**63 - 1, -(2**63) + 1])
def test_times_at_the_limits_are_ordered_as_numbers(version: str, ts: int) -> None:
    scene = Scene(version)
    one = scene.topic(scene.base, ALICE, "extreme", event_id="$b:a.example", ts=0)
    other = scene.topic(scene.base, ALICE, "one later", event_id="$a:a.example", ts=0)
    for state in (one, other):
        scene.events[state[TOPIC]].origin_server_ts_ms = ts
    scene.events[one[TOPIC]].origin_server_ts_ms -= 1 if ts > 0 else 0
    expected = "one later" if ts > 0 else "extreme"  # of two equal times, the greater event ID stays
    assert scene.resolve(one, other)[TOPIC].content["topic"] == expected


LEVEL_FORMS = [
    *(2**53, -(2**53), 2**62, 2**63, -(2**64), 10**29, True, None, 0.5, 1e300, [], {}, {"x": 1}),
    *(" 60 ", "+060", "-0", "6 0", "6_0", "٦٠", "", "60.0", "0x3c", "9" * 30, "9" * 31),
]


@versions(2)
@pytest.mark.parametrize("level", LEVEL_FORMS, ids=repr)
def test_reference_and_kernels_read_absurd_levels_alike(version: str, level: object) -> None:
    scene = Scene(version)
    changed = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: level}, state_default=level, ban=level)
    banned = scene.member(changed, BOB, CAROL, "ban")
    scene.resolve(scene.topic(changed, BOB, "bob"), banned, scene.topic(scene.base, ALICE, "alice"))


@versions(2)
def test_levels_of_ten_thousand_users(version: str) -> None:
    scene = Scene(version)
    users = {f"@user{number}:a.example": number % 50 for number in range(10_000)}
    owner = {} if version == "12" else {ALICE: 100}
    crowd = scene.levels(scene.base, ALICE, owner | users | {BOB: 50})
    resolved = scene.resolve(scene.topic(crowd, BOB, "bob"), scene.topic(scene.base, ALICE, "alice"))
    assert resolved[LEVELS].event_id == crowd[LEVELS]


@versions(2)
@pytest.mark.parametrize("extra", ["same again", "second levels", "second levels first", "both orders"])
def test_doubled_auth_events_are_read_alike(version: str, extra: str) -> None:
    scene = Scene(version)
    more = scene.levels(scene.base, ALICE, {ALICE: 100, BOB: 100})
    topic = scene.topic(scene.base, BOB, "bob")
    event, second = scene.events[topic[TOPIC]], more[LEVELS]
    known = event.auth_event_ids
    event.auth_event_ids = {
        "same again": known + known,
        "second levels": (*known, second),
        "second levels first": (second, *known),
        "both orders": (second, *known, second),
    }[extra]
    state = {key: event_id for key, event_id in topic.items() if key != LEVELS}
    scene.resolve(state, scene.topic(scene.base, ALICE, "alice"), more)


@versions(2)
def test_event_with_only_rejected_auth_events_is_not_admitted(version: str) -> None:
    scene = Scene(version)
    joined = dict(scene.send(scene.base, "m.room.member", CAROL, CAROL, {"membership": "join"}, rejected=True))
    levels = scene.send(scene.base, *LEVELS, BOB, {"users": {CAROL: 100}}, rejected=True)
    known = {key: event_id for key, event_id in scene.base.items() if key != LEVELS}
    topic = scene.topic(known, CAROL, "carol", auth_state=joined | {LEVELS: levels[LEVELS]})
    assert TOPIC not in scene.resolve(topic, known)


# What a room refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_id", ["$a\0", "$\ud800", "$" + "a" * 48])
def test_event_id_that_could_be_taken_for_another_is_refused(event_id: str) -> None:
    ids = EventIdTable(48)
    ids.add("$a")
    with pytest.raises(ValueError, match="no event ID"):
        ids.add(event_id)
    assert (ids.find(event_id), ids.length) == (-1, 1)


def test_chosen_event_ids_of_255_bytes_are_told_apart_and_ordered_by_code_point() -> None:
    ids = EventIdTable(256)
    texts = ["$" + "é" * 125 + tail for tail in ("aaaa", "aaab", "𝄞", "\uffff")]
    assert [ids.add(text) for text in texts] == [0, 1, 2, 3]
    assert [ids.event_id(number) for number in range(4)] == texts
    rows = [bytes(row) for row in ids.array()[:4]]
    assert [rows.index(row) for row in sorted(rows)] == [texts.index(text) for text in sorted(texts)]


def test_refused_event_leaves_the_room_as_it_was() -> None:
    scene = Scene("11")
    room = scene.compact()
    before = (len(room), room.edges.length, room.event_ids.length)
    create, alice = scene.base["m.room.create", ""], scene.base["m.room.member", ALICE]
    for changes in (
        {"auth_event_ids": (alice,)},
        {"auth_event_ids": (create,) * 11},
        {"origin_server_ts_ms": 2**63},
        {"state_key": "\ud800"},
        {"state_key": None},
        {"event_id": alice},
        {"event_id": "$x\0"},
        {"type": "m.room.create"},
    ):
        scene.topic(scene.base, ALICE, "x", event_id="$new")
        event = scene.events.pop("$new")
        for name, value in changes.items():
            setattr(event, name, value)
        with pytest.raises(ValueError, match=r"."):
            room.add(event)
        assert (len(room), room.edges.length, room.event_ids.length) == before
    topic = scene.topic(scene.base, ALICE, "x")
    room.add(scene.events[topic[TOPIC]])


@pytest.mark.parametrize("field", [0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("value", [-2, 6, 128, 2**31, 2**64 - 1, [-1], [5], [2**26], [0] * 11, "x"])
def test_stored_number_out_of_bounds_is_refused(field: int, value: object) -> None:
    """Fields 0, 6 to 12: numbers. 13 to 15: other, levels, content of the create event."""
    scene = Scene("11")
    room = CompactRoom(scene.rules)
    stored = [room.add(event).to_bytes() for event in scene.events.values()]
    fields = msgspec.msgpack.decode(stored[2])
    fits = [(9, 6), (12, -2), (12, 6), (12, 128), (12, 2**31), (13, "x")]  # no index: any flags, level, string
    if (field, value) in fits:
        CompactRoom.load(scene.rules, stored)
        return
    fields[field] = value
    with pytest.raises(ValueError, match=r"."):
        CompactRoom.load(scene.rules, [*stored[:2], msgspec.msgpack.encode(fields), *stored[3:]])


@pytest.mark.parametrize("delta", [{1: 10**6}, {10**6: 1}, {-1: 1}, {1: -2}, {1: 1}, {1: 2**31}])
def test_state_of_another_room_is_refused(delta: dict[int, int]) -> None:
    scene = Scene("11")
    room = scene.compact()
    snapshot = room.snapshot_of(scene.base.values())
    with pytest.raises(ValueError, match="does not have"):
        RESOLVER.resolve(room, snapshot, [{}, delta], {})
    packed = PackedDelta(np.array([1, 3], np.int32), np.array([2], np.int32))
    with pytest.raises(ValueError, match="does not have"):
        RESOLVER.resolve(room, snapshot, [{}, packed], {})


@pytest.mark.parametrize("number", [-2, 10**6, 0])
def test_snapshot_of_another_room_is_refused(number: int) -> None:
    scene = Scene("11")
    room = scene.compact()
    snapshot = room.snapshot_of(scene.base.values())
    snapshot[layout.POWER_LEVELS_KEY] = number
    with pytest.raises(ValueError, match="does not have"):
        RESOLVER.resolve(room, snapshot, [{}, {0: layout.NOTHING}], {})
    with pytest.raises(ValueError, match="does not have"):
        RESOLVER.resolve(room, snapshot.astype(np.int64), [{}, {0: layout.NOTHING}], {})


@pytest.mark.parametrize(
    ("name", "small"), [("EVENTS_MAX", 3), ("STRINGS_MAX", 9), ("TABLE_ROWS_MAX", 14), ("KEYS_MAX", 4)]
)
def test_room_has_maxima(name: str, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("11")
    monkeypatch.setattr(layout, name, small)
    with pytest.raises(RoomTooLarge, match="already"):
        scene.compact()


def test_reference_has_a_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene("11")
    monkeypatch.setattr(rules, "EVENTS_MAX", 3)
    with pytest.raises(RoomTooLarge):
        resolve([{}, scene.base], scene.events, scene.rules)


def test_edges_of_the_largest_room_have_numbers() -> None:
    assert layout.EVENTS_MAX * layout.AUTH_EVENTS_MAX < 2**31


def test_event_added_while_a_resolution_runs_leads_it_to_no_new_edge() -> None:
    scene = Scene("11")
    room = scene.compact()
    running, edges = room.events.array, room.edges.array
    for number in range(200):
        scene.topic(scene.base, ALICE, "x", event_id=f"$later{number}")
        room.add(scene.events[f"$later{number}"])
    assert room.edges.array is not edges
    assert running["citing"][: len(scene.events) - 200].max() < len(edges)


# What must not matter ------------------------------------------------------------------------------------------------


@versions(2)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_order_of_states_and_of_arrival_does_not_matter(version: str, seed: int) -> None:
    random = Random(seed)
    room = RandomRoom(random, version)
    sets = room.state_sets()
    expected = resolve(sets, room.events, room.rules, room.rejected)
    room.events = in_another_order(random, room)
    compacted = compact(room)
    random.shuffle(sets)
    assert resolve(sets, room.events, room.rules, room.rejected) == expected
    for base in ({}, *sets):
        assert resolved_by_kernels(compacted, base, sets, room.events) == expected
    assert resolved_by_kernels(compacted, sets[0], [sets[-1]] * 3, room.events) == sets[-1]


def in_another_order(random: Random, room: RandomRoom) -> dict[str, Event]:
    """Any order in which auth events come first."""
    waiting, ordered = dict(room.events), dict[str, Event]()
    first = next(iter(waiting))
    ordered[first] = waiting.pop(first)
    while waiting:
        free = [i for i, event in waiting.items() if all(auth in ordered for auth in event.auth_event_ids)]
        event_id = random.choice(free)
        ordered[event_id] = waiting.pop(event_id)
    return ordered
