"""The whole answer.

Sections beside the rooms are JSON by the specification's name; those without
anything in them are left out. `device_lists` and the counts of one-time and
fallback keys have no publisher yet: the specification lets them be absent.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from service_kit.tokens import SyncToken

Rooms = Mapping[str, bytes]
"""JSON objects by room ID."""


class Body:
    """The parts of one answer, before they are put together."""

    __slots__ = ("events", "invite", "join", "knock", "leave")

    def __init__(self) -> None:
        self.events: dict[str, list[bytes]] = {}
        """by section: `account_data`, `to_device`, …"""
        self.join: dict[str, bytes] = {}
        self.invite: dict[str, bytes] = {}
        self.knock: dict[str, bytes] = {}
        self.leave: dict[str, bytes] = {}

    def is_empty(self) -> bool:
        return not (self.join or self.invite or self.knock or self.leave or any(self.events.values()))

    def json(self, next_batch: SyncToken) -> bytes:
        parts = [b'{"next_batch":"%b"' % str(next_batch).encode()]
        for name, events in self.events.items():
            if events:
                parts.append(b'"%b":{"events":[%b]}' % (name.encode(), b",".join(events)))
        sections = {"join": self.join, "invite": self.invite, "knock": self.knock, "leave": self.leave}
        rooms = [_section(name, section) for name, section in sections.items() if section]
        if rooms:
            parts.append(b'"rooms":{%b}' % b",".join(rooms))
        return b",".join(parts) + b"}"


def _section(name: str, rooms: Rooms) -> bytes:
    members = [b"%b:%b" % (orjson.dumps(room_id), room) for room_id, room in rooms.items()]
    return b'"%b":{%b}' % (name.encode(), b",".join(members))
