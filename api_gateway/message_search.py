"""The search of messages: ask the shards for what they have found, merge, and let the rooms say what may be seen.

    rooms that the user is or was in ─► by shard ─► search: the best of each, in one order over all shards
                                                       │ merged
                                        roomserver: may the user see this event? ─► a page of results

An index knows nothing of who may see what, and may be a moment behind a redaction: what is shown is what the room's
owner gives to this user now.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from matrix_protocol.errors import InvalidParam, NotFound
from service_kit.clock import Clock
from service_kit.rpc.pb.room_queries_pb2 import EventRequest, RoomsOfUserRequest, TimelineEntry
from service_kit.rpc.pb.search_queries_pb2 import (
    MessageSearchAnswer,
    MessageSearchHit,
    MessageSearchRequest,
    SearchCursor,
)
from service_kit.rpc.queries import GET_EVENT, GET_ROOMS_OF_USER, SEARCH_MESSAGES, Asker, answer_within
from service_kit.shards import ShardMap

ANSWER_WITHIN_S = 20.0
SEARCH_TERM_CHARACTERS_MAX = 1000
ROUNDS_MAX = 10
"""How often more is asked for because the user may not see what was found."""
LIMIT = 10
LIMIT_MAX = 100
FILTER_IDS_MAX = 10_000
TOKEN_CHARACTERS_MAX = 2000

GroupKey = Literal["room_id", "sender"]


class EventFilter(msgspec.Struct, kw_only=True):
    """A RoomEventFilter; lazy loading of members makes no difference to what is found."""

    limit: int | None = None
    types: list[str] | None = None
    not_types: list[str] = []
    senders: list[str] | None = None
    not_senders: list[str] = []
    rooms: list[str] | None = None
    not_rooms: list[str] = []
    contains_url: bool | None = None


class Criteria(NamedTuple):
    search_term: str
    keys: Sequence[str]
    filter: EventFilter
    by_rank: bool


class Result(NamedTuple):
    hit: MessageSearchHit
    entry: TimelineEntry


class Results(NamedTuple):
    results: list[Result]
    total: int
    """about how many there are in all"""
    more: bool
    """there may be further ones after the last"""


class NextBatch(NamedTuple):
    """Where a page goes on, perhaps within a group only."""

    rank: float
    sent_at_ms: int
    shard: int
    position: int
    group_key: GroupKey | None = None
    group_value: str = ""

    @classmethod
    def after(cls, hit: MessageSearchHit, group_key: GroupKey | None = None, group_value: str = "") -> NextBatch:
        cursor = hit.cursor
        return cls(cursor.rank, cursor.sent_at_ms, cursor.shard, cursor.position, group_key, group_value)

    def __str__(self) -> str:
        return urlsafe_b64encode(msgspec.json.encode(tuple(self))).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> NextBatch:
        """Raises InvalidParam."""
        try:
            if len(text) > TOKEN_CHARACTERS_MAX:
                raise ValueError("too long")
            encoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return msgspec.json.decode(encoded, type=NextBatch)
        except (ValueError, Base64Error, msgspec.DecodeError) as error:
            raise InvalidParam("This next_batch is not a token that this server gave out") from error

    @property
    def cursor(self) -> SearchCursor:
        return SearchCursor(rank=self.rank, sent_at_ms=self.sent_at_ms, shard=self.shard, position=self.position)


class MessageSearch:
    """For one gateway."""

    def __init__(self, asker: Asker, shards: ShardMap, clock: Clock) -> None:
        self._asker = asker
        self._shards = shards
        self._clock = clock

    async def search(self, user_id: str, criteria: Criteria, start: NextBatch | None) -> Results:
        """A page of what this user may see. Raises InvalidParam, Unavailable."""
        with answer_within(ANSWER_WITHIN_S, self._clock):
            criteria = _within_group(criteria, start)
            rooms = await self._rooms_by_shard(user_id, criteria.filter)
            limit = limit_of(criteria.filter)
            cursor = None if start is None else start.cursor
            results: list[Result] = []
            total, more = 0, False
            for number in range(ROUNDS_MAX):
                # One more than is looked at, to know whether there is one.
                answers = await self._ask(rooms, criteria, cursor, limit + 1)
                if number == 0:
                    total = sum(answer.count for answer in answers)
                hits = sorted((hit for answer in answers for hit in answer.hits), key=_place, reverse=True)
                looked_at = hits[: limit - len(results)]
                results += await self._visible(user_id, looked_at)
                more = len(hits) > len(looked_at)
                if not more or len(results) >= limit:
                    break
                cursor = looked_at[-1].cursor
            return Results(results, total, more)

    async def _rooms_by_shard(self, user_id: str, wanted: EventFilter) -> Mapping[int, list[str]]:
        """ "All rooms that the user has been in, including those that they have left."""
        only = None if wanted.rooms is None else frozenset(wanted.rooms)
        excluded = frozenset(wanted.not_rooms)
        found: defaultdict[int, list[str]] = defaultdict(list)
        async for chunk in self._asker.stream(GET_ROOMS_OF_USER, RoomsOfUserRequest(user_id=user_id)):
            for room in chunk.rooms:
                if room.membership not in ("join", "leave", "ban") or room.forgotten:
                    continue
                if (only is None or room.room_id in only) and room.room_id not in excluded:
                    found[self._shards.of_room(room.room_id).number].append(room.room_id)
        return found

    async def _ask(
        self, rooms: Mapping[int, list[str]], criteria: Criteria, cursor: SearchCursor | None, limit: int
    ) -> list[MessageSearchAnswer]:
        filter_json = msgspec.json.encode(criteria.filter)
        requests = [
            MessageSearchRequest(
                shard=shard,
                search_term=criteria.search_term,
                keys=criteria.keys,
                room_ids=room_ids,
                filter_json=filter_json,
                by_rank=criteria.by_rank,
                before=cursor,
                limit=limit,
            )
            for shard, room_ids in rooms.items()
        ]
        return await asyncio.gather(*(self._asker.single(SEARCH_MESSAGES, request) for request in requests))

    async def _visible(self, user_id: str, hits: Sequence[MessageSearchHit]) -> list[Result]:
        """ "The server must only return results that the user has permission to see." """

        async def look(hit: MessageSearchHit) -> Result | None:
            request = EventRequest(
                room_id=hit.room_id, event_id=hit.event_id, as_user_id=user_id, with_aggregations=True
            )
            try:
                return Result(hit, await self._asker.single(GET_EVENT, request))
            except NotFound:
                return None

        looked = await asyncio.gather(*(look(hit) for hit in hits))
        return [result for result in looked if result is not None]


def limit_of(wanted: EventFilter) -> int:
    """Raises InvalidParam."""
    if wanted.limit is None:
        return LIMIT
    if wanted.limit < 0:
        raise InvalidParam("limit must not be negative")
    return max(1, min(wanted.limit, LIMIT_MAX))


def _within_group(criteria: Criteria, start: NextBatch | None) -> Criteria:
    """ "Using a token inside a group will return more results from within that group." """
    if start is None or start.group_key is None:
        return criteria
    field = "rooms" if start.group_key == "room_id" else "senders"
    wanted = getattr(criteria.filter, field)
    values = [start.group_value] if wanted is None or start.group_value in wanted else []
    return criteria._replace(filter=msgspec.structs.replace(criteria.filter, **{field: values}))


def _place(hit: MessageSearchHit) -> tuple[float, int, int, int]:
    cursor = hit.cursor
    return (cursor.rank, cursor.sent_at_ms, cursor.shard, cursor.position)
