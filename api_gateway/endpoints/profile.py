"""Profiles: public, a field at a time.

Spec: https://spec.matrix.org/v1.19/client-server-api/#profiles
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from api_gateway.profiles import MEMBER_FIELDS
from api_gateway.user_identifiers import is_our_user
from matrix_protocol.errors import (
    BadJson,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    KeyTooLarge,
    MissingParam,
    NotFound,
)
from matrix_protocol.identifiers import exceeds_bytes
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetProfile, SetProfileField, UserCommand
from service_kit.rpc.queries import RoomQueries

EMPTY = b"{}"
KEY_BYTES_MAX = 255
DISPLAYNAME_CHARACTERS_MAX = 256
AVATAR_URL_CHARACTERS_MAX = 1000

# "This MUST be either avatar_url, displayname, m.tz, or a custom field following the Common Namespaced Identifier
# Grammar": starts with a-z, then a-z 0-9 - _ and dots, at least one of them.
_KEY = re.compile(r"avatar_url|displayname|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+", re.ASCII)


@endpoint("GET", "/_matrix/client/v3/profile/{userId}", operation="getUserProfile", auth=Auth.NONE)
async def get_user_profile(user_id: str, hosted: HostedServers, users: CommandClient) -> bytes:
    profile_json = await _profile(user_id, hosted, users)
    # "404: There is no profile information for this user or this user does not exist."
    if profile_json == EMPTY:
        raise NotFound("This user has no profile")
    return profile_json


@endpoint("GET", "/_matrix/client/v3/profile/{userId}/{keyName}", operation="getProfileField", auth=Auth.NONE)
async def get_profile_field(
    user_id: str, key_name: str, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    _check_key(key_name)
    profile = orjson.loads(await _profile(user_id, hosted, users))
    if key_name not in profile:
        raise NotFound("This user's profile has no such field")
    return {key_name: profile[key_name]}


@endpoint(
    "PUT",
    "/_matrix/client/v3/profile/{userId}/{keyName}",
    operation="setProfileField",
    guests=True,
    body_bytes_max=80 * 1024,
    deadline_s=300.0,
)
async def set_profile_field(
    user_id: str,
    key_name: str,
    body: dict[str, Any],
    caller: Caller,
    settings: Settings,
    users: CommandClient,
    queries: RoomQueries,
) -> bytes:
    _check_may_change(user_id, key_name, caller, settings)
    if key_name not in body:
        raise MissingParam(f"The body must have the member {key_name}")
    _check_value(key_name, body[key_name])
    command = SetProfileField(user_id=user_id, field=key_name, value_json=orjson.dumps(body[key_name]))
    return await _change(command, users)


@endpoint(
    "DELETE",
    "/_matrix/client/v3/profile/{userId}/{keyName}",
    operation="deleteProfileField",
    guests=True,
    deadline_s=300.0,
)
async def delete_profile_field(
    user_id: str, key_name: str, caller: Caller, settings: Settings, users: CommandClient, queries: RoomQueries
) -> bytes:
    _check_may_change(user_id, key_name, caller, settings)
    return await _change(SetProfileField(user_id=user_id, field=key_name, remove=True), users)


async def _profile(user_id: str, hosted: HostedServers, users: CommandClient) -> bytes:
    if not is_our_user(user_id, hosted):
        raise NotFound("This user is not on this server")
    return (await users.user(user_id, UserCommand(get_profile=GetProfile(user_id=user_id)))).json


async def _change(command: SetProfileField, users: CommandClient) -> bytes:
    """The rooms of the user are told by `satellites.profiles`, from the fact that this makes."""
    await users.user(command.user_id, UserCommand(set_profile_field=command))
    return EMPTY


def _check_may_change(user_id: str, key_name: str, caller: Caller, settings: Settings) -> None:
    if user_id != caller.user_id:
        raise Forbidden("You can change your own profile only")
    _check_key(key_name)
    # "Guest users may only modify their display name; other profile fields may not be changed."
    if caller.guest and key_name != "displayname":
        raise GuestAccessForbidden("Guests can change their display name only")
    if not settings.capabilities.may_change_profile_field(key_name):
        raise Forbidden("This field of profiles is managed by the server: see GET /capabilities")


def _check_key(key_name: str) -> None:
    if exceeds_bytes(key_name, KEY_BYTES_MAX):
        raise KeyTooLarge(f"The name of a profile field may have {KEY_BYTES_MAX} bytes")
    if not _KEY.fullmatch(key_name):
        raise InvalidParam("This is not the name of a profile field: custom ones look like org.example.field")


def _check_value(key_name: str, value: object) -> None:
    """Only what the specification gives a type."""
    if key_name not in (*MEMBER_FIELDS, "m.tz"):
        return
    # "Servers MAY reject `null` values."
    if not isinstance(value, str):
        raise BadJson(f"{key_name} must be a string")
    if key_name == "displayname" and len(value) > DISPLAYNAME_CHARACTERS_MAX:
        raise InvalidParam(f"A display name may have {DISPLAYNAME_CHARACTERS_MAX} characters")
    # NOTSPEC: "the value MUST be an MXC URI string"; older clients and tools give others, which harm nobody here.
    if key_name == "avatar_url" and len(value) > AVATAR_URL_CHARACTERS_MAX:
        raise InvalidParam(f"An avatar's URI may have {AVATAR_URL_CHARACTERS_MAX} characters")
