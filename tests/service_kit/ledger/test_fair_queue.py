"""Lanes that take turns."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.ledger.fair_queue import FairQueue


def filled(*items: tuple[str, int]) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for item in items:
        queue.put(item[0], item)
    return queue


def test_a_quiet_lane_waits_for_one_item_of_a_busy_one() -> None:
    queue = filled(*(("busy", number) for number in range(1000)), ("quiet", 0))
    assert [queue.take() for _ in range(4)] == [("busy", 0), ("quiet", 0), ("busy", 1), ("busy", 2)]


def test_a_new_lane_gets_its_turn_after_those_that_wait() -> None:
    queue = filled(("a", 0), ("a", 1), ("b", 0))
    assert queue.take() == ("a", 0)
    queue.put("c", ("c", 0))
    assert [queue.take() for _ in range(3)] == [("b", 0), ("a", 1), ("c", 0)]


def test_an_empty_queue_has_nothing_to_take() -> None:
    queue = filled(("a", 0))
    queue.clear()
    assert (len(queue), queue.waiting_for("a"), list(queue)) == (0, 0, [])
    with pytest.raises(IndexError):
        queue.take()


@given(st.lists(st.one_of(st.sampled_from("abc"), st.none())))
def test_nothing_is_lost_doubled_or_reordered_within_a_lane(steps: list[str | None]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    expected: dict[str, deque[int]] = {key: deque() for key in "abc"}
    for number, key in enumerate(steps):
        if key is not None:
            queue.put(key, (key, number))
            expected[key].append(number)
        elif len(queue):
            taken_key, taken = queue.take()
            assert expected[taken_key].popleft() == taken
        assert len(queue) == sum(map(len, expected.values()))
        assert all(queue.waiting_for(key) == len(lane) for key, lane in expected.items())
        assert sorted(queue) == sorted((key, item) for key, lane in expected.items() for item in lane)
