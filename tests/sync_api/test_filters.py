"""Filters: what they let through, and what they refuse to be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.errors import BadJson, MatrixError, NotJson
from service_kit.limits import FILTER_BYTES_MAX
from sync_api.entries import TimelineEvent
from sync_api.filters import FILTER_LIST_MAX, EventFilter, SyncFilter, parse_filter


def filter_of(**room: Any) -> SyncFilter:
    return parse_filter(orjson.dumps({"room": room}))


def timeline(**wanted: Any) -> EventFilter:
    return filter_of(timeline=wanted).timeline


def event(event_type: str = "m.room.message", sender: str = "@a:b", **content: Any) -> TimelineEvent:
    client_json = orjson.dumps({"content": content, "sender": sender, "type": event_type, "unsigned": {}})
    return TimelineEvent(1, "$e", event_type, sender, None, 0, "", "", "", "", "", 0, client_json)


def test_exclusions_win() -> None:
    wanted = timeline(types=["m.*"], not_types=["m.x"], senders=["@a:b", "@c:d"], not_senders=["@c:d"])
    assert wanted.allows(event("m.y"))
    assert not wanted.allows(event("m.x"))
    assert not wanted.allows(event("m.y", "@c:d"))
    assert not wanted.allows(event("m.y", "@e:f"))


def test_empty_lists_of_types_or_senders_allow_nothing() -> None:
    assert not timeline(types=[]).allows(event())
    assert not timeline(senders=[]).allows(event())
    assert timeline(not_types=[], not_senders=[]).allows(event())


def test_contains_url_looks_into_the_content() -> None:
    assert timeline(contains_url=True).allows(event(url="mxc://x"))
    assert not timeline(contains_url=True).allows(event(body='"url":'))
    assert timeline(contains_url=False).allows(event())


def test_state_is_judged_by_its_sender_too() -> None:
    wanted = filter_of(state={"not_senders": ["@a:b"]}).state
    assert not wanted.allows_state("m.room.name", event().client_json)
    assert wanted.allows_state("m.room.name", event(sender="@c:d").client_json)


def test_excluded_rooms_win_over_included_ones() -> None:
    wanted = filter_of(rooms=["!a", "!b"], not_rooms=["!b"])
    assert wanted.allows_room("!a")
    assert not wanted.allows_room("!b")
    assert not wanted.allows_room("!c")


def test_equal_filters_are_one_object() -> None:
    assert filter_of(include_leave=True) is filter_of(include_leave=True)


@pytest.mark.parametrize(
    ("filter_json", "error"),
    [
        (b"{", NotJson),
        (b"\xff", NotJson),
        (b"[]", BadJson),
        (b'{"room":{"timeline":{"limit":-1}}}', BadJson),
        (b'{"room":{"timeline":{"limit":"1"}}}', BadJson),
        (b'{"room":{"rooms":[1]}}', BadJson),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", NotJson),
        (b'{"x":"' + b"x" * FILTER_BYTES_MAX + b'"}', BadJson),
        (orjson.dumps({"room": {"rooms": ["!r"] * (FILTER_LIST_MAX + 1)}}), BadJson),
    ],
)
def test_bad_filter_is_refused(filter_json: bytes, error: type[MatrixError]) -> None:
    with pytest.raises(error):
        parse_filter(filter_json)
