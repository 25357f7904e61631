"""Questions to shard owners: large or streamed reads. One interface, asked in process or over gRPC.

A question is one row below and one method of the servicer of its service. It is
asked through an `Asker`, of `rpc.local` (same process) or `rpc.grpc_client`,
which finds the owner of the right shard and asks again elsewhere if it has
moved. Errors are MatrixErrors on both sides.

    entry = await asker.single(GET_EVENT, EventRequest(room_id=room_id, event_id=event_id))
    async for chunk in asker.stream(GET_STATE, request): ...

`RoomQueries` and `UserQueries` are the questions that most have to ask, as methods.

How long an answer may take is the asker's to say:

    with answer_within(5.0, clock):
        async for chunk in asker.stream(GET_STATE, request): ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from google.protobuf.message import Message

from service_kit.clock import Clock
from service_kit.rpc.pb.delayed_events_pb2 import (
    DelayedEvent,
    DelayedEventRequest,
    DelayedEventsRequest,
    FinalisedDelayedEvent,
)
from service_kit.rpc.pb.presence_pb2 import ShardPresence
from service_kit.rpc.pb.room_directory_pb2 import (
    AliasAnswer,
    AliasesOfRoomAnswer,
    AliasesOfRoomRequest,
    AliasRequest,
    GuestsAnswer,
    GuestsRequest,
    PublishedRoomsAnswer,
    PublishedRoomsRequest,
    StandingAnswer,
    StandingRequest,
    SummariesRequest,
    SummaryAnswer,
    UpgradeStateAnswer,
    UpgradeStateRequest,
    VisibilityAnswer,
    VisibilityRequest,
)
from service_kit.rpc.pb.room_queries_pb2 import (
    AggregationsChunk,
    AggregationsRequest,
    EventRequest,
    ReceiptsChunk,
    ReceiptsRequest,
    RelationsRequest,
    RoomOfEvent,
    RoomOfEventRequest,
    RoomsOfUserChunk,
    RoomsOfUserRequest,
    StateChunk,
    StateRequest,
    ThreadsRequest,
    TimelineChunk,
    TimelineEntry,
    TimelineRequest,
    TimestampRequest,
)
from service_kit.rpc.pb.search_queries_pb2 import (
    MessageSearchAnswer,
    MessageSearchRequest,
    RoomsOfShardChunk,
    RoomsOfShardRequest,
    UserSearchAnswer,
    UserSearchRequest,
    VisibleUsersAnswer,
    VisibleUsersRequest,
)
from service_kit.rpc.pb.user_queries_pb2 import (
    AccountDataChunk,
    AccountDataRequest,
    ShardPresenceRequest,
    ToDeviceChunk,
    ToDeviceRequest,
)
from service_kit.shards import DIRECTORY, ROOM, SEARCH, USER, Shard, ShardMap

TIMEOUT_S = 30.0

RequestT = TypeVar("RequestT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)

_deadline_s: ContextVar[float | None] = ContextVar("question_deadline_s", default=None)


class WrongOwner(Exception):
    """This worker does not own that shard (any more): ask its owner. Servicers may raise it before their answer."""


class RoomQueries(Protocol):
    """See proto/service_kit/rpc/pb/room_queries.proto."""

    def get_state(self, request: StateRequest) -> AsyncIterator[StateChunk]: ...

    def get_timeline(self, request: TimelineRequest) -> AsyncIterator[TimelineChunk]: ...

    async def get_event(self, request: EventRequest) -> TimelineEntry: ...

    def get_receipts(self, request: ReceiptsRequest) -> AsyncIterator[ReceiptsChunk]: ...

    def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]: ...


class UserQueries(Protocol):
    """See proto/service_kit/rpc/pb/user_queries.proto."""

    def get_account_data(self, request: AccountDataRequest) -> AsyncIterator[AccountDataChunk]: ...


class Question(NamedTuple, Generic[RequestT, AnswerT]):
    """One method of a servicer, as data."""

    method: str
    """of the servicer"""
    rpc: str
    """full name of the gRPC method"""
    is_streamed: bool
    request_type: type[RequestT]
    answer_type: type[AnswerT]
    """of the answer, or of each part of a streamed one"""
    shard_of: Callable[[ShardMap, Any], Shard]
    """Whose owner to ask."""
    is_for_owner: bool = True
    """Nobody else may answer; False = any worker of the service can, the shard only spreads the load."""


def _room(
    rpc: str, method: str, is_streamed: bool, request_type: type[RequestT], answer: type[AnswerT]
) -> Question[RequestT, AnswerT]:
    """Of the owner of the shard of `request.room_id`."""
    name = f"/homeserver.v1.RoomQueries/{rpc}"
    return Question(method, name, is_streamed, request_type, answer, lambda shards, r: shards.of_room(r.room_id))


def _user(
    rpc: str, method: str, is_streamed: bool, request_type: type[RequestT], answer: type[AnswerT]
) -> Question[RequestT, AnswerT]:
    """Of the owner of the shard of `request.user_id`."""
    name = f"/homeserver.v1.UserQueries/{rpc}"
    return Question(method, name, is_streamed, request_type, answer, lambda shards, r: shards.of_user(r.user_id))


def _room_shard_of_user(shards: ShardMap, user_id: str) -> Shard:
    return Shard(ROOM, shards.of_user(user_id).number % shards.room_shards)


GET_STATE = _room("GetState", "get_state", True, StateRequest, StateChunk)
GET_TIMELINE = _room("GetTimeline", "get_timeline", True, TimelineRequest, TimelineChunk)
GET_EVENT = _room("GetEvent", "get_event", False, EventRequest, TimelineEntry)
GET_ROOM_OF_EVENT = Question(
    "get_room_of_event",
    "/homeserver.v1.RoomQueries/GetRoomOfEvent",
    False,
    RoomOfEventRequest,
    RoomOfEvent,
    lambda shards, request: shards.of_room(request.event_id),
    is_for_owner=False,
)
GET_RECEIPTS = _room("GetReceipts", "get_receipts", True, ReceiptsRequest, ReceiptsChunk)
GET_RELATIONS = _room("GetRelations", "get_relations", True, RelationsRequest, TimelineChunk)
GET_THREADS = _room("GetThreads", "get_threads", True, ThreadsRequest, TimelineChunk)
GET_AGGREGATIONS = _room("GetAggregations", "get_aggregations", True, AggregationsRequest, AggregationsChunk)
GET_EVENT_BY_TIMESTAMP = _room("GetEventByTimestamp", "get_event_by_timestamp", False, TimestampRequest, TimelineEntry)
GET_ROOMS_OF_USER = _room("GetRoomsOfUser", "get_rooms_of_user", True, RoomsOfUserRequest, RoomsOfUserChunk)._replace(
    shard_of=lambda shards, request: _room_shard_of_user(shards, request.user_id), is_for_owner=False
)
GET_ROOMS_OF_SHARD = Question(
    "get_rooms_of_shard",
    "/homeserver.v1.RoomQueries/GetRoomsOfShard",
    True,
    RoomsOfShardRequest,
    RoomsOfShardChunk,
    lambda shards, request: Shard(ROOM, request.shard),
)
GET_VISIBLE_USERS = Question(
    "get_visible_users",
    "/homeserver.v1.RoomQueries/GetVisibleUsers",
    False,
    VisibleUsersRequest,
    VisibleUsersAnswer,
    lambda shards, request: _room_shard_of_user(shards, request.as_user_id),
    is_for_owner=False,
)
GET_ALIAS = Question(
    "get_alias",
    "/homeserver.v1.RoomQueries/GetAlias",
    False,
    AliasRequest,
    AliasAnswer,
    lambda shards, request: shards.of_alias(request.alias),
)
GET_ALIASES_OF_ROOM = _room("GetAliasesOfRoom", "get_aliases_of_room", False, AliasesOfRoomRequest, AliasesOfRoomAnswer)
GET_VISIBILITY = _room("GetVisibility", "get_visibility", False, VisibilityRequest, VisibilityAnswer)
GET_PUBLISHED_ROOMS = Question(
    "get_published_rooms",
    "/homeserver.v1.RoomQueries/GetPublishedRooms",
    False,
    PublishedRoomsRequest,
    PublishedRoomsAnswer,
    lambda shards, request: Shard(ROOM, request.shard_numbers[0]),
)
GET_SUMMARIES = Question(
    "get_summaries",
    "/homeserver.v1.RoomQueries/GetSummaries",
    True,
    SummariesRequest,
    SummaryAnswer,
    lambda shards, request: shards.of_room(request.room_ids[0]),
)
GET_UPGRADE_STATE = _room("GetUpgradeState", "get_upgrade_state", False, UpgradeStateRequest, UpgradeStateAnswer)
GET_GUESTS = _room("GetGuests", "get_guests", False, GuestsRequest, GuestsAnswer)
GET_STANDING = _room("GetStanding", "get_standing", False, StandingRequest, StandingAnswer)
GET_ACCOUNT_DATA = _user("GetAccountData", "get_account_data", True, AccountDataRequest, AccountDataChunk)
GET_SHARD_PRESENCE = Question(
    "get_shard_presence",
    "/homeserver.v1.UserQueries/GetShardPresence",
    True,
    ShardPresenceRequest,
    ShardPresence,
    lambda shards, request: Shard(USER, request.shard),
)
GET_TO_DEVICE = _user("GetToDevice", "get_to_device", True, ToDeviceRequest, ToDeviceChunk)

GET_DELAYED_EVENT = Question(
    "get_delayed_event",
    "/homeserver.v1.RoomQueries/GetDelayedEvent",
    False,
    DelayedEventRequest,
    FinalisedDelayedEvent,
    lambda shards, request: Shard(ROOM, request.shard_number % shards.room_shards),
)
GET_DELAYED_EVENTS = Question(
    "get_delayed_events",
    "/homeserver.v1.RoomQueries/GetDelayedEvents",
    True,
    DelayedEventsRequest,
    DelayedEvent,
    lambda shards, request: _room_shard_of_user(shards, request.user_id),
    is_for_owner=False,
)
SEARCH_MESSAGES = Question(
    "search_messages",
    "/homeserver.v1.SearchQueries/SearchMessages",
    False,
    MessageSearchRequest,
    MessageSearchAnswer,
    lambda shards, request: Shard(SEARCH, request.shard),
)
SEARCH_USERS = Question(
    "search_users",
    "/homeserver.v1.SearchQueries/SearchUsers",
    False,
    UserSearchRequest,
    UserSearchAnswer,
    lambda shards, request: Shard(DIRECTORY, shards.of_user(request.as_user_id).number),
    is_for_owner=False,
)

ROOM_QUESTIONS: tuple[Question[Any, Any], ...] = (
    GET_STATE,
    GET_TIMELINE,
    GET_EVENT,
    GET_ROOM_OF_EVENT,
    GET_RECEIPTS,
    GET_RELATIONS,
    GET_THREADS,
    GET_AGGREGATIONS,
    GET_EVENT_BY_TIMESTAMP,
    GET_ROOMS_OF_USER,
    GET_ROOMS_OF_SHARD,
    GET_VISIBLE_USERS,
    GET_ALIAS,
    GET_ALIASES_OF_ROOM,
    GET_STANDING,
    GET_VISIBILITY,
    GET_PUBLISHED_ROOMS,
    GET_SUMMARIES,
    GET_DELAYED_EVENT,
    GET_DELAYED_EVENTS,
    GET_UPGRADE_STATE,
    GET_GUESTS,
)
SEARCH_QUESTIONS: tuple[Question[Any, Any], ...] = (SEARCH_MESSAGES, SEARCH_USERS)
USER_QUESTIONS: tuple[Question[Any, Any], ...] = (GET_ACCOUNT_DATA, GET_SHARD_PRESENCE, GET_TO_DEVICE)


class Asker(Protocol):
    """Brings a question to the owner of its shard. Raises MatrixErrors: the owner's, or Unavailable."""

    def stream(self, question: Question[RequestT, AnswerT], request: RequestT) -> AsyncIterator[AnswerT]: ...

    async def single(self, question: Question[RequestT, AnswerT], request: RequestT) -> AnswerT: ...


