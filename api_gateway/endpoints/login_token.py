"""A token with which another device of the caller's can log in, once."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.password_stage import PasswordAuth
from matrix_protocol.errors import error_from
from service_kit.access_tokens import new_login_token
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.http.rate_limits import LOGIN
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import NewLoginToken, UserCommand


class GenerateLoginTokenRequest(Struct):
    auth: dict[str, Any] | None = None


@endpoint(
    "POST", "/_matrix/client/v1/login/get_token", operation="generateLoginToken", rate_limit=LOGIN, suspended=True
)
async def generate_login_token(
    body: GenerateLoginTokenRequest,
    caller: Caller,
    settings: Settings,
    users: CommandClient,
    password_auth: PasswordAuth,
) -> dict[str, object]:
    """ "For this endpoint, servers MUST always re-prompt the user for verification": so does every other one here."""
    if not settings.login.token:
        # "400: […] the user does not have an ability to generate tokens for their devices"
        raise error_from("M_FORBIDDEN", "This server gives out no login tokens", 400)
    await password_auth.demand("generateLoginToken", caller, body.auth)
    token = new_login_token(users.shards.of_user(caller.user_id))
    lifetime_ms = settings.login.token_lifetime_s * 1000
    command = NewLoginToken(user_id=caller.user_id, token_sha256=token.sha256, lifetime_ms=lifetime_ms)
    await users.user(caller.user_id, UserCommand(new_login_token=command))
    return {"login_token": token.text, "expires_in_ms": lifetime_ms}
