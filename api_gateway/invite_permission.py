"""Whether somebody lets themselves be invited: the account data `m.invite_permission_config`.

Spec: https://spec.matrix.org/v1.19/client-server-api/#invite-permission
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import orjson

from matrix_protocol.errors import InviteBlocked, NotFound
from matrix_protocol.identifiers import parse_user_id
from service_kit.hosted_servers import HostedServers
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import GetAccountData, UserCommand

INVITE_PERMISSION = "m.invite_permission_config"


async def check_may_be_invited(
    user_ids: Iterable[str], users: CommandClient, hosted_servers: HostedServers, *, timeout_s: float
) -> None:
    """Raises InviteBlocked if one of them blocks invites; users of other servers are asked by theirs."""
    ours = [user_id for user_id in user_ids if hosted_servers.is_ours(parse_user_id(user_id).server_name)]
    await asyncio.gather(*(_check(users, user_id, timeout_s) for user_id in ours))


async def _check(users: CommandClient, user_id: str, timeout_s: float) -> None:
    command = GetAccountData(user_id=user_id, type=INVITE_PERMISSION)
    try:
        reply = await users.user(user_id, UserCommand(get_account_data=command), timeout_s=timeout_s)
    except NotFound:
        return
    # "A missing, invalid or unsupported value means that the user wants to receive invites as normal."
    if orjson.loads(reply.json).get("default_action") == "block":
        raise InviteBlocked(f"{user_id} does not want to be invited")
