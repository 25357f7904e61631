"""Events that are to be sent later (MSC4140): scheduled, restarted, cancelled, sent.

    1 schedule   the room's owner remembers it; the content stays in the table
    2 restart    it is due `delay_ms` from now
    3 send       by the user, or by the owner's timer when it is due: an event like any other, authorised as the room is
                 now, beside the fact that it was sent
    4 cancel     by the user; or because it was refused when it was due, with the error

"Power levels are evaluated for each event only once the delay has occurred and it will be distributed/inserted into
the DAG." Only that the sender is in the room is asked for before: others' rooms are not to be filled with what waits.

Spec: https://github.com/matrix-org/matrix-spec-proposals/pull/4140
"""

from __future__ import annotations

from inspect import isawaitable
from typing import Final, NamedTuple

import orjson

from matrix_protocol.errors import (
    Forbidden,
    LimitExceeded,
    MatrixError,
    NotFound,
    ResourceLimitExceeded,
    Unavailable,
    error_from,
)
from roomserver.delayed_event_tables import DELAYED_EVENTS_BY_USER, FINALISED_DELAYED_EVENTS, DelayedEventByUserRow
from roomserver.input import send_event
from roomserver.input.send_event import NOT_A_MEMBER, PreparedSend
from roomserver.state.delayed_events import WAITING_PER_SHARD_MAX, Outcome, Waiting
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.delayed_events_pb2 import (
    ChangeDelayedEvent,
    DelayedEvent,
    DelayedEventRestartedFact,
    DelayedEventScheduledFact,
    FinalisedDelayedEvent,
    ScheduleDelayedEvent,
)
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_commands_pb2 import RoomReply, SendEvent

UNKNOWN: Final = "There is no such delayed event"
CONFLICT: Final = "The delayed event was already "


class PreparedSchedule(NamedTuple):
    room: RoomInMemory
    is_known: bool
    """It was sent or cancelled already."""
    of_user_elsewhere: int
    """How many of the user's wait in other shards."""
    first_due_at_ms: int
    """of all of the user's that wait"""


class PreparedChange(NamedTuple):
    outcome: Outcome | None = None
    """What became of it, if it does not wait any more and memory does not know better."""
    event: DelayedEvent | None = None
    """if it waits, and is needed"""
    send: SendEvent | None = None
    prepared_send: PreparedSend | None = None
    refused: MatrixError | None = None
    """what it cannot even be prepared to be sent for"""


async def prepare_schedule(shard: OwnedShard, room_id: str, body: ScheduleDelayedEvent) -> PreparedSchedule:
    """Raises Forbidden, BadJson."""
    room = await shard.load(room_id)
    if room is None:
        raise Forbidden(NOT_A_MEMBER)
    event = body.event
    send_event.content_of(event.content_json)
    limit = shard.delayed_events_per_user_max + 1
    rows = await shard.store.scan(DELAYED_EVENTS_BY_USER, (event.sender,), limit=limit)
    elsewhere = [row for row in rows if shard.shard != shard.shard_of_room(row.room_id)]
    first_due_at_ms = min((row.scheduled_at_ms + row.delay_ms for row in rows), default=0)
    known = await shard.store.get(FINALISED_DELAYED_EVENTS, (event.delay_id,))
    return PreparedSchedule(room, known is not None, len(elsewhere), first_due_at_ms)


def execute_schedule(
    shard: OwnedShard, room_id: str, body: ScheduleDelayedEvent, prepared: PreparedSchedule, batch: Batch
) -> RoomReply:
    """Raises Forbidden, LimitExceeded, ResourceLimitExceeded."""
    delayed, event = shard.delayed_events, body.event
    reply = RoomReply(room_id=room_id)
    if prepared.is_known or delayed.get(event.delay_id) is not None or delayed.outcomes.get(event.delay_id) is not None:
        return reply  # the same request again
    if prepared.room.state.membership(event.sender) != "join":
        raise Forbidden(NOT_A_MEMBER)
    if prepared.of_user_elsewhere + delayed.of_user(event.sender) >= shard.delayed_events_per_user_max:
        # "with an `errcode` of `M_LIMIT_EXCEEDED`, and a `Retry-After` header whose value is set to the time of/until
        # the scheduled send time of the next of the user's delayed events to be sent"
        wait_ms = max(prepared.first_due_at_ms - batch.now_ms, 1000)
        raise LimitExceeded("The maximum number of delayed events has been reached.", retry_after_ms=wait_ms)
    if len(delayed) >= WAITING_PER_SHARD_MAX:
        raise ResourceLimitExceeded("Too many delayed events wait on this server")
    event.scheduled_at_ms = batch.now_ms
    delayed.set(event.delay_id, Waiting(room_id, event.sender, event.delay_ms, batch.now_ms))
    batch.add(Fact(delayed_event_scheduled=DelayedEventScheduledFact(event=event)))
    return reply


