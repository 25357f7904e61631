"""An administrator, made as the operator makes one."""

from __future__ import annotations

from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import RegisterUser, UserCommand
from tests.in_process import PASSWORD, SHARDS, Client, InProcessServer


async def new_admin(server: InProcessServer, localpart: str = "root") -> Client:
    user_id = f"@{localpart}:{server.settings.server_name}"
    command = RegisterUser(user_id=user_id, password=PASSWORD, admin=True)
    users = CommandClient(server.hub.connect(), SHARDS, server.clock)
    await users.user(user_id, UserCommand(register_user=command))
    return await server.log_in(localpart)
