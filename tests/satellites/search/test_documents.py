"""Which events can be found, and by which text."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from satellites.search.documents import Document, Removal, changes_of
from service_kit.rpc.pb.facts_pb2 import Fact, PurgedFact, RewrittenEvent, RoomEventFact, Verdict


def fact(kind: str, content: object, *, state_key: str | None = None, **more: Any) -> Fact:
    event = RoomEventFact(
        event_id="$e",
        type=kind,
        sender="@a:x",
        origin_server_ts_ms=1000,
        client_json=orjson.dumps({"content": content}),
        **more,
    )
    if state_key is not None:
        event.state_key = state_key
    return Fact(room_id="!r", written_at_ms=2000, room_event=event)


@pytest.mark.parametrize(
    ("kind", "state_key", "content", "words"),
    [
        ("m.room.message", None, {"body": "Hello there"}, "hello there"),
        ("m.room.name", "", {"name": "Tea room"}, "tea room"),
        ("m.room.topic", "", {"topic": "Tea"}, "tea"),
        (
            "m.room.topic",
            "",
            {"topic": "Tea", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "x"}, {"body": "Green tea"}]}},
            "tea green tea",
        ),
    ],
)
def test_text_of_each_key_is_found(kind: str, state_key: str | None, content: object, words: str) -> None:
    (document,) = changes_of(7, fact(kind, content, state_key=state_key))
    assert document == Document(7, "$e", "!r", "@a:x", kind, 1000, False, words)


@pytest.mark.parametrize(
    ("kind", "state_key", "content"),
    [
        ("m.room.message", "", {"body": "state"}),
        ("m.room.name", None, {"name": "no state"}),
        ("m.room.name", "other", {"name": "x"}),
        ("m.room.encrypted", None, {"body": "x"}),
        ("m.room.message", None, {"body": 7}),
        ("m.room.message", None, {}),
        ("m.room.message", None, []),
        ("m.room.topic", "", {"topic": None, "m.topic": {"m.text": "x"}}),
    ],
)
def test_other_events_and_hostile_contents_are_not_found(kind: str, state_key: str | None, content: object) -> None:
    assert changes_of(7, fact(kind, content, state_key=state_key)) == []


@pytest.mark.parametrize("verdict", [Verdict.SOFT_FAILED, Verdict.REJECTED])
def test_events_that_are_not_accepted_are_not_found(verdict: Verdict) -> None:
    assert changes_of(7, fact("m.room.message", {"body": "x"}, verdict=verdict)) == []


def test_edit_brings_its_new_words_for_the_other_event() -> None:
    content = {
        "body": "* new",
        "m.new_content": {"body": "new"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$first"},
    }
    (document,) = changes_of(7, fact("m.room.message", content))
    assert isinstance(document, Document)
    assert (document.words, document.edits_event_id) == ("new", "$first")


def test_time_of_the_sender_is_never_later_than_ours() -> None:
    late = fact("m.room.message", {"body": "x"})
    late.room_event.origin_server_ts_ms = 10**15
    (document,) = changes_of(7, late)
    assert isinstance(document, Document)
    assert document.sent_at_ms == 2000


def test_redactions_and_expiry_remove() -> None:
    redaction = fact("m.room.redaction", {}, redacts_event_id="$old", redacted_client_json=b"{}")
    assert changes_of(7, redaction) == [Removal(7, "$old")]
    purged = PurgedFact(room_id="!r", events=[RewrittenEvent(event_id="$1"), RewrittenEvent(event_id="$2")])
    assert changes_of(8, Fact(purged=purged)) == [Removal(8, "$1"), Removal(8, "$2")]


def test_facts_that_are_no_events_change_nothing() -> None:
    assert changes_of(7, Fact(room_id="!r")) == []
