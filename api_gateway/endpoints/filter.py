"""Filters, saved once and named in later requests.

Spec: https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from msgspec import Meta, Struct

from matrix_protocol.errors import Forbidden
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.request import Request
from service_kit.limits import FILTER_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetFilter, SaveFilter, UserCommand

UserIds = list[Annotated[str, Meta(pattern="^@")]]
RoomIds = list[Annotated[str, Meta(pattern="^!")]]
# NOTSPEC: "must be an integer greater than 0", but clients ask for 0 when they want no timeline at all.
Limit = Annotated[int, Meta(ge=0)]


class EventFilter(Struct):
    limit: Limit | None = None
    not_senders: UserIds | None = None
    not_types: list[str] | None = None
    senders: UserIds | None = None
    types: list[str] | None = None


class RoomEventFilter(EventFilter):
    unread_thread_notifications: bool | None = None
    lazy_load_members: bool | None = None
    include_redundant_members: bool | None = None
    not_rooms: RoomIds | None = None
    rooms: RoomIds | None = None
    contains_url: bool | None = None


class RoomFilter(Struct):
    not_rooms: RoomIds | None = None
    rooms: RoomIds | None = None
    ephemeral: RoomEventFilter | None = None
    include_leave: bool | None = None
    state: RoomEventFilter | None = None
    timeline: RoomEventFilter | None = None
    account_data: RoomEventFilter | None = None


class Filter(Struct):
    """Only to check the shape: the filter is kept as it came, with members of later versions of the specification."""

    event_fields: list[str] | None = None
    event_format: Literal["client", "federation"] | None = None
    presence: EventFilter | None = None
    account_data: EventFilter | None = None
    room: RoomFilter | None = None


@endpoint(
    "POST",
    "/_matrix/client/v3/user/{userId}/filter",
    operation="defineFilter",
    suspended=True,
    body_bytes_max=FILTER_BYTES_MAX,
)
async def define_filter(
    user_id: str, body: Filter, request: Request, caller: Caller, users: CommandClient
) -> dict[str, object]:
    _check_owner(caller, user_id)
    # Sorted, so that the same filter has the same ID.
    filter_json = orjson.dumps(orjson.loads(request.body or b"{}"), option=orjson.OPT_SORT_KEYS)
    command = SaveFilter(user_id=user_id, filter_json=filter_json)
    return {"filter_id": (await users.user(user_id, UserCommand(save_filter=command))).filter_id}


@endpoint("GET", "/_matrix/client/v3/user/{userId}/filter/{filterId}", operation="getFilter")
async def get_filter(user_id: str, filter_id: str, caller: Caller, users: CommandClient) -> bytes:
    _check_owner(caller, user_id)
    command = GetFilter(user_id=user_id, filter_id=filter_id)
    return (await users.user(user_id, UserCommand(get_filter=command))).json


def _check_owner(caller: Caller, user_id: str) -> None:
    if user_id != caller.user_id:
        raise Forbidden("Filters of others are not yours to see or save")
