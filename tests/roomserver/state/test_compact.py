"""State as integers."""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode

import pytest

from matrix_protocol.room_versions import EventIdFormat
from roomserver.state.compact import ABSENT, DELTAS_MAX, MEMBER, CompactState
from roomserver.state.event_ids import HashEventIds, event_ids_of


def numbers_of(state: CompactState) -> list[int]:
    """Of the current state, by key ID."""
    slots, numbers = state.arrays()
    return [numbers[slot] for slot in slots]


def event_id(number: int) -> str:
    return "$" + urlsafe_b64encode(number.to_bytes(32, "big")).decode()[:-1]


def test_event_ids_come_back_as_they_were() -> None:
    generator = random.Random(7)
    for alphabet, url_safe in ((b"-_", True), (b"+/", False)):
        ids = HashEventIds(url_safe=url_safe)
        given = []
        for _ in range(100):
            text = urlsafe_b64encode(generator.randbytes(32)).translate(bytes.maketrans(b"-_", alphabet))
            given.append("$" + text.decode()[:-1])
            assert ids.append(given[-1]) == len(given) - 1
        assert [ids[number] for number in range(len(ids))] == given


def test_chosen_event_ids_come_back_as_they_were() -> None:
    ids = event_ids_of(EventIdFormat.CHOSEN_BY_SERVER)
    given = ["$1:a.example", "$" + "x" * 200 + ":b.example"]
    assert [ids.append(event_id) for event_id in given] == [0, 1]
    assert [ids[number] for number in range(len(ids))] == given
    assert ids.memory_bytes() > 212


def test_current_state_is_what_was_changed_last() -> None:
    state = CompactState()
    state.change("m.room.name", "", event_id(1), "")
    state.change(MEMBER, "@a:b", event_id(2), "join")
    state.change("m.room.name", "", event_id(3), "")
    assert state.event_id("m.room.name", "") == event_id(3)
    assert state.event_id(MEMBER, "@a:b") == event_id(2)
    assert state.event_id("m.room.name", "other") is None
    assert state.event_number("m.room.topic", "") == ABSENT
    assert (len(state), state.version) == (2, 3)


def test_members_are_counted_as_they_come_and_go() -> None:
    state = CompactState()
    for number, (user_id, membership) in enumerate(
        [("@a:b", "join"), ("@c:d", "invite"), ("@c:d", "join"), ("@a:b", "leave"), ("@a:b", "ban"), ("@e:f", "x")]
    ):
        state.change(MEMBER, user_id, event_id(number), membership)
    assert [state.count(m) for m in ("join", "invite", "leave", "ban", "knock")] == [1, 0, 0, 1, 0]
    assert [state.membership(user_id) for user_id in ("@a:b", "@c:d", "@e:f", "@g:h")] == ["ban", "join", "", ""]
    assert list(state.joined_users()) == ["@c:d"]


def test_former_states_come_from_the_deltas() -> None:
    generator = random.Random(3)
    state = CompactState()
    former = [numbers_of(state)]
    for number in range(200):
        state.change("t", str(generator.randrange(20)), event_id(number), "")
        former.append(numbers_of(state))
    now = former[-1]
    for version, expected in enumerate(former):
        differences = state.numbers_before(version)
        assert differences is not None
        found = [differences.get(number, number) for number in now]
        assert [number for number in found if number != ABSENT] == expected
    assert state.numbers_before(201) is None


def test_a_loaded_state_keeps_the_numbers_of_its_events() -> None:
    state = CompactState(version=7)
    state.load("m.room.name", "", event_id(5), "", 5)
    state.load("m.room.create", "", event_id(0), "", 0)
    state.change("m.room.name", "", event_id(7), "")
    assert state.event_number("m.room.create", "") == 0
    assert state.event_number("m.room.name", "") == 7
    assert state.numbers_before(7) == {7: 5}
    assert state.event_count == 8


def test_only_the_latest_deltas_are_kept() -> None:
    state = CompactState()
    for number in range(5 * DELTAS_MAX):
        state.change("t", str(number % 7), event_id(number), "")
    assert state.numbers_before(state.version - DELTAS_MAX) is not None
    assert state.numbers_before(state.version - 2 * DELTAS_MAX - 1) is None


@pytest.mark.slow
def test_the_estimate_of_memory_is_on_the_safe_side() -> None:
    import gc
    import tracemalloc

    gc.collect()
    tracemalloc.start()
    state = CompactState()
    for number in range(20_000):
        state.load(MEMBER, f"@user{number:010}:example.org", event_id(number), "join", number)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.5 * state.memory_bytes() < used < state.memory_bytes()
