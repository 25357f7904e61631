"""Registering accounts with the operator's shared secret, whether registration is open or not.

NOTSPEC: not in the specification. Operators' scripts and test suites know this
endpoint, its path and its arithmetic from other servers:

    GET   -> {"nonce": N}
    POST  <- {"nonce": N, "username": U, "password": P, "admin": bool, "mac": hex HMAC-SHA1}

with the code over `N NUL U NUL P NUL ("admin" | "notadmin")`, keyed by the secret.
The nonce is self-certifying, so any gateway takes it; using one twice only
finds the name taken.
"""

from __future__ import annotations

import hmac

from msgspec import Struct

from api_gateway.user_commands import check_new_password, new_session, new_tokens, session_body
from api_gateway.user_identifiers import new_user_id
from api_gateway.user_interactive_auth import UserInteractiveAuth
from matrix_protocol.errors import Forbidden, Unrecognized
from matrix_protocol.identifiers import server_name_of
from service_kit.config import Settings
from service_kit.hosted_servers import HostedServers
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.rate_limits import REGISTRATION
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import RegisterUser, UserCommand

PATH = "/_synapse/admin/v1/register"
PURPOSE = "register by shared secret"
NONCE_LIFETIME_S = 60


class OperatorRegisterRequest(Struct):
    nonce: str
    username: str
    password: str
    mac: str
    admin: bool = False
    user_type: str | None = None
    displayname: str | None = None


@endpoint("GET", PATH, operation="getOperatorRegistrationNonce", auth=Auth.NONE, rate_limit=REGISTRATION)
async def get_nonce(settings: Settings, interactive_auth: UserInteractiveAuth) -> dict[str, object]:
    _secret(settings)
    return {"nonce": interactive_auth.new_session(PURPOSE)}


@endpoint("POST", PATH, operation="registerBySharedSecret", auth=Auth.NONE, rate_limit=REGISTRATION)
async def register_by_shared_secret(
    body: OperatorRegisterRequest,
    request: Request,
    settings: Settings,
    hosted: HostedServers,
    users: CommandClient,
    interactive_auth: UserInteractiveAuth,
) -> dict[str, object]:
    secret = _secret(settings)
    if not interactive_auth.is_valid(PURPOSE, body.nonce, lifetime_s=NONCE_LIFETIME_S):
        raise Forbidden("This nonce is unknown, or has expired; get another one")
    if not hmac.compare_digest(_code(secret, body), body.mac.lower().encode("utf-8", "surrogatepass")):
        raise Forbidden("The mac does not match: was it made with the server's registration.shared_secret?")
    check_new_password(body.password, settings.passwords)
    user_id = new_user_id(body.username, hosted.for_host(request.header(b"host")))
    tokens = new_tokens(users.shards.of_user(user_id), settings.sessions, with_refresh_token=False)
    command = RegisterUser(user_id=user_id, password=body.password, admin=body.admin)
    command.session.CopyFrom(new_session(tokens, None, None, client_ip=request.client_ip))
    reply = await users.user(user_id, UserCommand(register_user=command))
    return {"user_id": user_id, "home_server": server_name_of(user_id)} | session_body(reply.session, tokens)


def _secret(settings: Settings) -> bytes:
    secret = settings.registration.shared_secret.get_secret_value()
    if not secret:
        raise Unrecognized("This server has no registration.shared_secret")
    return secret.encode()


def _code(secret: bytes, body: OperatorRegisterRequest) -> bytes:
    parts = [body.nonce, body.username, body.password, "admin" if body.admin else "notadmin"]
    if body.user_type is not None:
        parts.append(body.user_type)
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(secret, text, "sha1").hexdigest().encode()
