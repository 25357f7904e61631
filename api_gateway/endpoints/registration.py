"""Registering accounts.

In the order of the specification: what is wrong with the name is said before
authentication, and the name is taken after it; two who want it at the same time
may both authenticate, and one of them is told M_USER_IN_USE then.
"""

from __future__ import annotations

import hmac
from typing import Any

from msgspec import Struct

from api_gateway.user_commands import check_new_password, new_session, new_tokens, session_body, user_exists
from api_gateway.user_identifiers import new_user_id, random_user_id
from api_gateway.user_interactive_auth import (
    DUMMY,
    REGISTRATION_TOKEN,
    AuthData,
    Check,
    StageFailed,
    UserInteractiveAuth,
    nothing_to_prove,
)
from matrix_protocol.errors import (
    AppserviceLoginUnsupported,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    MissingParam,
    UserInUse,
)
from matrix_protocol.identifiers import server_name_of
from service_kit.config import RegistrationSettings, Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import REGISTRATION
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import RegisterUser, UserCommand

RANDOM_NAME_TRIES_MAX = 3
REGISTRATION_TOKEN_CHARACTERS_MAX = 64
APPLICATION_SERVICE = "m.login.application_service"


class RegisterRequest(Struct):
    auth: dict[str, Any] | None = None
    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    type: str | None = None


@endpoint("POST", "/_matrix/client/v3/register", operation="register", auth=Auth.NONE, rate_limit=REGISTRATION)
async def register(
    body: RegisterRequest,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    interactive_auth: UserInteractiveAuth,
) -> dict[str, object]:
    server_name = hosted.for_host(request.header(b"host"))
    kind = request.query_value("kind", "user")
    if kind == "guest":
        return await _register_guest(body, server_name, settings, users, request.client_ip)
    if kind != "user":
        raise InvalidParam("kind must be user or guest")
    if body.type == APPLICATION_SERVICE:
        raise AppserviceLoginUnsupported("This server does not support application services")
    _check_open(settings.registration)
    if body.username is not None:
        await _check_available(users, new_user_id(body.username, server_name))
    if body.password is not None:
        check_new_password(body.password, settings.passwords)
    await interactive_auth.demand(f"register {server_name}", body.auth, _stages(settings.registration))
    check_new_password(body.password, settings.passwords)
    return await _register(body, server_name, settings, users, guest=False, client_ip=request.client_ip)


@endpoint("GET", "/_matrix/client/v3/register/available", operation="checkUsernameAvailability", auth=Auth.NONE)
async def check_username_availability(
    request: Request, settings: Settings, hosted: HostedServers, users: CommandClient
) -> dict[str, object]:
    _check_open(settings.registration)
    username = request.query_value("username")
    if not username:
        raise MissingParam("Which username?")
    await _check_available(users, new_user_id(username, hosted.for_host(request.header(b"host"))))
    return {"available": True}


# In registration_tokens.yaml; "Servers should be sure to rate limit this endpoint to avoid brute force attacks."
@endpoint(
    "GET",
    "/_matrix/client/v1/register/m.login.registration_token/validity",
    operation="registrationTokenValidity",
    auth=Auth.NONE,
    rate_limit=REGISTRATION,
)
async def registration_token_validity(request: Request, settings: Settings) -> dict[str, object]:
    if settings.registration.mode != "token":
        raise Forbidden("This server does not take registration tokens")
    token = request.query_value("token")
    if not token:
        raise MissingParam("Which token?")
    return {"valid": _is_registration_token(settings.registration, token)}


def _check_open(settings: RegistrationSettings) -> None:
    if settings.mode == "closed":
        raise Forbidden("Registration is disabled on this server")


async def _check_available(users: CommandClient, user_id: str) -> None:
    if await user_exists(users, user_id):
        raise UserInUse("This user name is taken")


def _stages(settings: RegistrationSettings) -> dict[str, Check]:
    if settings.mode == "open":
        return {DUMMY: nothing_to_prove}

    async def check_token(auth: AuthData) -> None:
        if not _is_registration_token(settings, auth.get("token")):
            raise StageFailed("M_UNAUTHORIZED", "This registration token is not valid")

    return {REGISTRATION_TOKEN: check_token}


def _is_registration_token(settings: RegistrationSettings, token: object) -> bool:
    if not isinstance(token, str) or len(token) > REGISTRATION_TOKEN_CHARACTERS_MAX:
        return False
    given = token.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(given, known.get_secret_value().encode()) for known in settings.tokens]
    return any(matches)


async def _register_guest(
    body: RegisterRequest, server_name: str, settings: Settings, users: CommandClient, client_ip: str
) -> dict[str, object]:
    """ "All parameters in the request body with the exception of `initial_device_display_name` MUST BE ignored"."""
    if not settings.registration.guests:
        raise GuestAccessForbidden("This server has no guest accounts")
    kept = RegisterRequest(initial_device_display_name=body.initial_device_display_name)
    return await _register(kept, server_name, settings, users, guest=True, client_ip=client_ip)


async def _register(
    body: RegisterRequest, server_name: str, settings: Settings, users: CommandClient, *, guest: bool, client_ip: str
) -> dict[str, object]:
    if body.username is not None:
        return await _register_as(
            new_user_id(body.username, server_name), body, settings, users, guest=guest, client_ip=client_ip
        )
    for _ in range(RANDOM_NAME_TRIES_MAX - 1):
        try:
            return await _register_as(
                random_user_id(server_name), body, settings, users, guest=guest, client_ip=client_ip
            )
        except UserInUse:
            continue
    return await _register_as(random_user_id(server_name), body, settings, users, guest=guest, client_ip=client_ip)


async def _register_as(
    user_id: str, body: RegisterRequest, settings: Settings, users: CommandClient, *, guest: bool, client_ip: str
) -> dict[str, object]:
    command = RegisterUser(user_id=user_id, password=body.password or "", guest=guest)
    tokens = new_tokens(users.shards.of_user(user_id), settings.sessions, with_refresh_token=body.refresh_token)
    if not body.inhibit_login:
        command.session.CopyFrom(
            new_session(tokens, body.device_id, body.initial_device_display_name, client_ip=client_ip)
        )
    reply = await users.user(user_id, UserCommand(register_user=command))
    answer: dict[str, object] = {"user_id": user_id, "home_server": server_name_of(user_id)}
    return answer if body.inhibit_login else answer | session_body(reply.session, tokens)
