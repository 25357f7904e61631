"""The aliases that a room says it has: each must point to it.

Spec: https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
"If the event type being sent is `m.room.canonical_alias` servers SHOULD ensure that any new aliases being listed in
the event are valid per their grammar/syntax and that they point to the room ID where the state event is to be sent."
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from matrix_protocol.errors import BadAlias, InvalidParam
from matrix_protocol.identifiers import is_valid_room_alias

CANONICAL_ALIAS: Final = "m.room.canonical_alias"


def check_aliases(content: dict[str, Any], current: bytes | None) -> None:
    """Raises InvalidParam or BadAlias for an alias that the event would add: none can point here yet."""
    former = _aliases(orjson.loads(current)["content"]) if current is not None else set()
    for alias in _aliases(content) - former:
        if not is_valid_room_alias(alias):
            raise InvalidParam(f"{alias[:255]} is not a room alias")
        raise BadAlias(f"The alias {alias[:255]} does not point to this room")


def _aliases(content: dict[str, Any]) -> set[str]:
    alternatives = content.get("alt_aliases")
    named = [content.get("alias"), *(alternatives if isinstance(alternatives, list) else [])]
    return {alias for alias in named if isinstance(alias, str) and alias}
