"""PUT send, state and redact: one new event by a member of the room.

    1 a client transaction that was seen before is answered with its event
    2 the content is a JSON object
    3 a redaction names an event of this room that the sender may redact
    4 an event that relates to another one may do so (`input.relations`)
    5 a state event equal to the current one is that one
    6 the event is made, authorised, and takes its place

Member events go the way of `input.membership`, whatever endpoint they come by.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

import orjson

from matrix_protocol.errors import BadJson, Forbidden, MissingParam
from roomserver.input import membership
from roomserver.input.append_event import append_event
from roomserver.input.canonical_alias import CANONICAL_ALIAS, RoomByAlias, check_aliases, rooms_by_alias
from roomserver.input.new_event import EventDraft, new_event
from roomserver.input.redaction import REDACTION, RedactionTarget, read_target, redacted_event
from roomserver.input.relations import (
    PreparedLoss,
    PreparedRelation,
    check_loss,
    check_relation,
    prepare_loss,
    prepare_relation,
)
from roomserver.state.client_transactions import DeviceInRoom, scoped_txn_id
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import CurrentStateRow
from service_kit.ledger.domain import Batch, Outdated
from service_kit.rpc.pb.room_commands_pb2 import RoomReply, SendEvent

GUEST_ACCESS: Final = "m.room.guest_access"
NOT_A_MEMBER: Final = "You aren't a member of this room"


class PreparedSend(NamedTuple):
    room: RoomInMemory | None
    redacts: str | None = None
    current: CurrentStateRow | None = None
    """the state event that this one takes the place of, if memory does not have it"""
    target: RedactionTarget | None = None
    """the event to redact"""
    loss: PreparedLoss | None = None
    """what its redaction changes for others"""
    relation: PreparedRelation | None = None
    member: membership.PreparedMembership | None = None
    aliases: RoomByAlias | None = None
    """where those point that an `m.room.canonical_alias` names"""


def prepare(shard: OwnedShard, room_id: str, body: SendEvent) -> Awaitable[PreparedSend] | PreparedSend:
    """A message into a loaded room that relates to nothing needs nothing more: no await, no read."""
    room = shard.rooms.get(room_id)
    is_plain = body.event_type != REDACTION and not body.HasField("state_key") and not _may_relate(body.content_json)
    if room is not None and is_plain and _knows_device(shard, room_id, body):
        return PreparedSend(room)
    return _prepare_slowly(shard, room_id, body)


def execute(shard: OwnedShard, room_id: str, body: SendEvent, prepared: PreparedSend, batch: Batch) -> RoomReply:
    """Raises Forbidden, BadJson, NotFound, TooLarge."""
    room = prepared.room
    if room is None:
        raise Forbidden(NOT_A_MEMBER)
    event_id = _event_id(shard, room, body, prepared, batch)
    reply = RoomReply(event_id=event_id, room_id=room_id)
    target = prepared.target
    if (body.event_type == GUEST_ACCESS or (target is not None and target.row.type == GUEST_ACCESS)) and (
        not membership.lets_guests_in(room)
    ):
        reply.guests_must_leave = True
    return reply


def _event_id(shard: OwnedShard, room: RoomInMemory, body: SendEvent, prepared: PreparedSend, batch: Batch) -> str:
    """Of the new event, or of the one that was asked for before."""
    room_id = room.room_id
    if body.client_txn_id:
        scoped = scoped_txn_id(room_id, body.event_type, prepared.redacts or "", body.client_txn_id)
        device = DeviceInRoom(room_id, body.sender, body.device_id)
        event_id = shard.client_transactions.event_id(device, scoped)
        if event_id is not None:
            return event_id
        if not shard.client_transactions.is_new(device, scoped):
            raise Outdated("Too many devices send at once; try again")
    content = content_of(body.content_json)
    if prepared.redacts is not None:
        # "In rooms with a version older than 11 they MUST move the `redacts` property inside the `content` to the top
        # level of the event." `build_event` puts it where the version wants it.
        content.pop("redacts", None)
    draft = EventDraft(
        body.event_type,
        body.state_key if body.HasField("state_key") else None,
        body.sender,
        content,
        prepared.redacts,
        body.device_id,
        body.client_txn_id,
        body.guest,
    )
    if draft.state_key is None:
        return _send_message(shard, room, draft, prepared, batch)
    if prepared.member is not None:
        return membership.change(shard, room, draft, prepared.member, batch)
    return _send_state(shard, room, draft, prepared, batch)


def content_of(content_json: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(content_json)
    except orjson.JSONDecodeError as error:
        raise BadJson("The event's content is not JSON") from error
    if not isinstance(content, dict):
        raise BadJson("The event's content must be a JSON object")
    return content


def _may_relate(content_json: bytes) -> bool:
    """Whether the content must be looked into: it names `m.relates_to`, or hides something behind ASCII escapes."""
    return b"m.relates_to" in content_json or b"\\u00" in content_json


def _knows_device(shard: OwnedShard, room_id: str, body: SendEvent) -> bool:
    if not body.client_txn_id:
        return True
    return shard.client_transactions.knows(DeviceInRoom(room_id, body.sender, body.device_id))


async def _prepare_slowly(shard: OwnedShard, room_id: str, body: SendEvent) -> PreparedSend:
    room = await shard.load(room_id)
    if room is None:
        return PreparedSend(None)
    redacts = _redacts(body) if body.event_type == REDACTION and not body.HasField("state_key") else None
    if not _knows_device(shard, room_id, body):
        scoped = scoped_txn_id(room_id, body.event_type, redacts or "", body.client_txn_id)
        await shard.client_transactions.load(DeviceInRoom(room_id, body.sender, body.device_id), scoped)
    if redacts is not None:
        target = await read_target(shard, room_id, redacts)
        return PreparedSend(room, redacts, target=target, loss=await prepare_loss(shard, target.row))
    if not body.HasField("state_key"):
        if not _may_relate(body.content_json):
            return PreparedSend(room)
        content = content_of(body.content_json)
        return PreparedSend(
            room, relation=await prepare_relation(shard, room_id, body.sender, body.event_type, content)
        )
    if body.event_type == MEMBER:
        return PreparedSend(room, member=await membership.prepare_member(shard, room, body.state_key, body.sender))
    aliases = await rooms_by_alias(shard, content_of(body.content_json)) if body.event_type == CANONICAL_ALIAS else None
    current = await shard.read_current(room, body.event_type, body.state_key)
    return PreparedSend(room, current=current, aliases=aliases)


def _redacts(body: SendEvent) -> str:
    redacts = body.redacts or content_of(body.content_json).get("redacts")
    if not isinstance(redacts, str) or not redacts:
        raise MissingParam("A redaction must name the event that it redacts")
    return redacts


def _send_message(
    shard: OwnedShard, room: RoomInMemory, draft: EventDraft, prepared: PreparedSend, batch: Batch
) -> str:
    event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
    if prepared.relation is not None:
        check_relation(shard, prepared.relation)
    redacted = None
    if draft.redacts is not None:
        redacted = redacted_event(room, event, prepared.target)
        if redacted is not None and prepared.loss is not None:
            check_loss(shard, prepared.loss)
    append_event(shard, room, event, draft, batch, redacted=redacted, relation=prepared.relation, loss=prepared.loss)
    return event.event_id


def _send_state(shard: OwnedShard, room: RoomInMemory, draft: EventDraft, prepared: PreparedSend, batch: Batch) -> str:
    state_key = draft.state_key
    assert state_key is not None
    current = shard.current_event(room, draft.type, state_key, prepared.current)
    if draft.type == CANONICAL_ALIAS:
        check_aliases(room.room_id, draft.content, current, prepared.aliases or {})
    event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
    if (same := same_event_id(current, draft)) is not None:
        return same
    append_event(shard, room, event, draft, batch, replaced=current)
    return event.event_id


def same_event_id(current: bytes | None, draft: EventDraft) -> str | None:
    """The current state event, if the draft would only say the same again.

    NOTSPEC: the specification has a new event for each request. Clients set the same state again and again;
    each time would make one more event that changes nothing.
    """
    if current is None:
        return None
    event = orjson.loads(current)
    if event["content"] != draft.content or event["sender"] != draft.sender:
        return None
    return str(event["event_id"])
