"""Choosing the ID of a new room, which says who will own it."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from typing import NamedTuple

from matrix_protocol.errors import UnsupportedRoomVersion
from matrix_protocol.events.builder import build_create_event
from matrix_protocol.identifiers import server_name_of
from matrix_protocol.json_types import JsonObject
from matrix_protocol.room_creation import create_event_content
from matrix_protocol.room_versions import ROOM_VERSIONS
from service_kit.clock import Clock
from service_kit.hosted_servers import HostedServers

OPAQUE_ID_BYTES = 18


class CreateEventWish(NamedTuple):
    """The parts of a createRoom request that the create event is made of."""

    room_version: str | None
    creation_content: JsonObject
    preset: str
    invited: list[str]


class NewRoom(NamedTuple):
    room_id: str
    room_version: str
    origin_server_ts_ms: int


class NewRooms:
    def __init__(self, hosted_servers: HostedServers, clock: Clock, default_version: str) -> None:
        self._hosted_servers = hosted_servers
        self._clock = clock
        self._default_version = default_version
        self._last_ms = 0

    def choose(self, wish: CreateEventWish, creator: str) -> NewRoom:
        """The room's ID, version and time of creation.

        Raises UnsupportedRoomVersion, BadJson and TooLarge (there is no such create event).
        """
        room_version = wish.room_version or self._default_version
        rules = ROOM_VERSIONS.get(room_version)
        if rules is None:
            raise UnsupportedRoomVersion(f"This server has no room version {room_version[:32]}")
        server_name = server_name_of(creator)
        created_ms = self._next_ms()
        if not rules.event_format.room_id_is_create_event_id:
            opaque = urlsafe_b64encode(secrets.token_bytes(OPAQUE_ID_BYTES)).decode()
            return NewRoom(f"!{opaque}:{server_name}", room_version, created_ms)
        event = build_create_event(
            room_id=None,
            sender=creator,
            content=create_event_content(rules, creator, wish.creation_content, wish.preset, wish.invited),
            origin_server_ts_ms=created_ms,
            rules=rules,
            signing_key=self._hosted_servers.signing_key(server_name),
        )
        return NewRoom(event.room_id, room_version, created_ms)

    def _next_ms(self) -> int:
        """Now, but never twice the same: the same creator asking for the same again would get the same room ID."""
        self._last_ms = max(self._clock.now_ms(), self._last_ms + 1)
        return self._last_ms
