"""What the server tells its users: one room a user, tagged, whose invite cannot be refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from api_gateway.new_rooms import NewRooms
from api_gateway.server_notices import Notice, ServerNotices
from matrix_protocol.errors import Forbidden, NotFound, Unavailable
from service_kit.account_settings import ServerNoticeSettings
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.user_commands_pb2 import ClaimNoticeRoom, UserCommand
from tests.in_process import SHARDS, Client, InProcessServer, lenient_settings, running_server
from userserver.notice_rooms import CLAIM_MS

SETTINGS = ServerNoticeSettings(localpart="server", avatar_url="mxc://example.org/logo")
SENDER = "@server:example.org"
NOTICE = Notice("The server moves tonight", "org.example.maintenance", "mailto:admin@example.org")


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server(lenient_settings(server_notices=SETTINGS)) as running:
        yield running


@pytest.fixture
def notices(server: InProcessServer) -> ServerNotices:
    return another_sender(server)


def another_sender(server: InProcessServer, settings: ServerNoticeSettings = SETTINGS) -> ServerNotices:
    commands = CommandClient(server.hub.connect(), SHARDS, server.clock)
    return ServerNotices(commands, NewRooms(server.hosted_servers, server.clock, "12"), settings)


async def invites(client: Client) -> dict[str, list[dict[str, object]]]:
    rooms = (await client.get("/sync", expect=200)).json.get("rooms", {}).get("invite", {})
    return {room_id: room["invite_state"]["events"] for room_id, room in rooms.items()}


async def test_a_notice_comes_as_an_invite_to_a_tagged_room(
    server: InProcessServer, notices: ServerNotices, alice: Client
) -> None:
    event_id = await notices.send(alice.user_id, NOTICE, "1")
    ((room_id, stripped),) = (await invites(alice)).items()
    assert {
        event["type"]: event["content"].get("name") or event["content"].get("url")  # type: ignore[attr-defined]
        for event in stripped
        if event["type"] in ("m.room.name", "m.room.avatar")
    } == {"m.room.name": "Server Notices", "m.room.avatar": "mxc://example.org/logo"}
    tags = (await alice.get(f"/user/{quote(alice.user_id)}/rooms/{quote(room_id)}/tags", expect=200)).json["tags"]
    assert tags == {"m.server_notice": {}}
    await alice.join(room_id)
    event = (await alice.get(f"/rooms/{quote(room_id)}/event/{quote(event_id)}", expect=200)).json
    assert event["sender"] == SENDER
    assert event["content"] == {
        "msgtype": "m.server_notice",
        "body": "The server moves tonight",
        "server_notice_type": "org.example.maintenance",
        "admin_contact": "mailto:admin@example.org",
    }
    members = (await alice.get(f"/rooms/{quote(room_id)}/joined_members", expect=200)).json["joined"]
    assert members[SENDER]["display_name"] == "Server Notices"


async def test_the_invite_cannot_be_rejected_and_the_room_can_be_left(
    server: InProcessServer, notices: ServerNotices, alice: Client
) -> None:
    await notices.send(alice.user_id, NOTICE, "1")
    (room_id,) = await invites(alice)
    room = f"/rooms/{quote(room_id)}"
    refused = await alice.post(f"{room}/leave")
    assert (refused.status, refused.errcode) == (403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
    by_event = await alice.put(f"{room}/state/m.room.member/{quote(alice.user_id)}", {"membership": "leave"})
    assert by_event.errcode == "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
    await alice.join(room_id)
    await alice.post(f"{room}/leave", expect=200)
    # The next notice invites again, to the same room.
    await notices.send(alice.user_id, NOTICE, "2")
    assert list(await invites(alice)) == [room_id]


async def test_other_invites_can_be_rejected(server: InProcessServer, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(invite=[bob.user_id])
    await bob.post(f"/rooms/{quote(room_id)}/leave", expect=200)


async def test_there_is_one_room_whoever_sends_when(server: InProcessServer, alice: Client) -> None:
    senders = [another_sender(server) for _ in range(3)]
    event_ids = await asyncio.gather(
        *(sender.send(alice.user_id, NOTICE, str(number)) for number, sender in enumerate(senders)),
        return_exceptions=True,
    )
    # Who comes while another is still making the room may have to try again, as an operator does.
    again = [await sender.send(alice.user_id, NOTICE, str(number)) for number, sender in enumerate(senders)]
    assert all(isinstance(each, Exception) or each == known for each, known in zip(event_ids, again, strict=True))
    assert len(await invites(alice)) == 1
    assert len(set(again)) == 3


async def test_a_room_that_was_claimed_and_never_made_is_replaced(
    server: InProcessServer, notices: ServerNotices, alice: Client
) -> None:
    commands = CommandClient(server.hub.connect(), SHARDS, server.clock)
    claim = ClaimNoticeRoom(user_id=alice.user_id, room_id="!never:example.org")
    await commands.user(alice.user_id, UserCommand(claim_notice_room=claim))
    with pytest.raises(Unavailable):
        await notices.send(alice.user_id, NOTICE, "1")
    await server.clock.advance(CLAIM_MS / 1000 + 1)
    await notices.send(alice.user_id, NOTICE, "1")
    (room_id,) = await invites(alice)
    await notices.send(alice.user_id, NOTICE, "2")
    assert list(await invites(alice)) == [room_id]


async def test_a_pinned_notice_takes_the_place_of_the_last_one(
    server: InProcessServer, notices: ServerNotices, alice: Client
) -> None:
    await notices.send(alice.user_id, NOTICE, "1", pinned=True)
    second = await notices.send(alice.user_id, NOTICE, "2", pinned=True)
    (room_id,) = await invites(alice)
    await alice.join(room_id)
    pinned = (await alice.get(f"/rooms/{quote(room_id)}/state/m.room.pinned_events", expect=200)).json
    assert pinned == {"pinned": [second]}
    refused = await alice.put(f"/rooms/{quote(room_id)}/send/m.room.message/1", {"body": "no", "msgtype": "m.text"})
    assert refused.errcode == "M_FORBIDDEN"


async def test_the_account_is_nobody_elses(server: InProcessServer, notices: ServerNotices, alice: Client) -> None:
    assert (await alice.get("/register/available?username=server")).errcode == "M_USER_IN_USE"
    body = {"username": "server", "password": "correct horse battery", "auth": {"type": "m.login.dummy"}}
    assert (await server.anonymous().post("/register", body)).errcode == "M_USER_IN_USE"
    await notices.send(alice.user_id, NOTICE, "1")
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "server"}, "password": ""}
    assert (await server.anonymous().post("/login", login)).errcode == "M_FORBIDDEN"


async def test_nothing_is_sent_to_nobody_or_while_switched_off(server: InProcessServer, alice: Client) -> None:
    with pytest.raises(NotFound):
        await another_sender(server).send("@nobody:example.org", NOTICE, "1")
    with pytest.raises(Forbidden):
        await another_sender(server, ServerNoticeSettings()).send(alice.user_id, NOTICE, "1")
