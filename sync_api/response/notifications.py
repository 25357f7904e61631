"""GET /notifications: what the user's push rules have notified about, over all the rooms that they are joined to.

Nothing is kept for it. The same evaluation that counts unread events goes over the newest events of each room:

1 rooms       the most recently active first
2 events      those in memory, and older ones, `EVENTS_OF_ROOM_MAX` of a room, `EVENTS_ASKED_MAX` asked for in all
3 rules       as they are now
4 a page      by the events' time, the newest first

NOTSPEC: what lies further back is not listed. Events of before the user joined notify nobody.

Spec: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3notifications
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

import orjson

from matrix_protocol.errors import InvalidParam
from matrix_protocol.events.unsigned import with_unsigned
from matrix_protocol.push_rules import Outcome
from service_kit.tokens import POSITION_MAX
from sync_api.entries import TimelineEvent
from sync_api.response.counting import ask_for_events, find_notifications, joins, unread_counter
from sync_api.response.join import JoinedRoom
from sync_api.response.unread import own_member
from sync_api.room_contents import RoomContents
from sync_api.scope import SyncScope

EVENTS_OF_ROOM_MAX = 200
EVENTS_ASKED_MAX = 5000
TOKEN_CHARACTERS_MAX = 1000


class Place(NamedTuple):
    """Where a notification stands in the list."""

    ts_ms: int
    position: int
    room_id: str

    def __str__(self) -> str:
        return "n" + urlsafe_b64encode(orjson.dumps(tuple(self))).decode("ascii")

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises InvalidParam."""
        try:
            if not text.startswith("n") or len(text) > TOKEN_CHARACTERS_MAX:
                raise ValueError(text[:100])
            ts_ms, position, room_id = orjson.loads(urlsafe_b64decode(text[1:]))
            if type(ts_ms) is not int or type(position) is not int or not isinstance(room_id, str):
                raise ValueError(text)
        except ValueError as error:
            raise InvalidParam("This is not a token that this server gave out") from error
        return cls(ts_ms, position, room_id)


END = Place(POSITION_MAX, POSITION_MAX, "")


class Listed(NamedTuple):
    place: Place
    event: TimelineEvent
    outcome: Outcome
    is_read: bool


async def notifications_page(
    scope: SyncScope, rooms: Sequence[JoinedRoom], before: Place, limit: int, *, only_highlights: bool
) -> bytes:
    """The newest `limit` before that place."""
    found: list[Listed] = []
    asked_left = EVENTS_ASKED_MAX
    by_activity = [(await scope.rooms.contents(room.view), room) for room in rooms]
    by_activity.sort(key=lambda entry: _last_ts_ms(entry[0]), reverse=True)
    for contents, room in by_activity:
        events, asked = await _events(scope, contents, room, min(asked_left, EVENTS_OF_ROOM_MAX))
        asked_left -= asked
        member = await own_member(scope, contents, room.membership.room_id)
        counter = await unread_counter(scope, contents, room.membership, member)
        for event, outcome in find_notifications(scope, contents, counter.reader, events):
            place = Place(event.origin_server_ts_ms, event.position, room.membership.room_id)
            if place < before and (outcome.highlight or not only_highlights):
                found.append(Listed(place, event, outcome, not counter.is_unread(event.position)))
    page = nlargest(limit + 1, found, key=lambda listed: listed.place)
    more = b',"next_token":"%b"' % str(page[limit - 1].place).encode() if len(page) > limit else b""
    return b'{"notifications":[%b]%b}' % (b",".join(_json(scope, listed) for listed in page[:limit]), more)


def _last_ts_ms(contents: RoomContents) -> int:
    return contents.timeline[-1].origin_server_ts_ms if contents.timeline else 0


async def _events(
    scope: SyncScope, contents: RoomContents, room: JoinedRoom, asked_max: int
) -> tuple[list[TimelineEvent], int]:
    """Oldest first, since the user joined; and how many of them were asked for."""
    user_id = scope.user.user_id
    found: list[TimelineEvent] = []
    for event in reversed(contents.timeline):
        found.append(event)
        if joins(event, user_id):
            found.reverse()
            return found, 0
    found.reverse()
    limit = min(EVENTS_OF_ROOM_MAX - len(found), asked_max)
    if limit <= 0 or not contents.timeline_after:
        return found, 0
    older = await ask_for_events(scope, room.membership.room_id, 0, contents.timeline_after, limit)
    return older + found, len(older)


def _json(scope: SyncScope, listed: Listed) -> bytes:
    age = b'"age":%d' % max(0, scope.now_ms - listed.event.origin_server_ts_ms)
    actions: list[object] = ["notify"]
    actions += [{"set_tweak": name, "value": value} for name, value in listed.outcome.tweaks.items()]
    return b'{"actions":%b,"event":%b,"read":%b,"room_id":%b,"ts":%d}' % (
        orjson.dumps(actions),
        with_unsigned(listed.event.client_json, age),
        b"true" if listed.is_read else b"false",
        orjson.dumps(listed.place.room_id),
        listed.place.ts_ms,
    )
