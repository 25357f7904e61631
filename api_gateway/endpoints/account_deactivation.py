"""Deactivating one's account for good."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from api_gateway.password_stage import PasswordAuth
from api_gateway.third_party_ids import ThirdPartyIds
from api_gateway.user_commands import send_until_done
from service_kit.http.authentication import Caller
from service_kit.http.endpoint import endpoint
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import DeactivateUser, UserCommand


class DeactivateRequest(Struct):
    auth: dict[str, Any] | None = None
    erase: bool = False


@endpoint(
    "POST", "/_matrix/client/v3/account/deactivate", operation="deactivateAccount", deadline_s=300.0, suspended=True
)
async def deactivate_account(
    body: DeactivateRequest,
    caller: Caller,
    users: CommandClient,
    password_auth: PasswordAuth,
    third_party_ids: ThirdPartyIds,
) -> dict[str, object]:
    await password_auth.demand("deactivateAccount", caller, body.auth)
    claims = await third_party_ids.claims_of(caller.user_id)
    command = DeactivateUser(user_id=caller.user_id, erase=body.erase)
    await send_until_done(users, caller.user_id, UserCommand(deactivate_user=command))
    await third_party_ids.release_all(claims)
    # "This must be `success` if the homeserver has no identifiers to unbind for the user."
    return {"id_server_unbind_result": "success"}
