"""What a relation is, when it counts, what is bundled."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.relations import (
    BundledThread,
    RelatedEvent,
    Relation,
    bundled_relations,
    relation_counts,
    relation_of,
    relation_of_event,
)

ALICE, BOB = "@alice:a.example", "@bob:a.example"
MESSAGE = "m.room.message"


def relating(rel_type: object, event_id: object = "$parent", **more: object) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}


def event(
    sender: str = ALICE, event_type: str = MESSAGE, rel_type: str = "", *, is_state: bool = False
) -> RelatedEvent:
    return RelatedEvent(sender, event_type, is_state, Relation(rel_type, "$other", None) if rel_type else None)


def counts(rel_type: str, child: RelatedEvent, parent: RelatedEvent) -> bool:
    return relation_counts(Relation(rel_type, "$parent", None), child, parent)


def test_relation_has_a_type_a_parent_and_perhaps_a_key() -> None:
    assert relation_of(relating("m.annotation", key="+1")) == Relation("m.annotation", "$parent", "+1")
    assert relation_of(relating("m.annotation", key=1)) == Relation("m.annotation", "$parent", None)
    assert relation_of({"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}) is None


@pytest.mark.parametrize(
    "content",
    [relating(""), relating("x" * 256), relating("m.thread", "parent"), relating("m.thread", "$" + "x" * 255)],
)
def test_relation_beyond_what_identifiers_may_be_is_none(content: dict[str, Any]) -> None:
    assert relation_of_event(MESSAGE, None, content) is None


def test_edit_needs_its_new_content_unless_it_is_encrypted() -> None:
    edit = relating("m.replace")
    assert relation_of_event(MESSAGE, None, edit) is None
    assert relation_of_event(MESSAGE, None, edit | {"m.new_content": "text"}) is None
    assert relation_of_event(MESSAGE, None, edit | {"m.new_content": {}}) is not None
    assert relation_of_event("m.room.encrypted", None, edit) is not None


def test_state_events_and_redactions_are_no_children() -> None:
    assert relation_of_event("m.room.topic", "", relating("m.reference")) is None
    assert relation_of_event("m.room.redaction", None, relating("m.reference")) is None


def test_edit_counts_only_by_its_sender_of_its_type_of_no_state_and_no_edit() -> None:
    edit = event(rel_type="m.replace")
    assert counts("m.replace", edit, event())
    assert counts("m.replace", edit, event(rel_type="m.thread"))
    assert not counts("m.replace", edit, event(BOB))
    assert not counts("m.replace", edit, event(event_type="m.sticker"))
    assert not counts("m.replace", edit, event(rel_type="m.replace"))
    assert not counts("m.replace", edit, event(is_state=True))


def test_annotation_counts_but_for_annotations_and_edits() -> None:
    reaction = event(BOB, "m.reaction", "m.annotation")
    assert counts("m.annotation", reaction, event(is_state=True))
    assert counts("m.annotation", reaction, event(rel_type="m.thread"))
    assert not counts("m.annotation", reaction, event(rel_type="m.annotation"))
    assert not counts("m.annotation", reaction, event(rel_type="m.replace"))


def test_thread_starts_from_what_relates_to_nothing() -> None:
    reply = event(BOB, rel_type="m.thread")
    assert counts("m.thread", reply, event())
    for rel_type in ("m.thread", "m.replace", "m.annotation", "m.reference", "org.example"):
        assert not counts("m.thread", reply, event(rel_type=rel_type))


def test_references_and_unknown_types_always_count() -> None:
    for rel_type in ("m.reference", "org.example"):
        assert counts(rel_type, event(BOB), event(rel_type="m.replace"))


def test_bundle_has_only_what_there_is() -> None:
    assert bundled_relations(None, None, []) == b""
    made = bundled_relations(b'{"e":1}', BundledThread(b'{"l":1}', 7, False), ["$1", "$2"])
    assert orjson.loads(b"{%b}" % made) == {
        "m.relations": {
            "m.replace": {"e": 1},
            "m.thread": {"latest_event": {"l": 1}, "count": 7, "current_user_participated": False},
            "m.reference": {"chunk": [{"event_id": "$1"}, {"event_id": "$2"}]},
        }
    }