class AskedRoomQueries:
    """`RoomQueries` by way of an asker."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def get_state(self, request: StateRequest) -> AsyncIterator[StateChunk]:
        return self._asker.stream(GET_STATE, request)

    def get_timeline(self, request: TimelineRequest) -> AsyncIterator[TimelineChunk]:
        return self._asker.stream(GET_TIMELINE, request)

    async def get_event(self, request: EventRequest) -> TimelineEntry:
        return await self._asker.single(GET_EVENT, request)

    def get_receipts(self, request: ReceiptsRequest) -> AsyncIterator[ReceiptsChunk]:
        return self._asker.stream(GET_RECEIPTS, request)

    def get_rooms_of_user(self, request: RoomsOfUserRequest) -> AsyncIterator[RoomsOfUserChunk]:
        return self._asker.stream(GET_ROOMS_OF_USER, request)


class AskedUserQueries:
    """`UserQueries` by way of an asker."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def get_account_data(self, request: AccountDataRequest) -> AsyncIterator[AccountDataChunk]:
        return self._asker.stream(GET_ACCOUNT_DATA, request)


@contextmanager
def answer_within(timeout_s: float, clock: Clock) -> Iterator[None]:
    """Questions asked inside are given up after so long (they raise Unavailable); nested, the earlier end holds."""
    outer_s = _deadline_s.get()
    deadline_s = clock.monotonic_s() + timeout_s
    token = _deadline_s.set(deadline_s if outer_s is None else min(outer_s, deadline_s))
    try:
        yield
    finally:
        with suppress(ValueError):  # an abandoned generator is closed in a context that never had the value
            _deadline_s.reset(token)


def deadline_s(clock: Clock) -> float:
    """When (on the clock's monotonic time) the question that is being asked now must be answered."""
    given_s = _deadline_s.get()
    return clock.monotonic_s() + TIMEOUT_S if given_s is None else given_s
