"""Logging in: with a password, or with a token that another device of the same user got."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import Struct

from api_gateway.endpoints.wellknown import client_discovery
from api_gateway.login_identifiers import LoginIdentifiers, identifier_of
from api_gateway.user_commands import PASSWORD_BYTES_MAX, Tokens, new_session, new_tokens, session_body, user_exists
from api_gateway.user_identifiers import is_our_user
from matrix_protocol.errors import AppserviceLoginUnsupported, Forbidden, MissingParam, error_from
from matrix_protocol.identifiers import server_name_of
from service_kit.access_tokens import shard_of_login_token, token_sha256
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import LOGIN, RateLimits
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import LoginWithPassword, LoginWithToken, Session, UserCommand
from service_kit.shards import Shard

PASSWORD = "m.login.password"
TOKEN = "m.login.token"
APPLICATION_SERVICE = "m.login.application_service"
WRONG = "Wrong user name or password"
"""For both, in the same words as the userserver: it must not tell whether the account exists."""


class LoginRequest(Struct):
    type: str
    identifier: dict[str, Any] | None = None
    user: str | None = None
    """deprecated, in place of `identifier`"""
    medium: str | None = None
    """deprecated, in place of `identifier`, with `address`"""
    address: str | None = None
    password: str | None = None
    token: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False


class LoginCall(NamedTuple):
    """A login request with what is needed to carry it out."""

    body: LoginRequest
    request: Request
    settings: Settings
    hosted: HostedServers
    users: CommandClient
    rate_limits: RateLimits
    identifiers: LoginIdentifiers

    def tokens_at(self, shard: Shard) -> Tokens:
        return new_tokens(shard, self.settings.sessions, with_refresh_token=self.body.refresh_token)


@endpoint("GET", "/_matrix/client/v3/login", operation="getLoginFlows", auth=Auth.NONE)
async def get_login_flows(settings: Settings) -> dict[str, object]:
    flows: list[dict[str, object]] = []
    if settings.login.password:
        flows.append({"type": PASSWORD})
    if settings.login.token:
        flows.append({"type": TOKEN, "get_login_token": True})
    return {"flows": flows}


@endpoint("POST", "/_matrix/client/v3/login", operation="login", auth=Auth.NONE, rate_limit=LOGIN)
async def login(
    body: LoginRequest,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    rate_limits: RateLimits,
    identifiers: LoginIdentifiers,
) -> dict[str, object]:
    call = LoginCall(body, request, settings, hosted, users, rate_limits, identifiers)
    session, tokens = await _way(body.type, settings)(call)
    server_name = server_name_of(session.user_id)
    answer = session_body(session, tokens) | {"home_server": server_name}
    discovery = client_discovery(settings, server_name)
    return answer if discovery is None else answer | {"well_known": discovery}


def _way(login_type: str, settings: Settings) -> Callable[[LoginCall], Awaitable[tuple[Session, Tokens]]]:
    if login_type == APPLICATION_SERVICE:
        raise AppserviceLoginUnsupported("This server does not support application services")
    if login_type == PASSWORD and settings.login.password:
        return _with_password
    if login_type == TOKEN and settings.login.token:
        return _with_token
    # "For example, the login type may not be recognised": 400 M_UNKNOWN
    raise error_from("M_UNKNOWN", "This login type is not supported here: see GET /login", 400)


async def _with_password(call: LoginCall) -> tuple[Session, Tokens]:
    body, users = call.body, call.users
    server_name = call.hosted.for_host(call.request.header(b"host"))
    identifier = identifier_of(body.identifier, body.medium, body.address)
    user_id = await call.identifiers.user_id(identifier, body.user, server_name, WRONG)
    if body.password is None:
        raise MissingParam("password is missing")
    if not is_our_user(user_id, call.hosted) or len(body.password) > PASSWORD_BYTES_MAX:
        raise Forbidden(WRONG)
    user_id = await _known_spelling(users, user_id)
    call.rate_limits.check(LOGIN, user_id)
    tokens = call.tokens_at(users.shards.of_user(user_id))
    session = new_session(tokens, body.device_id, body.initial_device_display_name, client_ip=call.request.client_ip)
    command = LoginWithPassword(user_id=user_id, password=body.password, session=session)
    with call.rate_limits.login_attempt(user_id, call.request.client_ip):
        return (await users.user(user_id, UserCommand(login_with_password=command))).session, tokens


async def _with_token(call: LoginCall) -> tuple[Session, Tokens]:
    """ "In the case that the token is not valid, the homeserver must respond with `403 Forbidden` and an error code of
    `M_FORBIDDEN`."
    """
    body = call.body
    if body.token is None:
        raise MissingParam("token is missing")
    shard = shard_of_login_token(body.token, call.users.shards)
    if shard is None:
        raise Forbidden("This is not a login token of this server")
    tokens = call.tokens_at(shard)
    session = new_session(tokens, body.device_id, body.initial_device_display_name, client_ip=call.request.client_ip)
    command = LoginWithToken(token_sha256=token_sha256(body.token), session=session)
    reply = await call.users.shard(shard, command.token_sha256.hex(), UserCommand(login_with_token=command))
    return reply.session, tokens


async def _known_spelling(users: CommandClient, user_id: str) -> str:
    """New accounts are in lower case, so capitals are a keyboard's doing, unless an old account is spelt so."""
    folded = user_id.lower()
    return user_id if user_id == folded or await user_exists(users, user_id) else folded
