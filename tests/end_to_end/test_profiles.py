"""A profile that was changed is in every room, although the server was killed right after it had said so."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.server import PlexusServer

pytestmark = pytest.mark.slow
ROOMS = 30
THERE_WITHIN_S = 20.0


async def names_in(client: Client, room_ids: list[str]) -> set[str | None]:
    path = f"/state/m.room.member/{quote(client.user_id)}"
    return {(await client.request("GET", f"/rooms/{quote(room)}{path}")).get("displayname") for room in room_ids}


async def test_killed_server_brings_a_changed_name_into_all_rooms_when_it_is_back(new_server: PlexusServer) -> None:
    new_server.start()
    async with Client(new_server.base_url) as alice:
        await alice.register("alice")
        room_ids = [await alice.create_room() for _ in range(ROOMS)]
        body = {"displayname": "Alice"}
        await alice.request("PUT", f"/profile/{quote(alice.user_id)}/displayname", body)
        new_server.kill()
        new_server.start()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + THERE_WITHIN_S
        while await names_in(alice, room_ids) != {"Alice"}:
            assert loop.time() < end_s
            await asyncio.sleep(0.1)
