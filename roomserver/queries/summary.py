"""A room's summary, from the owner's memory: numbers of members, and who comes first in a room without a name.

Spec: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync (`RoomSummary`)
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from roomserver.state.room import RoomInMemory
from service_kit.rpc.pb.room_queries_pb2 import RoomSummary

HEROES_MAX: Final = 6
"""Five, and one more: "The list must never include the client's own user ID"."""
PRESENT: Final = ("join", "invite")
ABSENT: Final = ("leave", "ban")


def summary_of(room: RoomInMemory) -> RoomSummary:
    """`position` may be above what is committed: the numbers hold through it.

    NOTSPEC: "ordered by stream ordering" is the order in which members came for the first time, and of their user IDs
    for those who were there when the room was read into memory.
    """
    count = room.state.count
    present, absent = sum(map(count, PRESENT)), sum(map(count, ABSENT))
    # "When no joined or invited members are available, this should consist of the banned and left users": those of
    # one user alone in the room, whose own ID does not count.
    wanted = PRESENT if present > 1 else (*PRESENT, *ABSENT)
    heroes = (user_id for user_id, membership in room.state.members() if membership in wanted)
    return RoomSummary(
        joined_members=count("join"),
        invited_members=count("invite"),
        hero_user_ids=islice(heroes, HEROES_MAX),
        members=present + absent + count("knock"),
        position=room.last_position,
    )
