"""A changed display name or avatar comes into every joined room, without holding up whoever changed it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import orjson
import pytest

from matrix_protocol.errors import Forbidden, MatrixError, Unavailable
from satellites.profiles.work import ProfileWork
from service_kit.ledger.consumers import PositionedFact
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.facts_pb2 import Fact, ProfileFact
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply
from tests.in_process import SHARDS, Client, InProcessServer, running_server


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server() as server:
        yield server


async def set_field(client: Client, field: str, value: str) -> None:
    await client.put(f"/profile/{quote(client.user_id)}/{field}", {field: value}, expect=200)


async def member_events(client: Client, room_id: str) -> list[dict[str, object]]:
    """Contents of the user's own member events, oldest first."""
    chunk = (await client.get(f"/rooms/{quote(room_id)}/messages?dir=f&limit=100", expect=200)).json["chunk"]
    return [event["content"] for event in chunk if event.get("state_key") == client.user_id]


async def test_every_joined_room_hears_of_it_and_no_other(server: InProcessServer) -> None:
    alice = await server.register("alice")
    joined = [await alice.create_room() for _ in range(5)]
    left = await alice.create_room()
    await alice.post(f"/rooms/{quote(left)}/leave", expect=200)
    await set_field(alice, "displayname", "Alice")
    await server.clock.advance(1)
    for room_id in joined:
        assert (await member_events(alice, room_id))[-1] == {"membership": "join", "displayname": "Alice"}
    assert (await member_events(alice, left))[-1]["membership"] == "leave"


async def test_only_what_members_show_makes_events_and_only_if_it_changed(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    await set_field(alice, "displayname", "Alice")
    await server.clock.advance(1)
    before = len(await member_events(alice, room_id))
    await set_field(alice, "displayname", "Alice")
    await set_field(alice, "m.tz", "Europe/Berlin")
    await server.clock.advance(1)
    assert len(await member_events(alice, room_id)) == before


async def test_of_several_changes_the_latest_wins(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    for number in range(5):
        await set_field(alice, "displayname", f"Alice {number}")
    await set_field(alice, "avatar_url", "mxc://x/y")
    await server.clock.advance(1)
    assert (await member_events(alice, room_id))[-1] == {
        "membership": "join",
        "displayname": "Alice 4",
        "avatar_url": "mxc://x/y",
    }


class _Rooms(CommandClient):
    """The real owners of users; rooms that refuse as told."""

    def refuse(self, errors: Sequence[MatrixError | None]) -> None:
        self.errors = list(errors)
        self.told: list[tuple[str, object]] = []

    async def room(self, room_id: str, command: RoomCommand, *, timeout_s: float = 30.0) -> RoomReply:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.told.append((room_id, orjson.loads(command.change_membership.content_json)))
        return RoomReply()


async def test_room_that_is_away_is_told_again_and_one_that_refuses_is_not(server: InProcessServer) -> None:
    alice = await server.register("alice")
    rooms = {await alice.create_room() for _ in range(3)}
    await set_field(alice, "displayname", "Alice")
    commands = _Rooms(server.hub.connect(), SHARDS, server.clock)
    shard = commands.shards.of_user(alice.user_id)
    work = ProfileWork(shard, server.store, server.asker, commands)
    changed = Fact(user_id=alice.user_id, profile=ProfileFact(shown_in_rooms_changed=True))
    commands.refuse([None, Unavailable("away"), None])
    with pytest.raises(Unavailable):
        await work.take([PositionedFact(1, changed)])
    commands.refuse([Forbidden("banned")])
    await work.take([PositionedFact(1, changed), PositionedFact(2, changed)])
    assert len(commands.told) == 2  # once for both changes
    assert {room_id for room_id, _ in commands.told} < rooms
    assert all(content == {"displayname": "Alice"} for _, content in commands.told)
