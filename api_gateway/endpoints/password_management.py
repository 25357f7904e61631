"""Changing the password."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.password_stage import PasswordAuth
from api_gateway.user_commands import check_new_password, send_until_done
from matrix_protocol.errors import Forbidden
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import SetPassword, UserCommand

EMPTY = b"{}"


class ChangePasswordRequest(Struct):
    new_password: str | None = None
    logout_devices: bool = True
    auth: dict[str, Any] | None = None


# Without an access token one would have to prove an e-mail address; so far there are none, and a token is required.
@endpoint("POST", "/_matrix/client/v3/account/password", operation="changePassword", suspended=True)
async def change_password(
    body: ChangePasswordRequest, caller: Caller, settings: Settings, users: CommandClient, password_auth: PasswordAuth
) -> bytes:
    if not settings.capabilities.change_password:
        raise Forbidden("Passwords cannot be changed here")
    if body.new_password is not None:
        check_new_password(body.new_password, settings.passwords)
    await password_auth.demand("changePassword", caller, body.auth)
    command = SetPassword(
        user_id=caller.user_id,
        password=check_new_password(body.new_password, settings.passwords),
        logout_devices=body.logout_devices,
        # "The homeserver SHOULD NOT revoke the access token provided in the request."
        keep_device_id=caller.device_id,
    )
    await send_until_done(users, caller.user_id, UserCommand(set_password=command))
    return EMPTY
