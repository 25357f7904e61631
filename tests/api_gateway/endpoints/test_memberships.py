"""Joining, inviting, leaving, forgetting, kicking, banning."""

from __future__ import annotations

import pytest

from service_kit.config import RegistrationSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server


async def membership(client: Client, room_id: str, user: Client) -> dict[str, object]:
    answer = await client.get(f"/rooms/{room_id}/state/m.room.member/{user.user_id}", expect=200)
    content: dict[str, object] = answer.json
    return content


@pytest.mark.parametrize("path", ["/rooms/{}/join", "/join/{}", "/join/{}?server_name=a&via=b&via=c"])
async def test_public_room_is_joined(alice: Client, bob: Client, room_id: str, path: str) -> None:
    answer = await bob.post(path.format(room_id), {"reason": "curious"}, expect=200)
    assert answer.json == {"room_id": room_id}
    assert await membership(alice, room_id, bob) == {"membership": "join", "reason": "curious"}


async def test_join_without_any_body_works(bob: Client, room_id: str) -> None:
    await bob.request("POST", f"/rooms/{room_id}/join", expect=200)


async def test_join_carries_the_name_of_the_profile(alice: Client, bob: Client, room_id: str) -> None:
    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"}, expect=200)
    await bob.join(room_id)
    assert (await membership(alice, room_id, bob))["displayname"] == "Bob"


@pytest.mark.parametrize(
    ("target", "status", "errcode"),
    [
        ("!unknown:example.org", 404, "M_NOT_FOUND"),
        ("%23alias:example.org", 404, "M_NOT_FOUND"),
        ("%23not-an-alias", 400, "M_INVALID_PARAM"),
        ("nonsense", 400, "M_INVALID_PARAM"),
    ],
)
async def test_what_is_not_there_cannot_be_joined(alice: Client, target: str, status: int, errcode: str) -> None:
    answer = await alice.post(f"/join/{target}")
    assert (answer.status, answer.errcode) == (status, errcode)


async def test_private_room_needs_an_invitation(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    refused = await bob.post(f"/rooms/{room_id}/join")
    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id, "reason": "come"}, expect=200)
    assert (await membership(alice, room_id, bob))["reason"] == "come"
    await bob.join(room_id)


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({}, 400, "M_BAD_JSON"),
        ({"user_id": "bob"}, 400, "M_INVALID_PARAM"),
        ({"user_id": 1}, 400, "M_BAD_JSON"),
        ({"user_id": "@bob:elsewhere.example"}, 403, "M_FORBIDDEN"),
        ({"medium": "email", "address": "a@b.example", "id_server": "x", "id_access_token": "y"}, 403, None),
    ],
)
async def test_impossible_invitation_is_refused(
    alice: Client, room_id: str, body: dict[str, object], status: int, errcode: str | None
) -> None:
    answer = await alice.post(f"/rooms/{room_id}/invite", body)
    assert answer.status == status
    assert errcode is None or answer.errcode == errcode


async def test_kicked_user_has_left_and_may_come_back(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    await alice.post(f"/rooms/{room_id}/kick", {"user_id": bob.user_id, "reason": "spam"}, expect=200)
    assert await membership(alice, room_id, bob) == {"membership": "leave", "reason": "spam"}
    await bob.join(room_id)


async def test_banned_user_cannot_rejoin_before_unban(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    await alice.post(f"/rooms/{room_id}/ban", {"user_id": bob.user_id}, expect=200)
    assert (await bob.post(f"/rooms/{room_id}/join")).status == 403
    await alice.post(f"/rooms/{room_id}/unban", {"user_id": bob.user_id}, expect=200)
    await bob.join(room_id)


@pytest.mark.parametrize("action", ["kick", "ban"])
async def test_ordinary_member_may_not(alice: Client, bob: Client, room_id: str, action: str) -> None:
    await bob.join(room_id)
    answer = await bob.post(f"/rooms/{room_id}/{action}", {"user_id": alice.user_id})
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("action", ["kick", "ban", "unban"])
@pytest.mark.parametrize(("body", "errcode"), [({}, "M_BAD_JSON"), ({"user_id": "bob"}, "M_INVALID_PARAM")])
async def test_target_must_be_a_user(
    alice: Client, room_id: str, action: str, body: dict[str, str], errcode: str
) -> None:
    answer = await alice.post(f"/rooms/{room_id}/{action}", body)
    assert (answer.status, answer.errcode) == (400, errcode)


async def test_left_room_can_be_forgotten_and_a_joined_one_not(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    assert (await bob.post(f"/rooms/{room_id}/forget")).status == 400
    await bob.post(f"/rooms/{room_id}/leave", {"reason": "bye"}, expect=200)
    assert (await membership(alice, room_id, bob))["reason"] == "bye"
    await bob.request("POST", f"/rooms/{room_id}/forget", expect=200)
    assert (await bob.get(f"/rooms/{room_id}/messages?dir=b")).status == 403


async def test_joined_rooms_are_those_that_one_is_in_now(server: InProcessServer, alice: Client) -> None:
    first, second = await alice.create_room(), await alice.create_room()
    assert sorted((await alice.get("/joined_rooms")).json["joined_rooms"]) == sorted([first, second])
    await alice.post(f"/rooms/{first}/leave", expect=200)
    assert (await alice.get("/joined_rooms")).json == {"joined_rooms": [second]}


async def test_guest_takes_part_where_guests_can_join() -> None:
    settings = lenient_settings(registration=RegistrationSettings(mode="open", guests=True))
    async with running_server(settings) as server:
        alice, guest = await server.register("alice"), server.anonymous()
        guest.logged_in_as((await guest.post("/register?kind=guest", expect=200)).json)
        room_id = await alice.create_room(preset="public_chat", power_level_content_override={"state_default": 0})
        refused = await guest.post(f"/rooms/{room_id}/join")
        assert (refused.status, refused.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")
        await alice.put(f"/rooms/{room_id}/state/m.room.guest_access", {"guest_access": "can_join"}, expect=200)
        await guest.join(room_id)
        await guest.put(f"/rooms/{room_id}/state/org.example.x", {}, expect=200)
