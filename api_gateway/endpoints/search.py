"""`POST /search`: full text over the messages, names and topics of the user's rooms.

Spec: https://spec.matrix.org/v1.19/client-server-api/#server-side-search
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
import orjson

from api_gateway.aggregations import leave_out_ignored
from api_gateway.event_lists import event_for, events_for, json_array, state_events
from api_gateway.message_search import (
    FILTER_IDS_MAX,
    SEARCH_TERM_CHARACTERS_MAX,
    Criteria,
    EventFilter,
    GroupKey,
    MessageSearch,
    NextBatch,
    Result,
    Results,
)
from matrix_protocol.errors import InvalidParam
from service_kit.clock import Clock
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_queries_pb2 import StateEntry, StateKey, StateRequest, TimelineEntry, TimelineRequest
from service_kit.rpc.queries import Asker, RoomQueries
from service_kit.tokens import TimelineToken
from service_kit.words import spellings_of, wanted_words

CONTEXT_LIMIT_MAX = 50
STATE_MEMBERS_MAX = 1000
"""Of rooms with more members, `include_state` leaves the members out."""

Limit = Annotated[int, msgspec.Meta(ge=0)]


class EventContext(msgspec.Struct):
    before_limit: Limit = 5
    after_limit: Limit = 5
    include_profile: bool = False


class Group(msgspec.Struct):
    key: GroupKey


class Groupings(msgspec.Struct):
    group_by: list[Group] = []


class RoomEvents(msgspec.Struct):
    search_term: str
    keys: list[Literal["content.body", "content.name", "content.topic"]] = []
    filter: EventFilter = msgspec.field(default_factory=EventFilter)
    order_by: Literal["rank", "recent"] = "rank"
    event_context: EventContext | None = None
    include_state: bool = False
    groupings: Groupings = msgspec.field(default_factory=Groupings)


class Categories(msgspec.Struct):
    room_events: RoomEvents | None = None


class SearchBody(msgspec.Struct):
    search_categories: Categories


class SearchQuery(msgspec.Struct):
    next_batch: str | None = None


@endpoint("POST", "/_matrix/client/v3/search", operation="search", suspended=True)
async def search(
    body: SearchBody,
    query: SearchQuery,
    caller: Caller,
    messages: MessageSearch,
    queries: RoomQueries,
    asker: Asker,
    commands: CommandClient,
    clock: Clock,
) -> bytes:
    wanted = body.search_categories.room_events
    if wanted is None:
        return b'{"search_categories":{}}'
    start = None if query.next_batch is None else NextBatch.parse(query.next_batch)
    found = await messages.search(caller.user_id, _criteria(wanted), start)
    await leave_out_ignored([result.entry for result in found.results], caller, asker, commands)
    answer = _Answer(wanted, caller, queries, clock)
    return b'{"search_categories":{"room_events":%b}}' % await answer.category(found, start)


def _criteria(wanted: RoomEvents) -> Criteria:
    given = wanted.filter
    if len(wanted.search_term) > SEARCH_TERM_CHARACTERS_MAX:
        raise InvalidParam(f"search_term may have {SEARCH_TERM_CHARACTERS_MAX} characters")
    lists = (given.rooms, given.not_rooms, given.senders, given.not_senders, given.types, given.not_types)
    if sum(len(each or ()) for each in lists) > FILTER_IDS_MAX:
        raise InvalidParam(f"The filter may name {FILTER_IDS_MAX} rooms, senders and types")
    return Criteria(wanted.search_term, wanted.keys, given, wanted.order_by == "rank")


class _Answer:
    """What is put into the answer beside the events that were found."""

    def __init__(self, wanted: RoomEvents, caller: Caller, queries: RoomQueries, clock: Clock) -> None:
        self._wanted = wanted
        self._caller = caller
        self._queries = queries
        self._now_ms = clock.now_ms()

    async def category(self, found: Results, start: NextBatch | None) -> bytes:
        results = found.results
        parts = [
            b'"count":%d' % found.total,
            b'"highlights":%b' % orjson.dumps(self._highlights(results)),
            b'"results":%b' % json_array(await asyncio.gather(*map(self._result, results))),
        ]
        if self._wanted.include_state:
            parts.append(b'"state":%b' % await self._states(results))
        if keys := list(dict.fromkeys(group.key for group in self._wanted.groupings.group_by)):
            groups = {key: _groups(key, found) for key in keys}
            parts.append(b'"groups":%b' % orjson.dumps(groups))
        if found.more and results:
            group = (None, "") if start is None else (start.group_key, start.group_value)
            parts.append(b'"next_batch":%b' % orjson.dumps(str(NextBatch.after(results[-1].hit, *group))))
        return b"{%b}" % b",".join(parts)

    def _highlights(self, results: Iterable[Result]) -> list[str]:
        """ "List of words which should be highlighted": the words looked for as they stand in what was found."""
        wanted = frozenset(wanted_words(self._wanted.search_term))
        found: set[str] = set()
        for result in results:
            for text in _texts(orjson.loads(result.entry.client_json)["content"]):
                found |= spellings_of(text, wanted)
        return sorted(found)

    async def _result(self, result: Result) -> bytes:
        event = event_for(result.entry, self._caller, self._now_ms)
        context = self._wanted.event_context
        if context is None:
            return b'{"rank":%b,"result":%b}' % (orjson.dumps(result.hit.rank), event)
        around = await self._context(result.entry, context)
        return b'{"rank":%b,"result":%b,"context":%b}' % (orjson.dumps(result.hit.rank), event, around)

    async def _context(self, entry: TimelineEntry, wanted: EventContext) -> bytes:
        before, start = await self._neighbours(entry, wanted.before_limit, backwards=True)
        after, end = await self._neighbours(entry, wanted.after_limit, backwards=False)
        parts = [
            b'"start":%b,"end":%b' % (orjson.dumps(str(TimelineToken(start))), orjson.dumps(str(TimelineToken(end)))),
            b'"events_before":%b' % events_for(before, self._caller, self._now_ms),
            b'"events_after":%b' % events_for(after, self._caller, self._now_ms),
        ]
        if wanted.include_profile:
            profiles = await self._profiles(entry, {each.sender for each in (*before, entry, *after)})
            parts.append(b'"profile_info":%b' % orjson.dumps(profiles))
        return b"{%b}" % b",".join(parts)

    async def _neighbours(
        self, entry: TimelineEntry, limit: int, *, backwards: bool
    ) -> tuple[list[TimelineEntry], int]:
        """Events beside this one, from the nearest on, and the position of the token behind the last."""
        position = entry.position - 1 if backwards else entry.position
        if limit == 0 or position == 0:
            return [], position
        request = TimelineRequest(
            room_id=entry.room_id,
            as_user_id=self._caller.user_id,
            backwards=backwards,
            from_position=position,
            limit=min(limit, CONTEXT_LIMIT_MAX),
        )
        entries: list[TimelineEntry] = []
        async for chunk in self._queries.get_timeline(request):
            entries += chunk.entries
            position = chunk.next_position
        return entries, position

    async def _profiles(self, entry: TimelineEntry, senders: Iterable[str]) -> dict[str, dict[str, str]]:
        """ "The historic profile information of the users that sent the events returned." """
        keys = [StateKey(type="m.room.member", state_key=sender) for sender in senders]
        members = await self._state(entry.room_id, keys=keys, at_position=entry.position)
        return {member.state_key: _profile(member) for member in members}

    async def _states(self, results: Sequence[Result]) -> bytes:
        room_ids = list(dict.fromkeys(result.hit.room_id for result in results))
        # NOTSPEC: "the current state for each room returned"; a room of 100,000 members would be 50 MB.
        states = await asyncio.gather(*(self._state(room_id, members_max=STATE_MEMBERS_MAX) for room_id in room_ids))
        rooms = zip(room_ids, states, strict=True)
        return b"{%b}" % b",".join(orjson.dumps(room_id) + b":" + state_events(state) for room_id, state in rooms)

    async def _state(self, room_id: str, **wanted: Any) -> list[StateEntry]:
        request = StateRequest(room_id=room_id, as_user_id=self._caller.user_id, **wanted)
        return [entry async for chunk in self._queries.get_state(request) for entry in chunk.entries]


def _groups(key: GroupKey, found: Results) -> dict[str, dict[str, object]]:
    groups: dict[str, dict[str, Any]] = {}
    for hit, entry in found.results:
        value = hit.room_id if key == "room_id" else entry.sender
        group = groups.setdefault(value, {"order": len(groups) + 1, "results": []})
        group["results"].append(hit.event_id)
        if found.more:
            group["next_batch"] = str(NextBatch.after(hit, key, value))
    return groups


def _profile(member: StateEntry) -> dict[str, str]:
    content = orjson.loads(member.client_json)["content"]
    found = {name: content.get(name) for name in ("displayname", "avatar_url")}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _texts(content: dict[str, Any]) -> list[str]:
    return [value for name in ("body", "name", "topic") if isinstance(value := content.get(name), str)]
