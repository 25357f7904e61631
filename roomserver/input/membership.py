"""Join, invite, leave, kick, ban, unban, knock, and a changed profile: new member events.

1 the action makes a member event's content, or is refused because of the target's membership
2 a restricted join is vouched for (`input.restricted_join`)
3 a member event equal to the current one is that one
4 the event is made, authorised, and takes its place
5 whoever is no longer joined stops typing
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from matrix_protocol.errors import (
    BadJson,
    BadState,
    CannotLeaveServerNoticeRoom,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    NotFound,
    ResourceLimitExceeded,
)
from matrix_protocol.identifiers import is_valid_room_id, is_valid_user_id, server_name_of
from roomserver.input.append_event import append_event
from roomserver.input.new_event import EventDraft, new_event
from roomserver.input.restricted_join import (
    AUTHORISED_VIA,
    allowed_room_ids,
    authorising_user,
    certainly_joined_among,
    needs_authorisation,
)
from roomserver.input.third_party_invite import invitation_of
from roomserver.state.compact import MEMBER
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import CurrentStateRow
from service_kit.hosted_servers import HostedServers
from service_kit.ledger.domain import Batch
from service_kit.rpc.pb.facts_pb2 import Fact, TypingFact
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, RoomReply

_CONTENT_KEYS: Final = frozenset({"avatar_url", "displayname", "is_direct", "reason"})
"""What a request may put into a member event besides the membership."""

_IN_THE_ROOM: Final = ("join", "invite", "knock")
_Action = ChangeMembership.Action


class PreparedMembership(NamedTuple):
    room: RoomInMemory | None
    current: CurrentStateRow | None = None
    """the target's member event, if memory does not have it"""
    inviter: CurrentStateRow | None = None
    """the same of who invites them"""
    joined_room_ids: frozenset[str] = frozenset()
    """of the rooms whose members may join"""


def prepare(
    shard: OwnedShard, room_id: str, body: ChangeMembership
) -> Awaitable[PreparedMembership] | PreparedMembership:
    room = shard.rooms.get(room_id)
    if room is not None and not _must_read(shard, room, body):
        return PreparedMembership(room)
    return _prepare_slowly(shard, room_id, body)


async def prepare_member(shard: OwnedShard, room: RoomInMemory, target: str, inviter: str | None) -> PreparedMembership:
    """What a new member event of this user needs; `inviter`: who may be inviting them with it."""
    current = await shard.read_current(room, MEMBER, target)
    joined: frozenset[str] = frozenset()
    if needs_authorisation(room, target):
        joined = await certainly_joined_among(shard, target, allowed_room_ids(room))
    invited_by = await shard.read_current(room, MEMBER, inviter) if inviter is not None else None
    return PreparedMembership(room, current, invited_by, joined)


def execute(
    shard: OwnedShard, room_id: str, body: ChangeMembership, prepared: PreparedMembership, batch: Batch
) -> RoomReply:
    """Raises Forbidden, BadState, NotFound, InvalidParam, BadJson."""
    room = prepared.room
    if room is None:
        if body.action in (_Action.JOIN, _Action.KNOCK):
            # Other servers' rooms are found over federation, which has its own way in.
            raise NotFound("There is no such room on this server")
        raise Forbidden("You aren't in this room")
    if body.sender != body.target and room.state.membership(body.sender) != "join":
        # Before anything that depends on the target: strangers learn nothing of who is in the room.
        raise Forbidden("You aren't in this room")
    if body.action == _Action.ACCEPT_THIRD_PARTY_INVITE:
        return RoomReply(event_id=_accept_third_party_invite(shard, room, body, prepared, batch), room_id=room_id)
    content = _content(room, body)
    draft = EventDraft(MEMBER, body.target, body.sender, content, device_id=body.device_id, guest=body.guest)
    is_coming_in = body.action == _Action.JOIN and room.state.membership(body.target) != "join"
    reply = RoomReply(event_id=change(shard, room, draft, prepared, batch), room_id=room_id)
    if is_coming_in:
        reply.predecessor_room_id = _predecessor_of(room)
    return reply