async def prepare_change(shard: OwnedShard, delay_id: str, body: ChangeDelayedEvent) -> PreparedChange:
    """Raises what a send is refused with."""
    waiting = shard.delayed_events.get(delay_id)
    if waiting is None:
        row = await shard.read_written(FINALISED_DELAYED_EVENTS, (delay_id,))
        return PreparedChange(None if row is None else Outcome(row.sender, bool(row.event_id)))
    if body.action == ChangeDelayedEvent.RESTART or waiting.sender != body.user_id:
        return PreparedChange()
    content = await shard.read_written(DELAYED_EVENTS_BY_USER, (waiting.sender, delay_id))
    if content is None:
        raise Unavailable("The delayed event is just being scheduled, sent or cancelled; try again")
    event = event_of(content, waiting.scheduled_at_ms)
    if body.action == ChangeDelayedEvent.CANCEL:
        return PreparedChange(event=event)
    send = _send_of(event)
    try:
        prepared = send_event.prepare(shard, waiting.room_id, send)
        return PreparedChange(
            event=event, send=send, prepared_send=await prepared if isawaitable(prepared) else prepared
        )
    except MatrixError as error:
        if body.action == ChangeDelayedEvent.SEND or error.http_status >= 500:
            raise
        return PreparedChange(event=event, refused=error)


def execute_change(
    shard: OwnedShard, delay_id: str, body: ChangeDelayedEvent, prepared: PreparedChange, batch: Batch
) -> RoomReply:
    """Raises NotFound, M_UNKNOWN with 409, and what a send is refused with."""
    waiting = shard.delayed_events.get(delay_id)
    if waiting is None:
        return _answer_finalised(body, shard.delayed_events.outcomes.get(delay_id) or prepared.outcome)
    if waiting.sender != body.user_id:
        raise NotFound(UNKNOWN)
    reply = RoomReply(room_id=waiting.room_id)
    if body.action == ChangeDelayedEvent.RESTART:
        _restart(shard, delay_id, waiting, batch)
        return reply
    if body.action == ChangeDelayedEvent.SEND_IF_DUE and waiting.due_at_ms > batch.now_ms:
        return reply  # restarted meanwhile
    if prepared.event is None:
        raise Unavailable("The delayed event has changed meanwhile; try again")
    prepared.event.scheduled_at_ms = waiting.scheduled_at_ms
    finalised = FinalisedDelayedEvent(event=prepared.event, finalised_at_ms=batch.now_ms)
    if body.action != ChangeDelayedEvent.CANCEL:
        _send(shard, body, prepared, batch, finalised)
        reply.event_id = finalised.event_id
    shard.delayed_events.finish(delay_id, is_sent=bool(finalised.event_id))
    batch.add(Fact(delayed_event_finalised=finalised))
    return reply


def event_of(row: DelayedEventByUserRow, scheduled_at_ms: int) -> DelayedEvent:
    return DelayedEvent(
        delay_id=row.delay_id,
        room_id=row.room_id,
        sender=row.sender,
        device_id=row.device_id,
        guest=row.guest,
        event_type=row.event_type,
        state_key=row.state_key,
        content_json=row.content_json,
        delay_ms=row.delay_ms,
        scheduled_at_ms=scheduled_at_ms,
    )


def _send_of(event: DelayedEvent) -> SendEvent:
    return SendEvent(
        sender=event.sender,
        device_id=event.device_id,
        event_type=event.event_type,
        state_key=event.state_key if event.HasField("state_key") else None,
        content_json=event.content_json,
        guest=event.guest,
    )


def _send(
    shard: OwnedShard,
    body: ChangeDelayedEvent,
    prepared: PreparedChange,
    batch: Batch,
    finalised: FinalisedDelayedEvent,
) -> None:
    """Fill in what came of sending. Raises what it is refused with, if the user asked for it: then it still waits."""
    try:
        if prepared.refused is not None:
            raise prepared.refused
        assert prepared.send is not None
        assert prepared.prepared_send is not None
        sent = send_event.execute(shard, finalised.event.room_id, prepared.send, prepared.prepared_send, batch)
        finalised.event_id = sent.event_id
    except MatrixError as error:
        if body.action == ChangeDelayedEvent.SEND or error.http_status >= 500:
            raise
        finalised.error_json = orjson.dumps(error.body(), default=str)


def _restart(shard: OwnedShard, delay_id: str, waiting: Waiting, batch: Batch) -> None:
    shard.delayed_events.set(delay_id, waiting._replace(scheduled_at_ms=batch.now_ms))
    fact = DelayedEventRestartedFact(
        delay_id=delay_id,
        room_id=waiting.room_id,
        sender=waiting.sender,
        delay_ms=waiting.delay_ms,
        scheduled_at_ms=batch.now_ms,
    )
    batch.add(Fact(delayed_event_restarted=fact))


def _answer_finalised(body: ChangeDelayedEvent, outcome: Outcome | None) -> RoomReply:
    """ "To allow safely retrying requests, the homeserver will respond with success if the target delayed event is
    already finalised with an outcome that matches the `action`", otherwise "with HTTP 409".
    """
    if body.action == ChangeDelayedEvent.SEND_IF_DUE:
        return RoomReply()
    if outcome is None or outcome.sender != body.user_id:
        raise NotFound(UNKNOWN)
    if body.action == (ChangeDelayedEvent.SEND if outcome.is_sent else ChangeDelayedEvent.CANCEL):
        return RoomReply()
    raise error_from("M_UNKNOWN", CONFLICT + ("sent" if outcome.is_sent else "cancelled"), 409)
