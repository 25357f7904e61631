"""Filters of `/sync`: decoded, bounded, and made into questions that are quick to answer.

Equal filters are one object, so that answers can be shared between the users
who use them.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, Protocol

import msgspec
import orjson
from msgspec import Meta, Struct

from matrix_protocol.errors import BadJson, InvalidParam, NotFound, NotJson
from matrix_protocol.type_patterns import TypeMatcher
from service_kit.http.decoding import check_nesting
from service_kit.limits import FILTER_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetFilter, UserCommand
from sync_api.event_fields import EventFields

FILTER_LIST_MAX = 1000
CACHED_FILTER_BYTES_MAX = 4096
"""Longer ones (no usual client has them) are fetched and parsed for each request."""
FILTER_ID_CHARACTERS_MAX = 255
SAVED_FILTERS_MAX = 5000
"""Filters by ID that a worker remembers; the oldest are forgotten first."""
TIMELINE_LIMIT_DEFAULT = 10

Names = Annotated[list[str], Meta(max_length=FILTER_LIST_MAX)]


class EventFilterBody(Struct, frozen=True, omit_defaults=True):
    limit: Annotated[int, Meta(ge=0)] | None = None
    not_senders: Names | None = None
    not_types: Names | None = None
    senders: Names | None = None
    types: Names | None = None


class RoomEventFilterBody(EventFilterBody, frozen=True):
    unread_thread_notifications: bool | None = None
    lazy_load_members: bool | None = None
    include_redundant_members: bool | None = None
    not_rooms: Names | None = None
    rooms: Names | None = None
    contains_url: bool | None = None


class RoomFilterBody(Struct, frozen=True):
    not_rooms: Names | None = None
    rooms: Names | None = None
    ephemeral: RoomEventFilterBody | None = None
    include_leave: bool | None = None
    state: RoomEventFilterBody | None = None
    timeline: RoomEventFilterBody | None = None
    account_data: RoomEventFilterBody | None = None


class FilterBody(Struct, frozen=True):
    """Whatever may be left out may be null too: a filter is saved as it came.

    NOTSPEC: `event_format: federation` is accepted, and events come in the format for clients all the same: a worker
    holds no others, and no client that we know asks /sync for them.
    """

    event_fields: Names | None = None
    event_format: Literal["client", "federation"] | None = None
    presence: EventFilterBody | None = None
    account_data: EventFilterBody | None = None
    room: RoomFilterBody | None = None


class FilterableEvent(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def client_json(self) -> bytes: ...


class EventFilter:
    """One of the filters in the filter: which events of one part of the answer are wanted."""

    __slots__ = (
        "_contains_url",
        "_not_rooms",
        "_not_senders",
        "_not_types",
        "_rooms",
        "_senders",
        "_types",
        "allows_all",
        "include_redundant_members",
        "json",
        "lazy_load_members",
        "limit",
        "unread_thread_notifications",
    )

    def __init__(self, body: EventFilterBody | None) -> None:
        body = body or RoomEventFilterBody()
        of_room = body if isinstance(body, RoomEventFilterBody) else RoomEventFilterBody()
        self.limit = body.limit
        self.lazy_load_members = bool(of_room.lazy_load_members)
        self.include_redundant_members = bool(of_room.include_redundant_members)
        self.unread_thread_notifications = bool(of_room.unread_thread_notifications)
        self._types = TypeMatcher(body.types) if body.types is not None else None
        self._not_types = TypeMatcher(body.not_types) if body.not_types else None
        self._senders = frozenset(body.senders) if body.senders is not None else None
        self._not_senders = frozenset(body.not_senders or ())
        self._rooms = frozenset(of_room.rooms) if of_room.rooms is not None else None
        self._not_rooms = frozenset(of_room.not_rooms or ())
        self._contains_url = of_room.contains_url
        self.allows_all = not (self._types or self._not_types or self._senders is not None or self._not_senders) and (
            self._contains_url is None and self._rooms is None and not self._not_rooms
        )
        self.json = b"" if self.allows_all else msgspec.json.encode(body)

    def allows_room(self, room_id: str) -> bool:
        return (self._rooms is None or room_id in self._rooms) and room_id not in self._not_rooms

    def allows_type(self, event_type: str) -> bool:
        if self._types is not None and not self._types.matches(event_type):
            return False
        return self._not_types is None or not self._not_types.matches(event_type)

    def allows_sender(self, sender: str) -> bool:
        # "A matching sender will be excluded even if it is listed in the `senders` filter."
        return (self._senders is None or sender in self._senders) and sender not in self._not_senders

    @property
    def needs_content(self) -> bool:
        """Whether an event must be parsed to be judged: state events are held without their sender."""
        return self._contains_url is not None or self._senders is not None or bool(self._not_senders)

    def allows(self, event: FilterableEvent) -> bool:
        if self.allows_all:
            return True
        if not self.allows_type(event.type) or not self.allows_sender(event.sender):
            return False
        return self._contains_url is None or _has_url(event.client_json) == self._contains_url

    def allows_state(self, event_type: str, client_json: bytes) -> bool:
        if self.allows_all:
            return True
        if not self.allows_type(event_type):
            return False
        if not self.needs_content:
            return True
        event = orjson.loads(client_json)
        url = isinstance(event.get("content"), dict) and "url" in event["content"]
        return self.allows_sender(event["sender"]) and (self._contains_url is None or url == self._contains_url)


def _has_url(client_json: bytes) -> bool:
    content = orjson.loads(client_json).get("content")
    return isinstance(content, dict) and "url" in content


class SyncFilter:
    """A whole filter."""

    __slots__ = (
        "_not_rooms",
        "_rooms",
        "account_data",
        "ephemeral",
        "event_fields",
        "include_leave",
        "lazy_load_members",
        "presence",
        "room_account_data",
        "state",
        "timeline",
    )

    def __init__(self, body: FilterBody) -> None:
        room = body.room or RoomFilterBody()
        # An empty list means the same as none: "a server may include more fields than were requested".
        self.event_fields = EventFields(body.event_fields) if body.event_fields else None
        self._rooms = frozenset(room.rooms) if room.rooms is not None else None
        self._not_rooms = frozenset(room.not_rooms or ())
        self.include_leave = bool(room.include_leave)
        self.account_data = EventFilter(body.account_data)
        self.presence = EventFilter(body.presence)
        self.room_account_data = EventFilter(room.account_data)
        self.ephemeral = EventFilter(room.ephemeral)
        self.state = EventFilter(room.state)
        self.timeline = EventFilter(room.timeline)
        # "Lazy-loading members is only supported on the `state` part of a RoomFilter for this endpoint."
        self.lazy_load_members = self.state.lazy_load_members

    def allows_room(self, room_id: str) -> bool:
        # "A matching room will be excluded even if it is listed in the `rooms` filter."
        return (self._rooms is None or room_id in self._rooms) and room_id not in self._not_rooms


NO_FILTER = SyncFilter(FilterBody())

_decode = msgspec.json.Decoder(FilterBody).decode


def parse_filter(filter_json: bytes) -> SyncFilter:
    """Raises BadJson or NotJson."""
    if len(filter_json) > FILTER_BYTES_MAX:
        raise BadJson(f"The filter is longer than {FILTER_BYTES_MAX} bytes")
    if len(filter_json) > CACHED_FILTER_BYTES_MAX:
        return _compile(filter_json)
    return _compile_once(filter_json)


def _compile(filter_json: bytes) -> SyncFilter:
    check_nesting(filter_json)
    try:
        return SyncFilter(_decode(filter_json))
    except msgspec.ValidationError as error:
        raise BadJson(f"The filter is not one: {error}") from error
    except ValueError as error:
        raise NotJson("The filter is not JSON") from error


_compile_once = lru_cache(maxsize=512)(_compile)


class SavedFilters:
    """Filters by ID: they never change, so that one question for each is enough."""

    def __init__(self, users: CommandClient) -> None:
        self._users = users
        self._json_by_id: dict[tuple[str, str], bytes] = {}

    async def get(self, user_id: str, text: str) -> SyncFilter:
        """The filter that the `filter` parameter means. Raises BadJson, NotJson, InvalidParam."""
        if not text:
            return NO_FILTER
        # "The server will detect whether it is an ID or a JSON object by whether the first character is a "{"."
        if text.startswith("{"):
            return parse_filter(text.encode("utf-8", "replace"))
        known = self._json_by_id.get((user_id, text))
        return parse_filter(known if known is not None else await self._ask(user_id, text))

    async def _ask(self, user_id: str, filter_id: str) -> bytes:
        if len(filter_id) > FILTER_ID_CHARACTERS_MAX:
            raise InvalidParam("There is no such filter")
        command = UserCommand(get_filter=GetFilter(user_id=user_id, filter_id=filter_id))
        try:
            reply = await self._users.user(user_id, command)
        except NotFound as error:
            raise InvalidParam("There is no filter of this ID; save it again") from error
        if len(self._json_by_id) >= SAVED_FILTERS_MAX:
            del self._json_by_id[next(iter(self._json_by_id))]
        if len(reply.json) <= CACHED_FILTER_BYTES_MAX:
            self._json_by_id[user_id, filter_id] = reply.json
        return reply.json
