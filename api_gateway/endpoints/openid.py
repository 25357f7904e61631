"""OpenID: a token for another service, and what that service exchanges it for.

Spec: https://spec.matrix.org/v1.19/client-server-api/#openid
"""

from __future__ import annotations

from typing import Any

from api_gateway.openid_tokens import OpenIdTokens
from matrix_protocol.errors import Forbidden, MissingToken, NotFound, UnknownToken
from matrix_protocol.identifiers import server_name_of
from service_kit.config import Settings
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import Auth, endpoint
from service_kit.http.request import Request
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetAccount, UserCommand


@endpoint("POST", "/_matrix/client/v3/user/{userId}/openid/request_token", operation="requestOpenIdToken")
async def request_openid_token(
    user_id: str, body: dict[str, Any], caller: Caller, settings: Settings, tokens: OpenIdTokens
) -> dict[str, object]:
    if user_id != caller.user_id:
        raise Forbidden("You can ask for a token of your own only")
    lifetime_s = settings.openid.token_lifetime_s
    return {
        "access_token": tokens.new(user_id, lifetime_s),
        "token_type": "Bearer",
        "matrix_server_name": server_name_of(user_id),
        "expires_in": lifetime_s,
    }


# Of the server-server API, but asked by services that are no servers: with the token alone, no signature.
@endpoint("GET", "/_matrix/federation/v1/openid/userinfo", operation="exchangeOpenIdToken", auth=Auth.NONE)
async def exchange_openid_token(request: Request, tokens: OpenIdTokens, users: CommandClient) -> dict[str, object]:
    token = request.query_value("access_token")
    if not token:
        raise MissingToken("Which token? It is the query parameter access_token")
    user_id = tokens.user_of(token)
    if user_id is None or not await _is_in_use(user_id, users):
        raise UnknownToken("This OpenID token is unknown, or has expired")
    return {"sub": user_id}


async def _is_in_use(user_id: str, users: CommandClient) -> bool:
    try:
        account = (await users.user(user_id, UserCommand(get_account=GetAccount(user_id=user_id)))).account
    except NotFound:
        return False
    return not account.deactivated and not account.locked
