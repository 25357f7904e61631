"""The room summary of /sync: heroes, from whose names clients make the name of a room that has none.

Spec: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync (`RoomSummary`)
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix_protocol.membership import BAN, INVITE, JOIN, LEAVE

HEROES_MAX = 5


def heroes(members: Iterable[tuple[str, str]], own_user_id: str) -> list[str]:
    """The heroes among (user ID, membership) pairs, which come in stream order; at most five. Stops reading early.

    "This should be the first 5 members of the room, ordered by stream ordering, which are joined or invited. The list
    must never include the client's own user ID. When no joined or invited members are available, this should consist of
    the banned and left users."
    """
    present: list[str] = []
    absent: list[str] = []
    for user_id, membership in members:
        if user_id == own_user_id:
            continue
        if membership in (JOIN, INVITE):
            present.append(user_id)
            if len(present) == HEROES_MAX:
                break
        elif membership in (LEAVE, BAN) and len(absent) < HEROES_MAX:
            absent.append(user_id)
    return present or absent
