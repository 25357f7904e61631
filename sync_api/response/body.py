"""The whole answer.

`presence`, `to_device`, `device_lists` and the key counts have no publisher
yet; the specification lets all of them be absent.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from service_kit.tokens import SyncToken

Rooms = Mapping[str, bytes]
"""JSON objects by room ID."""


class Body:
    """The parts of one answer, before they are put together."""

    __slots__ = ("account_data", "invite", "join", "knock", "leave")

    def __init__(self) -> None:
        self.account_data: list[bytes] = []
        self.join: dict[str, bytes] = {}
        self.invite: dict[str, bytes] = {}
        self.knock: dict[str, bytes] = {}
        self.leave: dict[str, bytes] = {}

    def is_empty(self) -> bool:
        return not (self.account_data or self.join or self.invite or self.knock or self.leave)

    def json(self, next_batch: SyncToken) -> bytes:
        parts = [b'{"next_batch":"%b"' % str(next_batch).encode()]
        if self.account_data:
            parts.append(b'"account_data":{"events":[%b]}' % b",".join(self.account_data))
        sections = {"join": self.join, "invite": self.invite, "knock": self.knock, "leave": self.leave}
        rooms = [_section(name, section) for name, section in sections.items() if section]
        if rooms:
            parts.append(b'"rooms":{%b}' % b",".join(rooms))
        return b",".join(parts) + b"}"


def _section(name: str, rooms: Rooms) -> bytes:
    members = [b"%b:%b" % (orjson.dumps(room_id), room) for room_id, room in rooms.items()]
    return b'"%b":{%b}' % (name.encode(), b",".join(members))
