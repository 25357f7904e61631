"""The events of a recorded room, each by the "checks performed on receipt of a PDU", as far as a file allows.

    format         1  "is a valid event"; and of this room, and there once
    event_id          the ID in the file is that of the PDU
    signature      2  "passes signature checks", by the keys of the file
    content_hash   3  "passes hash checks"; if not, it goes on in its redacted form, but is not accepted
    auth_events       what it names is in the file, was accepted, and is not in a circle
    auth_rules     4  "passes authorization rules based on the event's auth events", state-independent rules first

Steps 5 and 6 (the state before the event, and the current state) would need the state at each event.

Spec: https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from homeserver.tools.room_file import RecordedEvent, RoomFile
from matrix_protocol.events.format import Event
from matrix_protocol.receipt import (
    AuthEvents,
    Dropped,
    Outcome,
    Verdict,
    authorize,
    check_format,
    check_signatures,
)
from matrix_protocol.room_versions import RoomVersionRules


class Failure(NamedTuple):
    """Why an event was not accepted."""

    event_id: str
    line: int
    step: str
    reason: str


@dataclass(slots=True)
class CheckedEvents:
    """`events` are those that can be in a state: auth events first. Without what was dropped or rejected."""

    events: dict[str, Event] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    create_event: Event | None = None
    missing_prev_event_ids: set[str] = field(default_factory=set)
    """Not in the file, though events name them as `prev_events`. No failure: a part of a room is a room."""


def check_events(room: RoomFile, rank: Callable[[int], float] = float) -> CheckedEvents:
    """Every event of the file. Of events that may come next, that of the lowest rank (of its place) does."""
    checked = CheckedEvents()
    parsed: dict[str, tuple[RecordedEvent, Event]] = {}
    for recorded in room.events:
        event = _parsed(recorded, room, parsed, checked)
        if event is not None:
            parsed[event.event_id] = (recorded, event)
    events = {event_id: event for event_id, (_, event) in parsed.items()}
    failed = {failure.event_id for failure in checked.failures}
    in_order = _auth_events_first(events, room.rules, rank)
    for event_id in in_order:
        failure = _check_auth(parsed[event_id][0], events[event_id], checked, room.rules)
        if failure is None:
            event = checked.events[event_id] = events[event_id]
            if event.type == "m.room.create":
                checked.create_event = event
        elif event_id not in failed:
            checked.failures.append(failure)
    placed = set(in_order)
    for event_id, (recorded, _) in parsed.items():
        if event_id not in placed:
            reason = "its auth events lead in a circle"
            checked.failures.append(Failure(event_id, recorded.line, "auth_events", reason))
    checked.missing_prev_event_ids = {
        prev_event_id for event in events.values() for prev_event_id in event.prev_event_ids
    } - {recorded.event_id for recorded in room.events}
    checked.failures.sort(key=lambda failure: failure.line)
    return checked


def _parsed(
    recorded: RecordedEvent, room: RoomFile, known: Mapping[str, object], checked: CheckedEvents
) -> Event | None:
    """The event after steps 1 to 3; None if it is dropped."""

    def fail(step: str, reason: str, then: Event | None = None) -> Event | None:
        checked.failures.append(Failure(recorded.event_id, recorded.line, step, reason))
        return then

    unverified = check_format(recorded.untrusted_pdu, room.rules)
    if isinstance(unverified, Dropped):
        return fail("format", unverified.reason)
    event = unverified.event
    if event.event_id != recorded.event_id:
        return fail("event_id", f"the PDU is that of {event.event_id}")
    if event.event_id in known:
        return fail("format", "the file has this event twice")
    if event.room_id != room.room_id:
        return fail("format", f"it is of another room, {event.room_id}")
    received = check_signatures(unverified, room.verify_keys, room.rules)
    if isinstance(received, Dropped):
        return fail("signature", received.reason)
    if received.is_redacted:
        fail("content_hash", "`hashes.sha256` is not that of the event: it counts as redacted")
    return received.event


def _auth_events_first(
    events: Mapping[str, Event], rules: RoomVersionRules, rank: Callable[[int], float]
) -> Sequence[str]:
    """Kahn's algorithm over all auth edges, of which an event has ten at most. Without what is in, or behind, a circle.

    The create event comes before all else, as it does in a room; and where it is implied, nothing names it.
    """
    ranks = {event_id: (rank(place), event_id) for place, event_id in enumerate(events)}
    create_event_id = next((event_id for event_id, event in events.items() if event.type == "m.room.create"), "")
    cited_by: dict[str, list[str]] = {}
    waiting_for = dict.fromkeys(events, 0)
    for event_id, event in events.items():
        before = {*event.auth_event_ids, create_event_id} if event_id != create_event_id else set(event.auth_event_ids)
        for auth_event_id in before & events.keys():
            cited_by.setdefault(auth_event_id, []).append(event_id)
            waiting_for[event_id] += 1
    candidates = [ranks[event_id] for event_id, count in waiting_for.items() if not count]
    heapify(candidates)
    ordered = []
    while candidates:
        event_id = heappop(candidates)[1]
        ordered.append(event_id)
        for citing_event_id in cited_by.pop(event_id, ()):
            waiting_for[citing_event_id] -= 1
            if not waiting_for[citing_event_id]:
                heappush(candidates, ranks[citing_event_id])
    return ordered


def _check_auth(
    recorded: RecordedEvent, event: Event, checked: CheckedEvents, rules: RoomVersionRules
) -> Failure | None:
    """Step 4, when all auth events were judged."""

    def failure(step: str, reason: str) -> Failure:
        return Failure(event.event_id, recorded.line, step, reason)

    if event.type == "m.room.create" and checked.create_event is not None:
        return failure("auth_rules", f"the room has its create event, {checked.create_event.event_id}")
    missing = [event_id for event_id in event.auth_event_ids if event_id not in checked.events]
    if missing:
        return failure("auth_events", f"the auth event {missing[0]} is not in the file, or was not accepted")
    checks = authorize(event, rules)
    next(checks)
    try:
        checks.send(AuthEvents(checked.events))
    except StopIteration as ended:
        outcome: Outcome = ended.value
        return None if outcome.verdict is Verdict.ACCEPTED else failure("auth_rules", outcome.reason)
    return None  # it asks for the state before the event, which no file has: step 4 is passed
