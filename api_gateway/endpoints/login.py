"""Logging in with a password."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.endpoints.wellknown import client_discovery
from api_gateway.user_commands import PASSWORD_BYTES_MAX, new_session, new_tokens, session_body, user_exists
from api_gateway.user_identifiers import is_our_user, user_id_from
from matrix_protocol.errors import AppserviceLoginUnsupported, Forbidden, MissingParam, error_from
from matrix_protocol.identifiers import server_name_of
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import LOGIN, RateLimits
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import LoginWithPassword, UserCommand

PASSWORD = "m.login.password"
APPLICATION_SERVICE = "m.login.application_service"
WRONG = "Wrong user name or password"
"""For both, in the same words as the userserver: it must not tell whether the account exists."""


class LoginRequest(Struct):
    type: str
    identifier: dict[str, Any] | None = None
    user: str | None = None
    """deprecated, in place of `identifier`"""
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False


@endpoint("GET", "/_matrix/client/v3/login", operation="getLoginFlows", auth=Auth.NONE)
async def get_login_flows() -> dict[str, object]:
    return {"flows": [{"type": PASSWORD}]}


@endpoint("POST", "/_matrix/client/v3/login", operation="login", auth=Auth.NONE, rate_limit=LOGIN)
async def login(
    body: LoginRequest,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    rate_limits: RateLimits,
) -> dict[str, object]:
    _check_type(body.type)
    user_id = user_id_from(body.identifier, body.user, hosted.for_host(request.header(b"host")), WRONG)
    if body.password is None:
        raise MissingParam("password is missing")
    if not is_our_user(user_id, hosted) or len(body.password) > PASSWORD_BYTES_MAX:
        raise Forbidden(WRONG)
    user_id = await _known_spelling(users, user_id)
    rate_limits.check(LOGIN, user_id)
    tokens = new_tokens(users.shards.of_user(user_id), settings.sessions, with_refresh_token=body.refresh_token)
    session = new_session(tokens, body.device_id, body.initial_device_display_name, client_ip=request.client_ip)
    command = LoginWithPassword(user_id=user_id, password=body.password, session=session)
    reply = await users.user(user_id, UserCommand(login_with_password=command))
    server_name = server_name_of(user_id)
    answer = session_body(reply.session, tokens) | {"home_server": server_name}
    discovery = client_discovery(settings, server_name)
    return answer if discovery is None else answer | {"well_known": discovery}


def _check_type(login_type: str) -> None:
    if login_type == APPLICATION_SERVICE:
        raise AppserviceLoginUnsupported("This server does not support application services")
    if login_type != PASSWORD:
        # "For example, the login type may not be recognised": 400 M_UNKNOWN
        raise error_from("M_UNKNOWN", "This login type is not supported here: see GET /login", 400)


async def _known_spelling(users: CommandClient, user_id: str) -> str:
    """New accounts are in lower case, so capitals are a keyboard's doing, unless an old account is spelt so."""
    folded = user_id.lower()
    return user_id if user_id == folded or await user_exists(users, user_id) else folded
