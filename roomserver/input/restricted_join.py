"""Joins that other rooms' membership allows (join rules `restricted` and `knock_restricted`).

Spec: https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from matrix_protocol.errors import Forbidden
from matrix_protocol.identifiers import server_name_of
from roomserver.state.room import RoomInMemory
from roomserver.state.shard import OwnedShard
from roomserver.tables import ROOMS_BY_USER
from service_kit.hosted_servers import HostedServers

AUTHORISED_VIA: Final = "join_authorised_via_users_server"
ALLOW_RULES_MAX: Final = 200
"""Rooms of one `allow` list that are looked up."""
MEMBERS_LOOKED_AT_MAX: Final = 2000
"""How far to look for a member who may invite, where every member may."""


def allowed_room_ids(room: RoomInMemory) -> list[str]:
    """The rooms whose members may join; [] if the join rule is another one."""
    event = room.state_event("m.room.join_rules", "")
    rules = room.rules.authorization
    join_rule = event.content.get("join_rule") if event is not None else None
    is_restricted = (join_rule == "restricted" and rules.restricted_joins) or (
        join_rule == "knock_restricted" and rules.knock_restricted_joins
    )
    allow = event.content.get("allow") if event is not None and is_restricted else None
    if not isinstance(allow, list):
        return []
    conditions = [item for item in allow[:ALLOW_RULES_MAX] if isinstance(item, dict)]
    # "type: The type of condition. One of: `m.room_membership`" – others "MUST be ignored".
    room_ids = [item.get("room_id") for item in conditions if item.get("type") == "m.room_membership"]
    return [room_id for room_id in room_ids if isinstance(room_id, str)]


def needs_authorisation(room: RoomInMemory, user_id: str) -> bool:
    """Whether a join of this user must be vouched for."""
    return room.state.membership(user_id) not in ("join", "invite") and bool(allowed_room_ids(room))


async def joined_rooms_among(shard: OwnedShard, user_id: str, room_ids: list[str]) -> frozenset[str]:
    """Which of these rooms the user is joined to, as the tables say; those of other shards may be a little behind."""
    rows = await shard.store.get_many(ROOMS_BY_USER, [(user_id, room_id) for room_id in room_ids])
    return frozenset(row.room_id for row in rows if row is not None and row.membership == "join")


async def certainly_joined_among(shard: OwnedShard, user_id: str, room_ids: list[str]) -> frozenset[str]:
    """As above; whoever seems to be in none of them may have joined one just now, so those shards are waited for."""
    joined = await joined_rooms_among(shard, user_id, room_ids)
    if joined or not room_ids or shard.store.atomic_tables:
        return joined
    await shard.settle(room_ids)
    return await joined_rooms_among(shard, user_id, room_ids)


def authorising_user(room: RoomInMemory, user_id: str, joined: frozenset[str], hosted_servers: HostedServers) -> str:
    """Who vouches for the join of a user who is in one of the allowed rooms.

    "the resident server […] MUST select a user in the room with the power to invite". Raises Forbidden.
    """
    if not joined.intersection(allowed_room_ids(room)):
        raise Forbidden("This room may be joined by members of certain other rooms only, and you are in none of them")
    levels = room.power_levels()
    for candidate in _candidates(room):
        if (
            hosted_servers.is_ours(server_name_of(candidate))
            and room.state.membership(candidate) == "join"
            and levels.user_level(candidate) >= levels.invite
        ):
            return candidate
    raise Forbidden("Nobody of this server who is in the room may invite, so the join cannot be authorised")


def _candidates(room: RoomInMemory) -> Iterator[str]:
    levels = room.power_levels()
    named = levels.users_with_levels()
    yield from sorted(named, key=lambda user_id: -named[user_id])
    if levels.users_default >= levels.invite:
        yield from islice(room.state.joined_users(), MEMBERS_LOOKED_AT_MAX)
