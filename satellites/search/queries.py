"""Answers the questions of `search_queries.proto`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from matrix_protocol.errors import BadJson, InvalidParam
from matrix_protocol.type_patterns import TypeMatcher
from satellites.search.documents import TYPE_OF_KEY, Document
from satellites.search.index import Cursor, Hit, MessageIndex, Wanted
from satellites.search.users import find_users
from service_kit.rpc.pb.search_queries_pb2 import (
    MessageSearchAnswer,
    MessageSearchHit,
    MessageSearchRequest,
    SearchCursor,
    UserSearchAnswer,
    UserSearchHit,
    UserSearchRequest,
    VisibleUsersRequest,
)
from service_kit.rpc.queries import GET_VISIBLE_USERS, Asker, WrongOwner
from service_kit.shards import SEARCH, Shard
from service_kit.store.interface import Store
from service_kit.words import wanted_words

LIMIT_MAX = 500
SEARCH_WORDS_MAX = 32


class EventFilter(msgspec.Struct, frozen=True):
    """Of a RoomEventFilter: which rooms is in the question, and the rest says nothing about what is found."""

    types: list[str] | None = None
    not_types: list[str] = []
    senders: list[str] | None = None
    not_senders: list[str] = []
    contains_url: bool | None = None


_filter_decoder = msgspec.json.Decoder(EventFilter)


class SearchQueryService:
    """`index_of` gives the index of a shard that this worker has, or None."""

    def __init__(
        self,
        index_of: Callable[[Shard], MessageIndex | None],
        store: Store,
        asker: Asker,
        *,
        all_users_are_visible: bool,
    ) -> None:
        self._index_of = index_of
        self._store = store
        self._asker = asker
        self._all_users_are_visible = all_users_are_visible

    async def search_messages(self, request: MessageSearchRequest) -> MessageSearchAnswer:
        """Raises InvalidParam, BadJson, WrongOwner."""
        index = self._index_of(Shard(SEARCH, request.shard))
        if index is None:
            raise WrongOwner
        words = wanted_words(request.search_term)[:SEARCH_WORDS_MAX]
        if not words or not request.room_ids:
            return MessageSearchAnswer()
        found = await index.search(
            Wanted(
                words,
                frozenset(request.room_ids),
                _matcher(request.keys, request.filter_json),
                request.by_rank,
                _cursor(request.before) if request.HasField("before") else None,
                _checked_limit(request.limit),
            )
        )
        return MessageSearchAnswer(hits=[_hit(hit) for hit in found.hits], count=found.total)

    async def search_users(self, request: UserSearchRequest) -> UserSearchAnswer:
        """Raises InvalidParam, Unavailable."""

        async def visible(user_ids: Sequence[str]) -> Sequence[str]:
            if self._all_users_are_visible:
                return user_ids
            question = VisibleUsersRequest(as_user_id=request.as_user_id, user_ids=user_ids)
            return (await self._asker.single(GET_VISIBLE_USERS, question)).user_ids

        found = await find_users(self._store, request.search_term, _checked_limit(request.limit), visible)
        users = [
            UserSearchHit(user_id=row.user_id, displayname=row.displayname, avatar_url=row.avatar_url)
            for row in found.users
        ]
        return UserSearchAnswer(users=users, limited=found.limited)


def _checked_limit(limit: int) -> int:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidParam(f"limit must be between 1 and {LIMIT_MAX}")
    return limit


def _cursor(cursor: SearchCursor) -> Cursor:
    return Cursor(cursor.rank, cursor.sent_at_ms, cursor.shard, cursor.position)


def _hit(hit: Hit) -> MessageSearchHit:
    rank, sent_at_ms, shard, position = hit.cursor
    cursor = SearchCursor(rank=rank, sent_at_ms=sent_at_ms, shard=shard, position=position)
    return MessageSearchHit(room_id=hit.room_id, event_id=hit.event_id, cursor=cursor, rank=hit.rank)


def _matcher(keys: Sequence[str], filter_json: bytes) -> Callable[[Document], bool]:
    """Whether an event has one of the keys and passes the filter. Raises BadJson."""
    try:
        wanted = _filter_decoder.decode(filter_json) if filter_json else EventFilter()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadJson(f"The filter is malformed: {error}") from error
    types_of_keys = {TYPE_OF_KEY[key] for key in keys if key in TYPE_OF_KEY}
    checks: list[Callable[[Document], Any]] = []
    if keys:
        checks.append(lambda document: document.type in types_of_keys)
    if wanted.types is not None:
        types = TypeMatcher(wanted.types)
        checks.append(lambda document: types.matches(document.type))
    if wanted.not_types:
        not_types = TypeMatcher(wanted.not_types)
        checks.append(lambda document: not not_types.matches(document.type))
    if wanted.senders is not None:
        senders = frozenset(wanted.senders)
        checks.append(lambda document: document.sender in senders)
    if wanted.not_senders:
        not_senders = frozenset(wanted.not_senders)
        checks.append(lambda document: document.sender not in not_senders)
    if wanted.contains_url is not None:
        checks.append(lambda document: bool(document.has_url) is wanted.contains_url)
    return lambda document: all(check(document) for check in checks)
