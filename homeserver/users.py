"""`plexus user`: accounts, by commands to the userserver of a running server."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homeserver.data_directory import DataDirectory
from homeserver.kit import connect_bus, open_store
from matrix_protocol.errors import MatrixError
from matrix_protocol.identifiers import is_valid_new_localpart, parse_user_id
from service_kit.bus.interface import BusError
from service_kit.clock import SystemClock
from service_kit.config import Settings
from service_kit.ledger.tables import read_or_create_shard_map
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import DeactivateUser, ListUsers, RegisterUser, SetPassword, UserCommand
from service_kit.shards import USER, ShardMap
from service_kit.store.interface import StoreError

USERS_PER_PAGE = 500


class CannotDoThat(Exception):
    """Told to the operator as it is."""


class Accounts:
    """The commands, once there is a connection."""

    def __init__(self, commands: CommandClient, server_name: str) -> None:
        self._commands = commands
        self._server_name = server_name

    def user_id(self, user: str) -> str:
        return user if user.startswith("@") else f"@{user}:{self._server_name}"

    async def add(self, options: argparse.Namespace) -> None:
        user_id = self.user_id(options.user)
        if not is_valid_new_localpart(parse_user_id(user_id).localpart):
            raise CannotDoThat(f"{user_id}: use lower case letters, digits and any of . _ = - / + for the name")
        password = read_password(options.password_file)
        command = RegisterUser(user_id=user_id, password=password, admin=options.admin)
        await self._commands.user(user_id, UserCommand(register_user=command))
        print(f"{user_id} is there now{', an administrator' if options.admin else ''}")

    async def set_password(self, options: argparse.Namespace) -> None:
        user_id = self.user_id(options.user)
        password = read_password(options.password_file)
        command = SetPassword(user_id=user_id, password=password, logout_devices=not options.keep_devices)
        await self._until_done(user_id, UserCommand(set_password=command))
        print(f"{user_id} has a new password{'' if options.keep_devices else ', and is logged out everywhere'}")

    async def deactivate(self, options: argparse.Namespace) -> None:
        user_id = self.user_id(options.user)
        await self._until_done(user_id, UserCommand(deactivate_user=DeactivateUser(user_id=user_id)))
        print(f"{user_id} is deactivated")

    async def _until_done(self, user_id: str, command: UserCommand) -> None:
        """Commands that remove many records remove some hundreds at a time."""
        while (await self._commands.user(user_id, command)).more:
            pass

    async def list(self, options: argparse.Namespace) -> None:
        for shard in self._commands.shards.all_of(USER):
            after = ""
            while True:
                command = UserCommand(list_users=ListUsers(after_user_id=after, limit=USERS_PER_PAGE))
                users = (await self._commands.shard(shard, str(shard), command)).users
                for user in users:
                    made = datetime.fromtimestamp(user.created_at_ms / 1000, UTC)
                    row = {"user_id": user.user_id, "admin": user.admin, "deactivated": user.deactivated}
                    if options.json:
                        print(json.dumps({**row, "created_at": made.isoformat(timespec="seconds")}))
                    else:
                        marks = [name for name in ("admin", "deactivated") if row[name]]
                        print(f"{user.user_id:<40} {made:%Y-%m-%d}  {' '.join(marks)}".rstrip())
                if len(users) < USERS_PER_PAGE:
                    break
                after = users[-1].user_id


def run_user_action(settings: Settings, options: argparse.Namespace) -> int:
    """Do what the command line says; the exit status."""

    async def run() -> None:
        async with connected_accounts(settings) as accounts:
            action: Callable[[argparse.Namespace], Awaitable[None]] = getattr(accounts, options.action)
            await action(options)

    return exit_status_of(run())


def exit_status_of(doing: Coroutine[Any, Any, None]) -> int:
    """Run what an operator asked for; what went wrong is told as it is."""
    try:
        asyncio.run(doing)
    except MatrixError as error:
        print(f"plexus: {error.errcode}: {error.message}", file=sys.stderr)
        return 1
    except (CannotDoThat, StoreError, BusError) as error:
        print(f"plexus: {error}", file=sys.stderr)
        return 1
    return 0


@asynccontextmanager
async def connected_accounts(settings: Settings) -> AsyncIterator[Accounts]:
    async with connected_commands(settings) as (commands, server_name):
        yield Accounts(commands, server_name)


@asynccontextmanager
async def connected_commands(settings: Settings) -> AsyncIterator[tuple[CommandClient, str]]:
    """To the owners of shards, over the bus of the server that runs on this data directory, or of the configuration;
    with the server's name.
    """
    server = DataDirectory(settings.data_dir).running_server()
    servers = settings.nats.servers or (server.bus_servers if server else [])
    if not servers:
        raise CannotDoThat(f"no server runs on {settings.data_dir}: start it (plexus up), or name another --data-dir")
    bus = await connect_bus(settings, servers, "plexus command")
    try:
        store = await open_store(settings)
        try:
            wanted = ShardMap(settings.cluster.room_shards, settings.cluster.user_shards)
            shards = await read_or_create_shard_map(store, wanted)
        finally:
            await store.close()
        server_name = server.server_name if server else settings.server_name
        yield CommandClient(bus, shards, SystemClock()), server_name
    finally:
        await bus.close()


def read_password(file: Path | None) -> str:
    """From the file, standard input or the terminal: never from the command line, which others can read."""
    if file is None:
        if not sys.stdin.isatty():
            raise CannotDoThat("no terminal to ask on: give --password-file FILE, or - for standard input")
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise CannotDoThat("these were two different passwords")
    else:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise CannotDoThat("the password is empty")
    return password
