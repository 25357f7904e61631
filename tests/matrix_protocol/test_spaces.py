"""The rooms of a space."""

from __future__ import annotations

import random
from typing import Any

import pytest

from matrix_protocol.spaces import in_order, is_child, is_suggested


def child(room_id: str, ts: int = 0, **content: Any) -> dict[str, Any]:
    return {"state_key": room_id, "origin_server_ts": ts, "content": {"via": ["a.example"], **content}}


def test_children_are_in_the_order_of_the_specifications_example() -> None:
    children = [
        child("!b:example.org", 1640341000000, order=" "),
        child("!a:example.org", 1640141000000, order="aaaa"),
        child("!c:example.org", 1640841000000, order="first"),
        child("!e:example.org", 1640641000000),
        child("!d:example.org", 1640741000000),
    ]
    shuffled = random.Random(1).sample(children, len(children))
    assert in_order(shuffled) == children


@pytest.mark.parametrize("order", ["", "x" * 51, "\x1f", "\x7f", "é", 1, None, ["a"]])
def test_order_that_is_invalid_counts_as_none(order: object) -> None:
    children = [child("!1:a", 5, order="~" * 50), child("!2:a", 1), child("!3:a", 2, order=order)]
    assert in_order(reversed(children)) == children


def test_equal_orders_go_by_time_and_then_by_room() -> None:
    children = [child("!b:a", 1, order="x"), child("!a:a", 2, order="x"), child("!c:a", 2, order="x")]
    assert in_order(reversed(children)) == children


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (child("!a:a.example"), True),
        (child("!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), True),
        (child("!a:a.example", via=[]), False),
        (child("!a:a.example", via="a.example"), False),
        (child("!a:a.example", via=["a", 1]), False),
        (child("!a:a.example", via=None), False),
        (child("#a:a.example"), False),
        (child(""), False),
        ({"state_key": "!a:a.example", "origin_server_ts": 0, "content": {}}, False),
    ],
)
def test_what_names_a_child(event: dict[str, Any], expected: bool) -> None:
    assert is_child(event) is expected


@pytest.mark.parametrize(("suggested", "expected"), [(True, True), (False, False), (1, False), ("true", False)])
def test_what_is_suggested(suggested: object, expected: bool) -> None:
    assert is_suggested(child("!a:a", suggested=suggested)) is expected
    assert not is_suggested(child("!a:a"))