def _accept_third_party_invite(
    shard: OwnedShard, room: RoomInMemory, body: ChangeMembership, prepared: PreparedMembership, batch: Batch
) -> str:
    """The user is invited by whoever issued the third-party invite; nothing if they are invited or joined already."""
    _only_oneself(body)
    if room.state.membership(body.target) in ("join", "invite"):
        return room.state.event_id(MEMBER, body.target) or ""
    invite = invitation_of(room, body.target, content_object(body.content_json))
    draft = EventDraft(MEMBER, body.target, invite.inviter, invite.content)
    return change(shard, room, draft, prepared, batch)


def change(shard: OwnedShard, room: RoomInMemory, draft: EventDraft, prepared: PreparedMembership, batch: Batch) -> str:
    """A new member event of `draft.state_key`; returns its ID, or that of the current one if nothing changes."""
    target = draft.state_key
    assert target is not None
    former = room.state.membership(target)
    membership = draft.content.get("membership")
    if membership == "join" and former != "join":
        draft = _joining(shard, room, draft, prepared)
    elif membership == "invite":
        _check_invited(target, shard.hosted_servers)
    current = shard.current_event(room, MEMBER, target, prepared.current)
    if former == "invite" and membership == "leave":
        _check_may_reject(shard, draft, current)
    event = new_event(room, draft, shard.hosted_servers, batch.now_ms)
    if (same := _unchanged(current, draft, former)) is not None:
        return same
    inviter = shard.known_member(room, draft.sender, prepared.inviter) if membership == "invite" else None
    append_event(shard, room, event, draft, batch, replaced=current, inviter=inviter)
    if former == "join" and membership != "join":
        _stop_typing(shard, room.room_id, target, batch)
    return event.event_id


def _predecessor_of(room: RoomInMemory) -> str:
    """The room that this one says it replaces; "" = none."""
    create_event = room.state_event("m.room.create", "")
    predecessor = None if create_event is None else create_event.content.get("predecessor")
    room_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
    return room_id if isinstance(room_id, str) and is_valid_room_id(room_id) else ""


def _check_may_reject(shard: OwnedShard, draft: EventDraft, invite: bytes | None) -> None:
    """ "Attempting to reject the invite must result in a `M_CANNOT_LEAVE_SERVER_NOTICE_ROOM` error."

    Spec: https://spec.matrix.org/v1.19/client-server-api/#server-notices
    """
    if not shard.notices_localpart or draft.sender != draft.state_key or invite is None:
        return
    if orjson.loads(invite)["sender"] == f"@{shard.notices_localpart}:{server_name_of(draft.sender)}":
        raise CannotLeaveServerNoticeRoom("The server's messages to you cannot be refused; join, and leave if you like")


def _must_read(shard: OwnedShard, room: RoomInMemory, body: ChangeMembership) -> bool:
    if not shard.knows_content(room, MEMBER, body.target) or needs_authorisation(room, body.target):
        return True
    return body.action == _Action.INVITE and not shard.knows_content(room, MEMBER, body.sender)


async def _prepare_slowly(shard: OwnedShard, room_id: str, body: ChangeMembership) -> PreparedMembership:
    room = await shard.load(room_id)
    if room is None:
        return PreparedMembership(None)
    return await prepare_member(shard, room, body.target, body.sender if body.action == _Action.INVITE else None)


def _content(room: RoomInMemory, body: ChangeMembership) -> dict[str, Any]:
    if not is_valid_user_id(body.target):
        raise InvalidParam("This is not a user ID")
    check = _CHECKS.get(body.action)
    if check is None:
        raise BadJson("There is no such change of membership")
    membership = check(room.state.membership(body.target), body)
    given = content_object(body.content_json)
    kept = {key: value for key, value in given.items() if key in _CONTENT_KEYS}
    return {**kept, "membership": membership}


