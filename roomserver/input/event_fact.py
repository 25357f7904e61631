"""The fact of one new event: everything that follows from it, so that it can be redone and told to others."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import orjson

from matrix_protocol.events.format import Event, client_format, federation_fields
from matrix_protocol.events.hashes import reference_hash
from roomserver.input.state_columns import next_columns
from roomserver.state.compact import MEMBER, MEMBERSHIPS
from roomserver.state.room import STRIPPED_STATE_TYPES, RoomInMemory, visibility_of
from roomserver.tables import BUCKET_EVENTS_MAX, TimelineRow
from service_kit.rpc.pb.facts_pb2 import Fact, HistoryVisibility, RewrittenEvent, RoomEventFact

_VISIBILITY: Final = "m.room.history_visibility"
_FROM_OPEN_TO_CLOSED: Final = (
    HistoryVisibility.WORLD_READABLE,
    HistoryVisibility.SHARED,
    HistoryVisibility.INVITED,
    HistoryVisibility.JOINED,
)


class ChangedEvent(NamedTuple):
    """An event that looks different from now on."""

    row: TimelineRow
    """with its new JSON"""
    is_current_state: bool


class RedactedEvent(NamedTuple):
    """What a redaction does."""

    target: ChangedEvent
    quoter: ChangedEvent | None
    """the event that quotes the target, as `prev_content` or `redacted_because`"""


def event_fact(
    room: RoomInMemory,
    event: Event,
    *,
    replaced: bytes | None = None,
    inviter: bytes | None = None,
    device_id: str = "",
    client_txn_id: str = "",
) -> Fact:
    """The fact of an event that is about to take its place at the end of this room.

    In client format: `replaced` is the state event that it takes the place of, `inviter` the sender's member event.
    """
    index = room.timeline_length
    fact = RoomEventFact(
        event_id=event.event_id,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        origin_server_ts_ms=event.origin_server_ts_ms,
        depth=event.depth,
        client_json=client_format(event, _unsigned(replaced)),
        federation_json=federation_fields(event),
        history_visibility=room.history_visibility,
        state_version=room.state.version,
        device_id=device_id,
        client_txn_id=client_txn_id,
        redacts_event_id=event.redacts or "",
        room_version=room.rules.identifier,
        bucket=index // BUCKET_EVENTS_MAX,
        forward_extremity_ids=(event.event_id,),
        timeline_index=index,
        state_events=room.state.event_count,
    )
    _add_timestamps(fact, room, index)
    if room.rules.event_format.references_carry_hashes:
        hashed = reference_hash(event.pdu, room.rules)
        fact.reference_hash = hashed
        fact.forward_extremity_hashes.append(hashed)
    if event.state_key is not None:
        _add_state(fact, room, event, inviter)
    target = event.state_key if event.state_key is not None and event.type == MEMBER else None
    return Fact(room_id=room.room_id, user_id=target, room_event=fact)


def add_redacted_event(fact: Fact, room: RoomInMemory, redacted: RedactedEvent) -> None:
    """The event also changes another one."""
    body = fact.room_event
    row, is_current_state = redacted.target
    body.redacts_position = row.position
    body.redacts_bucket = row.bucket
    body.redacted_client_json = row.client_json
    body.redacted_federation_json = row.federation_json
    body.redacts_history_visibility = cast(HistoryVisibility, row.history_visibility)
    body.redacts_prev_membership = row.prev_membership
    body.redacts_current_state = is_current_state
    if is_current_state and row.state_key is not None:
        body.redacts_state_number = room.state.event_number(row.type, row.state_key)
        body.redacts_reference_hash = room.state.reference_hash(row.type, row.state_key)
    if redacted.quoter is not None:
        body.rewritten.CopyFrom(_rewritten(room, redacted.quoter))


def _rewritten(room: RoomInMemory, changed: ChangedEvent) -> RewrittenEvent:
    row = changed.row
    rewritten = RewrittenEvent(
        event_id=row.event_id,
        position=row.position,
        bucket=row.bucket,
        client_json=row.client_json,
        federation_json=row.federation_json,
        history_visibility=cast(HistoryVisibility, row.history_visibility),
        prev_membership=row.prev_membership,
        device_id=row.device_id,
        client_txn_id=row.client_txn_id,
        is_current_state=changed.is_current_state,
    )
    if changed.is_current_state and row.state_key is not None:
        rewritten.state_number = room.state.event_number(row.type, row.state_key)
        rewritten.reference_hash = room.state.reference_hash(row.type, row.state_key)
    return rewritten


def _add_timestamps(fact: RoomEventFact, room: RoomInMemory, index: int) -> None:
    """The span of times in the bucket that the event falls into; with its first event, that of the bucket before."""
    ts_ms, known = fact.origin_server_ts_ms, room.bucket_ts_ms
    if index % BUCKET_EVENTS_MAX == 0:
        fact.bucket_min_ts_ms = fact.bucket_max_ts_ms = ts_ms
        if known is not None:
            fact.full_bucket_min_ts_ms, fact.full_bucket_max_ts_ms = known
    elif known is not None:
        fact.bucket_min_ts_ms, fact.bucket_max_ts_ms = min(known[0], ts_ms), max(known[1], ts_ms)


def _unsigned(replaced: bytes | None) -> dict[str, Any]:
    if replaced is None:
        return {}
    former = orjson.loads(replaced)
    return {"prev_content": former["content"], "replaces_state": former["event_id"]}


def _add_state(fact: RoomEventFact, room: RoomInMemory, event: Event, inviter: bytes | None) -> None:
    columns = next_columns(room, event)
    fact.state_number = columns.number
    fact.state_columns = columns.to_bytes()
    fact.state_events += 1
    fact.state_version += 1
    fact.replaces_event_id = room.state.event_id(event.type, event.state_key or "") or ""
    if event.type == MEMBER and event.state_key:
        membership = event.content.get("membership")
        fact.membership = membership if membership in MEMBERSHIPS else ""
        fact.prev_membership = room.state.membership(event.state_key)
        if membership in ("invite", "knock"):
            fact.invite_state_json = stripped_state(room, event, inviter)
    elif event.type == _VISIBILITY and event.state_key == "":
        # "For `m.room.history_visibility` events themselves, the user should be allowed to see the event if the
        # `history_visibility` before *or* after the event would allow them to see it." Each value allows all that
        # the next one does, so that is the more open of the two.
        both = (room.history_visibility, visibility_of(event.content))
        fact.history_visibility = min(both, key=_FROM_OPEN_TO_CLOSED.index)


def stripped_state(room: RoomInMemory, event: Event, inviter: bytes | None) -> bytes:
    """What somebody who is invited or knocks may know of the room: a JSON array of stripped state events.

    Spec: https://spec.matrix.org/v1.19/client-server-api/#stripped-state
    "Stripped state events can only have the `sender`, `type`, `state_key` and `content` properties present." "The
    server might include events not described here": clients show an invite to a direct chat by its sender's name.
    """
    found = [(event_type, room.state_event(event_type, "")) for event_type in STRIPPED_STATE_TYPES]
    events: list[dict[str, Any]] = [
        {"content": state.content, "sender": state.sender, "state_key": "", "type": event_type}
        for event_type, state in found
        if state is not None
    ]
    if inviter is not None:
        member = orjson.loads(inviter)
        events.append({name: member[name] for name in ("content", "sender", "state_key", "type")})
    events.append({"content": event.content, "sender": event.sender, "state_key": event.state_key, "type": event.type})
    return orjson.dumps(events)
