"""What of a room's events can be found, and by which text.

"The supported keys to search over are: `content.body` in `m.room.message`, `content.name` in `m.room.name`, in
`m.room.topic`, `content.topic` as well as the `body` of the `text/plain` representation in `content['m.topic']`."
Spec: https://spec.matrix.org/v1.19/client-server-api/#search-categories
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from service_kit.rpc.pb.facts_pb2 import Fact, Verdict
from service_kit.rpc.pb.room_queries_pb2 import TimelineEntry
from service_kit.words import words_of


class Document(NamedTuple):
    """An event that can be found by its words; or one that replaces the words of another."""

    position: int
    """in the ledger of the room's shard"""
    event_id: str
    room_id: str
    sender: str
    type: str
    sent_at_ms: int
    """never later than when we got it"""
    has_url: bool
    words: str
    """with a space between two"""
    edits_event_id: str = ""
    """the event whose words these are from now on; this one itself is not found"""


class Removal(NamedTuple):
    """The event was redacted, or has expired."""

    position: int
    """of the fact that says so"""
    event_id: str


Change = Document | Removal


def changes_of(position: int, fact: Fact) -> list[Change]:
    """What a fact of a room shard changes in the index."""
    if fact.WhichOneof("body") == "purged":
        return [Removal(position, event.event_id) for event in fact.purged.events]
    event = fact.room_event
    if not event.event_id or event.verdict != Verdict.ACCEPTED:
        return []
    changes: list[Change] = []
    if event.redacts_event_id and event.redacted_client_json:
        changes.append(Removal(position, event.redacts_event_id))
    if event.type in _TEXTS:
        state_key = event.state_key if event.HasField("state_key") else None
        known_by_ms = min(event.origin_server_ts_ms, fact.written_at_ms or event.origin_server_ts_ms)
        named = (position, event.event_id, fact.room_id, event.sender, event.type, known_by_ms)
        if (document := _document(named, state_key, event.client_json)) is not None:
            changes.append(document)
    return changes


def change_by(entry: TimelineEntry, room_id: str, now_ms: int, head: int) -> Change | None:
    """The same for an event as its room has it when the ledger ends at `head`; redacted ones have no text."""
    if entry.type not in _TEXTS:
        return None
    state_key = entry.state_key if entry.HasField("state_key") else None
    known_by_ms = min(entry.origin_server_ts_ms, now_ms)
    named = (entry.position, entry.event_id, room_id, entry.sender, entry.type, known_by_ms)
    return _document(named, state_key, entry.client_json) or Removal(head, entry.event_id)


def _document(named: tuple[int, str, str, str, str, int], state_key: str | None, client_json: bytes) -> Document | None:
    event_type = named[4]
    # A message with a state key, or a name without an empty one, is something else.
    if state_key != (None if event_type == MESSAGE else ""):
        return None
    content = orjson.loads(client_json).get("content")
    if not isinstance(content, dict):
        return None
    edited = _edited(content) if event_type == MESSAGE else ""
    shown = content.get("m.new_content") if edited else content
    text = _TEXTS[event_type](shown) if isinstance(shown, dict) else ""
    words = " ".join(words_of(text))
    if not words and not edited:
        return None
    return Document(*named, "url" in content, words, edited)


def _edited(content: Mapping[str, Any]) -> str:
    """The event that this one is a replacement of, "" = none.

    Spec: https://spec.matrix.org/v1.19/client-server-api/#event-replacements
    """
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.replace":
        return ""
    target = relation.get("event_id")
    return target if isinstance(target, str) else ""


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""


def _topic(content: Mapping[str, Any]) -> str:
    texts = [_text(content, "topic")]
    block = content.get("m.topic")
    representations = block.get("m.text") if isinstance(block, dict) else None
    for each in representations if isinstance(representations, list) else ():
        # "mimetype: […] Defaults to `text/plain`."
        if isinstance(each, dict) and each.get("mimetype", "text/plain") == "text/plain":
            texts.append(_text(each, "body"))
            break
    return " ".join(dict.fromkeys(texts))


MESSAGE = "m.room.message"
TYPE_OF_KEY: Mapping[str, str] = {
    "content.body": MESSAGE,
    "content.name": "m.room.name",
    "content.topic": "m.room.topic",
}
_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    MESSAGE: lambda content: _text(content, "body"),
    "m.room.name": lambda content: _text(content, "name"),
    "m.room.topic": _topic,
}
