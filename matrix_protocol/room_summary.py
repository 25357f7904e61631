"""What is told of a room in short: the summary of /sync (counts, and heroes, from whose names clients make the name of
a room that has none), the entries of the room directory, and the answers of the room summary API and of space
hierarchies.

Spec: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync (`RoomSummary`),
https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from matrix_protocol.history_visibility import WORLD_READABLE, history_visibility_of
from matrix_protocol.join_rules import join_rule_of
from matrix_protocol.json_types import JsonObject
from matrix_protocol.membership import BAN, INVITE, JOIN, LEAVE

HEROES_MAX = 5

ContentOf = Callable[[str], Mapping[str, Any] | None]
"""The content of the room's state event of this type with the state key ""; None: there is none."""

SUMMARY_STATE_TYPES: Final = (
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.create",
    "m.room.encryption",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.name",
    "m.room.topic",
)
"""All that `published_room` and `room_summary` ask for."""

ALLOWED_ROOMS_MAX: Final = 100
"""Of the rooms that a restricted join rule names, the first ones."""
_RESTRICTED: Final = frozenset({"restricted", "knock_restricted"})


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


class MemberCounts(NamedTuple):
    """`m.joined_member_count` and `m.invited_member_count`: "including the client's own user ID"."""

    joined: int
    invited: int


def member_counts(memberships: Iterable[str]) -> MemberCounts:
    """From the memberships of all the users that have any."""
    counted = Counter(memberships)
    return MemberCounts(counted[JOIN], counted[INVITE])


def published_room(room_id: str, content_of: ContentOf, joined_members: int) -> JsonObject:
    """The room as an entry of the room directory (`PublishedRoomsChunk`); members without a value are left out."""
    values = {
        "avatar_url": _text_in(content_of("m.room.avatar"), "url"),
        "canonical_alias": _text_in(content_of("m.room.canonical_alias"), "alias"),
        "join_rule": join_rule_of(content_of("m.room.join_rules")),
        "name": _text_in(content_of("m.room.name"), "name"),
        "room_type": _text_in(content_of("m.room.create"), "type"),
        "topic": topic_of(content_of("m.room.topic")),
    }
    return {
        "room_id": room_id,
        "num_joined_members": joined_members,
        "guest_can_join": _text_in(content_of("m.room.guest_access"), "guest_access") == "can_join",
        "world_readable": history_visibility_of(content_of("m.room.history_visibility")) == WORLD_READABLE,
        **{name: value for name, value in values.items() if value is not None},
    }


def room_summary(room_id: str, content_of: ContentOf, joined_members: int) -> JsonObject:
    """As `published_room`, with what the room summary API and space hierarchies tell besides (`RoomSummary`)."""
    summary = published_room(room_id, content_of, joined_members)
    # "If the room is a restricted room, these are the room IDs which are specified by the join rules. Empty or omitted
    #  otherwise."
    if allowed := allowed_room_ids(content_of("m.room.join_rules")):
        summary["allowed_room_ids"] = allowed
    if encryption := _text_in(content_of("m.room.encryption"), "algorithm"):
        summary["encryption"] = encryption
    if (create := content_of("m.room.create")) is not None:
        # "The version of the room. Defaults to `"1"` if the key does not exist."
        summary["room_version"] = _text_in(create, "room_version") or "1"
    return summary


def topic_of(content: Mapping[str, Any] | None) -> str | None:
    """The topic as plain text: "Omitted if no `text/plain` mimetype exists in `m.room.topic`."

    The first plain representation of `m.topic`, or else `topic`. "If the `topic` property is absent, null, or empty
    then the topic is unset."
    """
    topic = _text_in(content, "topic")
    block = content.get("m.topic") if content is not None else None
    representations = block.get("m.text") if isinstance(block, Mapping) else None
    if topic is None or not isinstance(representations, list):
        return topic
    for representation in representations:
        # "The mimetype. Defaults to `text/plain` if omitted."
        if isinstance(representation, Mapping) and representation.get("mimetype", "text/plain") == "text/plain":
            return _text_in(representation, "body") or topic
    return topic


def allowed_room_ids(content: Mapping[str, Any] | None) -> list[str]:
    """The rooms whose members may join, by the content of `m.room.join_rules`."""
    if content is None or join_rule_of(content) not in _RESTRICTED or not isinstance(content.get("allow"), list):
        return []
    conditions = [
        condition
        for condition in content["allow"]
        if isinstance(condition, Mapping) and condition.get("type") == "m.room_membership"
    ]
    room_ids = (_text_in(condition, "room_id") for condition in conditions)
    return [room_id for room_id in dict.fromkeys(room_ids) if room_id is not None][:ALLOWED_ROOMS_MAX]


def _text_in(content: Mapping[str, Any] | None, name: str) -> str | None:
    """A string that is not empty."""
    value = content.get(name) if content is not None else None
    return value if isinstance(value, str) and value else None
