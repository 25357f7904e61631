"""Account data: what clients keep on the server for themselves, for all rooms or for one.

Spec: https://spec.matrix.org/v1.19/client-server-api/#client-config
"""

from __future__ import annotations

from matrix_protocol.errors import Forbidden, InvalidParam, error_from
from matrix_protocol.identifiers import exceeds_bytes, is_valid_room_id
from service_kit.http.authentication import Caller
from service_kit.http.decoding import RawJsonObject
from service_kit.http.endpoint import endpoint
from service_kit.limits import ACCOUNT_DATA_CONTENT_BYTES_MAX, ACCOUNT_DATA_TYPE_BYTES_MAX
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, SetAccountData, UserCommand

EMPTY = b"{}"

# "The server MUST reject setting account data for": these have endpoints of their own.
CONTROLLED_BY_SERVER = frozenset({"m.fully_read", "m.push_rules"})

_GLOBAL = "/_matrix/client/v3/user/{userId}/account_data/{type}"
_OF_ROOM = "/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}"


@endpoint("GET", _GLOBAL, operation="getAccountData")
async def get_account_data(user_id: str, type: str, caller: Caller, users: CommandClient) -> bytes:
    return await _get(users, caller, user_id, "", type)


@endpoint("PUT", _GLOBAL, operation="setAccountData", suspended=True, body_bytes_max=ACCOUNT_DATA_CONTENT_BYTES_MAX)
async def set_account_data(user_id: str, type: str, body: RawJsonObject, caller: Caller, users: CommandClient) -> bytes:
    return await _set(users, caller, user_id, "", type, body)


@endpoint("GET", _OF_ROOM, operation="getAccountDataPerRoom")
async def get_account_data_per_room(
    user_id: str, room_id: str, type: str, caller: Caller, users: CommandClient
) -> bytes:
    _check_room_id(room_id)
    return await _get(users, caller, user_id, room_id, type)


@endpoint(
    "PUT", _OF_ROOM, operation="setAccountDataPerRoom", suspended=True, body_bytes_max=ACCOUNT_DATA_CONTENT_BYTES_MAX
)
async def set_account_data_per_room(
    user_id: str, room_id: str, type: str, body: RawJsonObject, caller: Caller, users: CommandClient
) -> bytes:
    _check_room_id(room_id)
    return await _set(users, caller, user_id, room_id, type, body)


async def _get(users: CommandClient, caller: Caller, user_id: str, room_id: str, event_type: str) -> bytes:
    _check(caller, user_id, event_type)
    command = GetAccountData(user_id=user_id, room_id=room_id, type=event_type)
    return (await users.user(user_id, UserCommand(get_account_data=command))).json


async def _set(
    users: CommandClient, caller: Caller, user_id: str, room_id: str, event_type: str, content_json: bytes
) -> bytes:
    _check(caller, user_id, event_type)
    if event_type in CONTROLLED_BY_SERVER:
        raise error_from("M_BAD_JSON", f"Cannot set {event_type} through this API", 405)
    command = SetAccountData(user_id=user_id, room_id=room_id, type=event_type, content_json=content_json)
    await users.user(user_id, UserCommand(set_account_data=command))
    return EMPTY


def _check(caller: Caller, user_id: str, event_type: str) -> None:
    if user_id != caller.user_id:
        raise Forbidden("Account data of others is not yours to see or set")
    if exceeds_bytes(event_type, ACCOUNT_DATA_TYPE_BYTES_MAX):
        raise InvalidParam(f"A type of account data may have {ACCOUNT_DATA_TYPE_BYTES_MAX} bytes")


def _check_room_id(room_id: str) -> None:
    if not is_valid_room_id(room_id):
        raise InvalidParam("This is not a room ID")
