"""Changing the password: with the one of before, or with a link that was mailed to an address of the account."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.email_validation import RESET, EmailValidation, RequestTokenBody
from api_gateway.msisdn import RequestMsisdnTokenBody, no_phone_numbers
from api_gateway.password_reset import PasswordReset
from api_gateway.password_stage import PasswordAuth
from api_gateway.user_commands import check_new_password, send_until_done
from api_gateway.user_interactive_auth import (
    EMAIL,
    PASSWORD,
    Check,
    Demand,
    Passed,
    UserInteractiveAuth,
)
from matrix_protocol.errors import Forbidden, MissingToken, ThreepidDenied
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import EMAIL as EMAIL_LIMIT
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import SetPassword, UserCommand

EMPTY = b"{}"


class ChangePasswordRequest(Struct):
    new_password: str | None = None
    logout_devices: bool = True
    auth: dict[str, Any] | None = None


@endpoint(
    "POST",
    "/_matrix/client/v3/account/password",
    operation="changePassword",
    auth=Auth.OPTIONAL,
    suspended=True,
)
async def change_password(
    body: ChangePasswordRequest,
    caller: Caller | None,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    interactive_auth: UserInteractiveAuth,
    password_auth: PasswordAuth,
    reset: PasswordReset,
) -> bytes:
    _check_may_change(settings)
    if body.new_password is not None:
        check_new_password(body.new_password, settings.passwords)
    server_name = hosted.for_host(request.header(b"host"))
    checks: dict[str, Check] = {}
    if caller is not None:
        checks[PASSWORD] = password_auth.check_of(caller)
    if settings.email.enabled:
        checks[EMAIL] = lambda auth: reset.stage(auth, server_name, caller)
    if not checks:
        raise MissingToken("This server sends no mails: log in to change your password")
    demand = Demand.one_of(f"changePassword {caller.user_id if caller else server_name}", checks)
    passed = await interactive_auth.demand(demand, body.auth)
    command = SetPassword(
        user_id=_whose(passed, caller),
        password=check_new_password(body.new_password, settings.passwords),
        logout_devices=body.logout_devices,
        # "The homeserver SHOULD NOT revoke the access token provided in the request."
        keep_device_id=caller.device_id if caller else "",
    )
    await send_until_done(users, command.user_id, UserCommand(set_password=command))
    if EMAIL in passed:
        await reset.end(body.auth)
    return EMPTY


@endpoint(
    "POST",
    "/_matrix/client/v3/account/password/email/requestToken",
    operation="requestTokenToResetPasswordEmail",
    auth=Auth.NONE,
    rate_limit=EMAIL_LIMIT,
)
async def request_token_to_reset_password_email(
    body: RequestTokenBody, request: Request, settings: Settings, hosted: HostedServers, validation: EmailValidation
) -> dict[str, object]:
    if settings.email.enabled and not settings.capabilities.change_password:
        raise ThreepidDenied("Passwords cannot be changed here")
    return await validation.begin(RESET, body, hosted.for_host(request.header(b"host")))


@endpoint(
    "POST",
    "/_matrix/client/v3/account/password/msisdn/requestToken",
    operation="requestTokenToResetPasswordMSISDN",
    auth=Auth.NONE,
    rate_limit=EMAIL_LIMIT,
)
async def request_token_to_reset_password_msisdn(body: RequestMsisdnTokenBody) -> bytes:
    raise no_phone_numbers()


def _check_may_change(settings: Settings) -> None:
    if not settings.capabilities.change_password:
        raise Forbidden("Passwords cannot be changed here")


def _whose(passed: Passed, caller: Caller | None) -> str:
    detail = passed.get(EMAIL)
    if isinstance(detail, str):
        return detail
    assert caller is not None  # or there was no other stage
    return caller.user_id
