"""Guests come and go as the room lets them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from matrix_protocol.errors import Unavailable
from service_kit.config import RegistrationSettings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply
from tests.in_process import PASSWORD, Client, InProcessServer, lenient_settings, running_server

OPEN, CLOSED = {"guest_access": "can_join"}, {"guest_access": "forbidden"}
GUEST_ACCESS = {"type": "m.room.guest_access", "content": OPEN}


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    settings = lenient_settings(registration=RegistrationSettings(mode="open", guests=True))
    async with running_server(settings) as running:
        yield running


async def new_guest(server: InProcessServer) -> Client:
    guest = server.anonymous()
    return guest.logged_in_as((await guest.post("/register?kind=guest", expect=200)).json)


async def close(alice: Client, room_id: str) -> None:
    await alice.put(f"/rooms/{room_id}/state/m.room.guest_access", CLOSED, expect=200)


async def joined(alice: Client, room_id: str) -> set[str]:
    return set((await alice.get(f"/rooms/{room_id}/joined_members", expect=200)).json["joined"])


async def test_guests_leave_when_the_room_closes_to_them(server: InProcessServer, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", initial_state=[GUEST_ACCESS])
    guests = [await new_guest(server) for _ in range(3)]
    for user in (bob, *guests):
        await user.join(room_id)
    await alice.post(f"/rooms/{room_id}/kick", {"user_id": guests[2].user_id}, expect=200)
    await close(alice, room_id)
    assert await joined(alice, room_id) == {alice.user_id, bob.user_id}
    member = (
        await alice.get(f"/rooms/{room_id}/state/m.room.member/{guests[0].user_id}?format=event", expect=200)
    ).json
    assert (member["content"], member["sender"]) == ({"membership": "leave"}, guests[0].user_id)
    left = (await guests[0].get("/sync?filter=" + '{"room":{"include_leave":true}}', expect=200)).json["rooms"]["leave"]
    assert list(left) == [room_id]
    assert (await guests[0].post(f"/rooms/{room_id}/join")).errcode == "M_GUEST_ACCESS_FORBIDDEN"


async def test_guests_leave_when_what_let_them_in_is_redacted(server: InProcessServer, alice: Client) -> None:
    for path in ("/rooms/{room}/redact/{event}/t", "/rooms/{room}/send/m.room.redaction/t"):
        room_id = await alice.create_room(preset="public_chat", initial_state=[GUEST_ACCESS])
        guest = await new_guest(server)
        await guest.join(room_id)
        state = (await alice.get(f"/rooms/{room_id}/state/m.room.guest_access?format=event", expect=200)).json
        body = {"redacts": state["event_id"]}
        await alice.put(path.format(room=room_id, event=state["event_id"]), body, expect=200)
        assert await joined(alice, room_id) == {alice.user_id}


async def test_a_guest_who_became_an_ordinary_user_stays(server: InProcessServer, alice: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", initial_state=[GUEST_ACCESS])
    guest = await new_guest(server)
    await guest.join(room_id)
    body = {
        "username": guest.user_id[1:].partition(":")[0],
        "password": PASSWORD,
        "guest_access_token": guest.access_token,
        "auth": {"type": "m.login.dummy"},
    }
    await server.anonymous().post("/register", body, expect=200)
    await close(alice, room_id)
    assert guest.user_id in await joined(alice, room_id)


async def test_repeating_the_request_removes_those_who_were_left(
    server: InProcessServer, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await alice.create_room(preset="public_chat", initial_state=[GUEST_ACCESS])
    guest = await new_guest(server)
    await guest.join(room_id)
    send = CommandClient.room

    async def room(self: CommandClient, key: str, command: RoomCommand, *, timeout_s: float = 30) -> RoomReply:
        if command.HasField("change_membership"):
            raise Unavailable("the gateway died")
        return await send(self, key, command, timeout_s=timeout_s)

    with monkeypatch.context() as patch:
        patch.setattr(CommandClient, "room", room)
        assert (await alice.put(f"/rooms/{room_id}/state/m.room.guest_access", CLOSED)).status == 503
    assert guest.user_id in await joined(alice, room_id)
    await close(alice, room_id)
    assert guest.user_id not in await joined(alice, room_id)


async def test_nobody_leaves_a_room_that_stays_open(server: InProcessServer, alice: Client) -> None:
    room_id = await alice.create_room(preset="public_chat", initial_state=[GUEST_ACCESS])
    guest = await new_guest(server)
    await guest.join(room_id)
    await alice.put(f"/rooms/{room_id}/state/m.room.guest_access", {**OPEN, "x": 1}, expect=200)
    assert guest.user_id in await joined(alice, room_id)
