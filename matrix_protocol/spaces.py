"""The rooms of a space, as its `m.space.child` events say: which of them count, and in which order.

Spec: https://spec.matrix.org/v1.19/client-server-api/#mspacechild
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from matrix_protocol.identifiers import is_valid_room_id

SPACE: Final = "m.space"
SPACE_CHILD: Final = "m.space.child"

# "Must consist of ASCII characters within the range `\x20` (space) and `\x7E` (`~`), inclusive. Must not exceed 50
# characters."
_ORDER: Final = re.compile(r"[\x20-\x7E]{1,50}", re.ASCII)

Child = Mapping[str, Any]
"""An `m.space.child` event in client format."""


def is_child(event: Child) -> bool:
    """Whether the event names a child.

    "[`via`:] A list of servers to try and join through. […] When not present or invalid, the child room is not
    considered to be part of the space." A list without any server is invalid, too: it leads nowhere.
    """
    via = event["content"].get("via")
    is_list = isinstance(via, list) and bool(via) and all(isinstance(name, str) for name in via)
    return is_list and is_valid_room_id(event["state_key"])


def is_suggested(event: Child) -> bool:
    return event["content"].get("suggested") is True


def in_order(children: Iterable[Child]) -> list[Child]:
    """As a client should show them.

    "first order the children with a valid `order` key lexicographically by Unicode code-points […]. Then, take the
    remaining children and order them by the `origin_server_ts` of their `m.space.child` event in ascending numeric
    order […]. In cases where the `order` values are the same, the children are ordered by their timestamps. If the
    timestamps are the same, the children are ordered lexicographically by their room IDs".
    """
    return sorted(children, key=_place)


def _place(event: Child) -> tuple[bool, str, int, str]:
    order = event["content"].get("order")
    is_valid = isinstance(order, str) and _ORDER.fullmatch(order) is not None
    return not is_valid, order if is_valid else "", event["origin_server_ts"], event["state_key"]
