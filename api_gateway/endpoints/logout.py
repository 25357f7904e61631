"""Logging out: the device goes, with its tokens."""

from __future__ import annotations

from api_gateway.user_commands import send_until_done
from service_kit.http.authentication import Authentication, Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import Logout, UserCommand

EMPTY = b"{}"


@endpoint("POST", "/_matrix/client/v3/logout", operation="logout", guests=True, locked=True, suspended=True)
async def logout(caller: Caller, users: CommandClient, authentication: Authentication) -> bytes:
    command = Logout(user_id=caller.user_id, device_id=caller.device_id)
    await send_until_done(users, caller.user_id, UserCommand(logout=command))
    authentication.forget(caller)
    return EMPTY


@endpoint("POST", "/_matrix/client/v3/logout/all", operation="logout_all", guests=True, locked=True, suspended=True)
async def logout_all(caller: Caller, users: CommandClient, authentication: Authentication) -> bytes:
    command = Logout(user_id=caller.user_id, all_devices=True)
    await send_until_done(users, caller.user_id, UserCommand(logout=command))
    authentication.forget_user(caller.user_id)
    return EMPTY