def content_object(content_json: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(content_json or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadJson("The content is not JSON") from error
    if not isinstance(given, dict):
        raise BadJson("The content must be a JSON object")
    return given


def _join(former: str, body: ChangeMembership) -> str:
    _only_oneself(body)
    return "join"


def _invite(former: str, body: ChangeMembership) -> str:
    if former == "join":
        raise Forbidden("This user is in the room already")
    return "invite"


def _leave(former: str, body: ChangeMembership) -> str:
    _only_oneself(body)
    if former not in _IN_THE_ROOM:
        raise Forbidden("You aren't in this room")
    return "leave"


def _kick(former: str, body: ChangeMembership) -> str:
    if former not in _IN_THE_ROOM:
        raise Forbidden("This user is not in the room")
    return "leave"


def _ban(former: str, body: ChangeMembership) -> str:
    return "ban"


def _unban(former: str, body: ChangeMembership) -> str:
    if former != "ban":
        # "M_BAD_STATE: The state change requested cannot be performed, such as attempting to unban a user who is not
        # banned."
        raise BadState("This user is not banned")
    return "leave"


def _knock(former: str, body: ChangeMembership) -> str:
    _only_oneself(body)
    return "knock"


def _update_profile(former: str, body: ChangeMembership) -> str:
    _only_oneself(body)
    if former != "join":
        raise Forbidden("You aren't in this room")
    return "join"


def _only_oneself(body: ChangeMembership) -> None:
    if body.sender != body.target:
        raise Forbidden("Nobody can do this for somebody else")


_CHECKS: Final[Mapping[int, Callable[[str, ChangeMembership], str]]] = {
    _Action.JOIN: _join,
    _Action.INVITE: _invite,
    _Action.LEAVE: _leave,
    _Action.KICK: _kick,
    _Action.BAN: _ban,
    _Action.UNBAN: _unban,
    _Action.KNOCK: _knock,
    _Action.UPDATE_PROFILE: _update_profile,
}
"""Given the target's membership, the membership that the action leads to; raises if it can't."""


def _joining(shard: OwnedShard, room: RoomInMemory, draft: EventDraft, prepared: PreparedMembership) -> EventDraft:
    """Somebody comes in: there must be room, and somebody to vouch for them where the join rule asks for that."""
    target = draft.state_key
    assert target is not None
    if draft.guest and not lets_guests_in(room):
        raise GuestAccessForbidden("This room does not let guests in")
    if room.state.count("join") >= shard.members_max:
        raise ResourceLimitExceeded("This room is full")
    if not needs_authorisation(room, target) or room.state.membership(target) == "ban":
        return draft
    via = authorising_user(room, target, prepared.joined_room_ids, shard.hosted_servers)
    return draft._replace(content={**draft.content, AUTHORISED_VIA: via})


def lets_guests_in(room: RoomInMemory) -> bool:
    """ "Servers MUST only allow guest users to join rooms if the `m.room.guest_access` state event is present on the
    room, and has the `guest_access` value `can_join`."
    """
    event = room.state_event("m.room.guest_access", "")
    return event is not None and event.content.get("guest_access") == "can_join"


def _check_invited(target: str, hosted_servers: HostedServers) -> None:
    if not is_valid_user_id(target):
        raise InvalidParam("This is not a user ID")
    if not hosted_servers.is_ours(server_name_of(target)):
        raise Forbidden("Users of other servers cannot be invited: this server does not federate yet")


def _unchanged(current: bytes | None, draft: EventDraft, former: str) -> str | None:
    """The current member event, if the new one would only say the same again: who joins twice is joined.

    NOTSPEC: the specification has a new event for each request; see `send_event.same_event_id`.
    """
    if current is None or former != draft.content.get("membership"):
        return None
    event = orjson.loads(current)
    content = {key: value for key, value in event["content"].items() if key != AUTHORISED_VIA}
    wanted = {key: value for key, value in draft.content.items() if key != AUTHORISED_VIA}
    return str(event["event_id"]) if content == wanted and event["sender"] == draft.sender else None


def _stop_typing(shard: OwnedShard, room_id: str, user_id: str, batch: Batch) -> None:
    if shard.typing.expires_at_ms(room_id, user_id):
        shard.typing.stop(room_id, user_id)
        batch.add(Fact(room_id=room_id, typing=TypingFact(user_id=user_id, typing=False)))
