"""Events that relate to events: what a relation is, when it counts, and what of it is bundled with the parent.

    child     {"content": {"m.relates_to": {"rel_type": "m.thread", "event_id": "$parent"}}, …}
    parent    {"unsigned": {"m.relations": {"m.thread": {…}}}, …}

| `rel_type`   | counts if                                                             | bundled             |
|--------------|-----------------------------------------------------------------------|---------------------|
| m.annotation | the parent is no annotation and no edit                               | no                  |
| m.replace    | same sender, same type, no state, no edit itself; `m.new_content`     | the most recent one |
| m.thread     | the parent has no `rel_type` (clients that try are told)              | number, latest one  |
| m.reference  | always                                                                | event IDs           |
| others       | always                                                                | no                  |

"Relationships which don't match the schema, or which break the rules of a relationship, are simply ignored."

Spec: https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from matrix_protocol.identifiers import IDENTIFIER_BYTES_MAX, exceeds_bytes

ANNOTATION: Final = "m.annotation"
REFERENCE: Final = "m.reference"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"
ENCRYPTED: Final = "m.room.encrypted"
REL_TYPE_CHARACTERS_MAX: Final = 255


class Relation(NamedTuple):
    """An event's `m.relates_to`."""

    rel_type: str
    event_id: str
    key: str | None
    """Of an annotation: what the reaction is."""


class RelatedEvent(NamedTuple):
    """What the rules ask of an event at either end of a relation."""

    sender: str
    type: str
    is_state: bool
    relation: Relation | None
    """its own, to its parent"""


class BundledThread(NamedTuple):
    latest_event: bytes
    """JSON"""
    replies: int
    current_user_participated: bool


def relation_of(content: Mapping[str, Any]) -> Relation | None:
    """None if the content has none that is well formed. Encrypted events have theirs in the clear, too."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, Mapping):
        return None
    rel_type, event_id, key = relates_to.get("rel_type"), relates_to.get("event_id"), relates_to.get("key")
    if not isinstance(rel_type, str) or not isinstance(event_id, str):
        return None
    return Relation(rel_type, event_id, key if isinstance(key, str) else None)


def relation_of_event(event_type: str, state_key: str | None, content: Mapping[str, Any]) -> Relation | None:
    """The relation that this event has as a child, as far as the event itself tells.

    NOTSPEC: that of a state event is not looked at. None of those specified is made by a state event, and
    the next state event of the key would have to take it away again.
    """
    relation = relation_of(content)
    if relation is None or state_key is not None or event_type == "m.room.redaction":
        return None
    if not 1 <= len(relation.rel_type) <= REL_TYPE_CHARACTERS_MAX:
        return None
    if not relation.event_id.startswith("$") or exceeds_bytes(relation.event_id, IDENTIFIER_BYTES_MAX):
        return None
    if relation.rel_type == REPLACE and event_type != ENCRYPTED:
        # "The replacement event (once decrypted, if appropriate) must have an `m.new_content` property."
        return relation if isinstance(content.get("m.new_content"), Mapping) else None
    return relation


def relation_counts(relation: Relation, child: RelatedEvent, parent: RelatedEvent) -> bool:
    """Whether this relation of the child to the parent, an event of the same room, keeps the rules of its type."""
    parents_rel_type = None if parent.relation is None else parent.relation.rel_type
    if relation.rel_type == REPLACE:
        # "The original event and replacement event must have the same `sender`", "the same `type`", "must not have a
        # `state_key`"; "the original event must not, itself, have a `rel_type` of `m.replace`".
        return (
            child.sender == parent.sender
            and child.type == parent.type
            and not child.is_state
            and not parent.is_state
            and parents_rel_type != REPLACE
        )
    if relation.rel_type == ANNOTATION:
        # "It is not possible to annotate a replacement event or an annotation."
        return parents_rel_type not in (ANNOTATION, REPLACE)
    if relation.rel_type == THREAD:
        # "It is not possible to create a thread from an event which itself is the child of an event relationship."
        return parent.relation is None
    return True


def bundled_relations(edit: bytes | None, thread: BundledThread | None, reference_event_ids: Sequence[str]) -> bytes:
    """`"m.relations":{…}` for `unsigned`, or nothing. Events are given as JSON, and go in as they are.

    Spec: https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
    """
    parts: list[bytes] = []
    if edit is not None:
        parts.append(b'"m.replace":%b' % edit)
    if thread is not None:
        participated = b"true" if thread.current_user_participated else b"false"
        parts.append(
            b'"m.thread":{"latest_event":%b,"count":%d,"current_user_participated":%b}'
            % (thread.latest_event, thread.replies, participated)
        )
    if reference_event_ids:
        chunk = orjson.dumps([{"event_id": event_id} for event_id in reference_event_ids])
        parts.append(b'"m.reference":{"chunk":%b}' % chunk)
    return b'"m.relations":{%b}' % b",".join(parts) if parts else b""
