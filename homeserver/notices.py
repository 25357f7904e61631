"""`plexus notices send`: what operators tell users, in a room that each of them has for it."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator

from api_gateway.new_rooms import NewRooms
from api_gateway.server_notices import Notice, ServerNotices
from homeserver.users import USERS_PER_PAGE, CannotDoThat, connected_commands, exit_status_of
from matrix_protocol.errors import MatrixError
from service_kit.clock import SystemClock
from service_kit.config import Settings
from service_kit.hosted_servers import load_hosted_servers
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import ListUsers, UserCommand
from service_kit.shards import USER

AT_ONCE = 16
BODY_BYTES_MAX = 32 * 1024


def run_notices(settings: Settings, options: argparse.Namespace) -> int:
    """Send to one user, or to all; the exit status."""

    async def run() -> None:
        async with connected_commands(settings) as (commands, server_name):
            hosted = load_hosted_servers(settings)
            new_rooms = NewRooms(hosted, SystemClock(), settings.rooms.default_version)
            notices = ServerNotices(commands, new_rooms, settings.server_notices)
            notice = Notice(_text(), options.type, options.admin_contact)
            txn_id = f"notice-{secrets.token_hex(16)}"
            if options.user is not None:
                user_id = options.user if options.user.startswith("@") else f"@{options.user}:{server_name}"
                print(f"{user_id}: {await notices.send(user_id, notice, txn_id, pinned=options.pin)}")
            else:
                await _send_to_all(notices, commands, notice, txn_id, settings, pinned=options.pin)

    return exit_status_of(run())


def _text() -> str:
    if sys.stdin.isatty():
        raise CannotDoThat("give the text on standard input: plexus notices send alice < notice.txt")
    text = sys.stdin.read().strip()
    if not text or len(text.encode()) > BODY_BYTES_MAX:
        raise CannotDoThat(f"the text is empty, or longer than {BODY_BYTES_MAX} bytes")
    return text


async def _send_to_all(
    notices: ServerNotices, commands: CommandClient, notice: Notice, txn_id: str, settings: Settings, *, pinned: bool
) -> None:
    permits = asyncio.Semaphore(AT_ONCE)
    failed: list[str] = []
    sent = 0

    async def send(user_id: str) -> None:
        nonlocal sent
        async with permits:
            try:
                await notices.send(user_id, notice, txn_id, pinned=pinned)
                sent += 1
            except MatrixError as error:
                failed.append(f"{user_id}: {error}")

    async with asyncio.TaskGroup() as group:
        async for user_id in _readers(commands, settings):
            await permits.acquire()
            permits.release()
            group.create_task(send(user_id))
    print(f"sent to {sent} users")
    if failed:
        raise CannotDoThat("not sent to:\n" + "\n".join(failed))


async def _readers(commands: CommandClient, settings: Settings) -> AsyncIterator[str]:
    """All accounts that somebody may read with."""
    for shard in commands.shards.all_of(USER):
        after = ""
        while True:
            listing = UserCommand(list_users=ListUsers(after_user_id=after, limit=USERS_PER_PAGE))
            users = (await commands.shard(shard, str(shard), listing)).users
            for user in users:
                is_sender = user.user_id == settings.server_notices.sender(user.user_id.partition(":")[2])
                if not user.deactivated and not user.guest and not is_sender:
                    yield user.user_id
            if len(users) < USERS_PER_PAGE:
                break
            after = users[-1].user_id
