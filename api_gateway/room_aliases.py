"""Room aliases as endpoints need them: resolve one, claim one for a new room, take one away."""

from __future__ import annotations

import logging
from contextlib import suppress

import orjson

from api_gateway.checks import check_room_id
from matrix_protocol.errors import Forbidden, InvalidParam, MatrixError, NotFound
from matrix_protocol.identifiers import is_valid_room_alias, server_name_of
from service_kit.http.authentication import Caller
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, SendEvent
from service_kit.rpc.pb.room_directory_pb2 import (
    AliasAnswer,
    AliasRequest,
    DeleteAlias,
    SetAlias,
    StandingAnswer,
    StandingRequest,
)
from service_kit.rpc.pb.room_queries_pb2 import StateKey, StateRequest
from service_kit.rpc.queries import GET_ALIAS, GET_STANDING, GET_STATE, Asker

CANONICAL_ALIAS = "m.room.canonical_alias"
_logger = logging.getLogger(__name__)


def check_alias(alias: str) -> str:
    if not is_valid_room_alias(alias):
        raise InvalidParam("This is not a room alias")
    return alias


def check_own_alias(alias: str, caller: Caller) -> str:
    """An alias that this caller's server gives out. Raises InvalidParam."""
    if server_name_of(check_alias(alias)) != server_name_of(caller.user_id):
        raise InvalidParam("Only aliases of your own server can be set or deleted here")
    return alias


async def read_alias(asker: Asker, alias: str) -> AliasAnswer:
    """Raises InvalidParam, NotFound. Aliases of other servers are found over federation, which there is none yet."""
    return await asker.single(GET_ALIAS, AliasRequest(alias=check_alias(alias)))


async def resolve(asker: Asker, room_id_or_alias: str) -> str:
    """The room ID. Raises InvalidParam, NotFound."""
    if room_id_or_alias.startswith("#"):
        return (await read_alias(asker, room_id_or_alias)).room_id
    return check_room_id(room_id_or_alias)


async def standing_of(asker: Asker, room_id: str, user_id: str, event_type: str) -> StandingAnswer:
    """What the user is in a room, and whether they may send state events of this type. Raises NotFound."""
    request = StandingRequest(room_id=check_room_id(room_id), user_id=user_id, event_type=event_type)
    return await asker.single(GET_STANDING, request)


async def set_alias(commands: CommandClient, asker: Asker, alias: str, wish: SetAlias, *, timeout_s: float) -> None:
    """Raises RoomInUse, NotFound, ResourceLimitExceeded. From then on everybody finds it in the tables."""
    await commands.shard(commands.shards.of_alias(alias), alias, RoomCommand(set_alias=wish), timeout_s=timeout_s)
    await wait_until_readable(asker, alias)


async def wait_until_readable(asker: Asker, alias: str) -> None:
    """Until the tables have what was committed about this alias: an answer to any question about it says so."""
    with suppress(NotFound):  # its room is yet to be made
        await asker.single(GET_ALIAS, AliasRequest(alias=alias))


async def delete_alias(commands: CommandClient, alias: str, room_id: str, *, timeout_s: float) -> None:
    """Raises NotFound."""
    command = RoomCommand(delete_alias=DeleteAlias(room_id=room_id))
    await commands.shard(commands.shards.of_alias(alias), alias, command, timeout_s=timeout_s)


async def check_may_delete(asker: Asker, alias: str, found: AliasAnswer, caller: Caller) -> None:
    """ "room aliases can only be deleted by their creator or a server administrator", or by whoever may say which
    aliases the room has.
    """
    if caller.admin or caller.user_id == found.creator:
        return
    try:
        standing = await standing_of(asker, found.room_id, caller.user_id, CANONICAL_ALIAS)
    except NotFound:
        standing = StandingAnswer()
    if standing.membership != "join" or not standing.may_send_state:
        raise Forbidden("A room alias can be deleted by who made it, and by who may set the aliases of the room")


async def leave_out_of_room(
    commands: CommandClient, asker: Asker, alias: str, room_id: str, caller: Caller, *, timeout_s: float
) -> None:
    """Take a deleted alias out of the room's `m.room.canonical_alias`, where the caller may.

    "Servers which choose to update the canonical alias event are recommended to […] return a successful response even
    if the user does not have permission to update the `m.room.canonical_alias` event."
    """
    try:
        content = await _canonical_aliases(asker, room_id)
        if content is None or (left := _without(content, alias)) == content:
            return
        event = SendEvent(
            sender=caller.user_id,
            device_id=caller.device_id,
            event_type=CANONICAL_ALIAS,
            state_key="",
            content_json=orjson.dumps(left),
        )
        await commands.room(room_id, RoomCommand(send_event=event), timeout_s=timeout_s)
    except MatrixError as error:
        _logger.info("%s stays in the canonical aliases of %s: %s", alias, room_id, error.errcode)


async def _canonical_aliases(asker: Asker, room_id: str) -> dict[str, object] | None:
    request = StateRequest(room_id=room_id, keys=[StateKey(type=CANONICAL_ALIAS, state_key="")])
    entries = [entry async for chunk in asker.stream(GET_STATE, request) for entry in chunk.entries]
    return orjson.loads(entries[0].client_json)["content"] if entries else None


def _without(content: dict[str, object], alias: str) -> dict[str, object]:
    left = {key: value for key, value in content.items() if key != "alias" or value != alias}
    if isinstance(alternatives := left.get("alt_aliases"), list):
        left["alt_aliases"] = [value for value in alternatives if value != alias]
    return left
