"""The aliases that a room says it has: each must point to it.

Spec: https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
"If the event type being sent is `m.room.canonical_alias` servers SHOULD ensure that any new aliases being listed in
the event are valid per their grammar/syntax and that they point to the room ID where the state event is to be sent."
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from matrix_protocol.errors import BadAlias, InvalidParam
from matrix_protocol.identifiers import is_valid_room_alias
from roomserver.input.aliases import ALIASES_OF_ROOM_MAX
from roomserver.state.shard import OwnedShard
from roomserver.tables import ROOM_ALIASES

CANONICAL_ALIAS: Final = "m.room.canonical_alias"

RoomByAlias = Mapping[str, str]


async def rooms_by_alias(shard: OwnedShard, content: dict[str, Any]) -> RoomByAlias:
    """Where the aliases of such an event point, as far as they point anywhere. Other shards own them, whose tables
    are asked: who sets an alias is answered when it can be read there. Raises InvalidParam.
    """
    aliases = sorted(alias for alias in aliases_in(content) if is_valid_room_alias(alias))
    if len(aliases) > ALIASES_OF_ROOM_MAX + 1:
        raise InvalidParam(f"A room may have {ALIASES_OF_ROOM_MAX} aliases")
    rows = await shard.store.get_many(ROOM_ALIASES, [(alias,) for alias in aliases])
    return {row.alias: row.room_id for row in rows if row is not None}


def check_aliases(room_id: str, content: dict[str, Any], current: bytes | None, rooms: RoomByAlias) -> None:
    """Raises InvalidParam or BadAlias for an alias that the event would add, and that is none or points elsewhere."""
    former = aliases_in(orjson.loads(current)["content"]) if current is not None else set()
    for alias in aliases_in(content) - former:
        if not is_valid_room_alias(alias):
            raise InvalidParam(f"{alias[:255]} is not a room alias")
        if rooms.get(alias) != room_id:
            raise BadAlias(f"The alias {alias[:255]} does not point to this room")


def aliases_in(content: dict[str, Any]) -> set[str]:
    """All that the content of an `m.room.canonical_alias` event names."""
    alternatives = content.get("alt_aliases")
    named = [content.get("alias"), *(alternatives if isinstance(alternatives, list) else [])]
    return {alias for alias in named if isinstance(alias, str) and alias}
