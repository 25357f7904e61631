"""Refreshing access tokens. Which tokens stay valid how long: see `userserver.sessions`."""

from __future__ import annotations

from msgspec import Struct

from api_gateway.user_commands import new_tokens, session_body
from matrix_protocol.errors import UnknownToken
from service_kit.access_tokens import shard_of_refresh_token, token_sha256
from service_kit.config import Settings
from service_kit.http.endpoint import Auth, endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import RefreshToken, Session, UserCommand


class RefreshRequest(Struct):
    refresh_token: str


# "This endpoint does not require authentication via an access token."
@endpoint("POST", "/_matrix/client/v3/refresh", operation="refresh", auth=Auth.NONE)
async def refresh(body: RefreshRequest, settings: Settings, users: CommandClient) -> dict[str, object]:
    shard = shard_of_refresh_token(body.refresh_token, users.shards)
    if shard is None:
        raise UnknownToken("This is not a refresh token of this server", soft_logout=False)
    tokens = new_tokens(shard, settings.sessions, with_refresh_token=True)
    assert tokens.refresh is not None
    command = RefreshToken(
        refresh_token_sha256=token_sha256(body.refresh_token),
        new_access_token_sha256=tokens.access.sha256,
        new_refresh_token_sha256=tokens.refresh.sha256,
        access_token_lifetime_ms=tokens.lifetime_ms,
    )
    await users.shard(shard, command.refresh_token_sha256.hex(), UserCommand(refresh_token=command))
    return session_body(Session(), tokens)
