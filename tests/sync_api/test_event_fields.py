"""`event_fields`: paths, and what they choose."""

from __future__ import annotations

import orjson
import pytest

from sync_api.event_fields import EventFields, path_parts

EVENT = {
    "type": "m.room.message",
    "sender": "@a:b",
    "content": {"body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": "$1"}, "m\\foo": 1},
}


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("content.body", ["content", "body"]),
        (r"content.m\.relates_to.rel_type", ["content", "m.relates_to", "rel_type"]),
        (r"content.m\\foo", ["content", "m\\foo"]),
        (r"a\xb", [r"a\xb"]),
        ("a\\", ["a\\"]),
        ("", [""]),
        ("a..b", ["a", "", "b"]),
    ],
)
def test_path_is_split_at_dots_that_are_not_escaped(path: str, parts: list[str]) -> None:
    assert path_parts(path) == parts


@pytest.mark.parametrize(
    ("paths", "picked"),
    [
        (["sender"], {"sender": "@a:b"}),
        (["content.body", "type"], {"content": {"body": "x"}, "type": "m.room.message"}),
        (["content.body", "content"], {"content": EVENT["content"]}),
        (["content", "content.body"], {"content": EVENT["content"]}),
        ([r"content.m\.relates_to.rel_type"], {"content": {"m.relates_to": {"rel_type": "m.thread"}}}),
        (["content.body.deeper", "state_key"], {"content": {}}),
    ],
)
def test_wanted_fields_are_all_that_is_left(paths: list[str], picked: object) -> None:
    assert orjson.loads(EventFields(paths).of_event(orjson.dumps(EVENT))) == picked
