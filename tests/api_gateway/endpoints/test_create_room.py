from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS
from tests.in_process import Client, InProcessServer


async def state_of(client: Client, room_id: str) -> dict[tuple[str, str], Any]:
    events = (await client.get(f"/rooms/{room_id}/state", expect=200)).json
    return {(event["type"], event["state_key"]): event["content"] for event in events}


@pytest.mark.parametrize(
    ("wish", "join_rule", "guest_access"),
    [
        ({}, "invite", "can_join"),
        ({"visibility": "public"}, "public", "forbidden"),
        ({"preset": "public_chat"}, "public", "forbidden"),
        ({"preset": "private_chat", "visibility": "public"}, "invite", "can_join"),
        ({"preset": "trusted_private_chat"}, "invite", "can_join"),
    ],
)
async def test_preset_decides_the_first_state(
    alice: Client, wish: dict[str, object], join_rule: str, guest_access: str
) -> None:
    state = await state_of(alice, await alice.create_room(**wish))
    assert state["m.room.join_rules", ""] == {"join_rule": join_rule}
    assert state["m.room.guest_access", ""] == {"guest_access": guest_access}
    assert state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
    assert state["m.room.member", alice.user_id]["membership"] == "join"


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_room_of_each_version_can_be_made(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    state = await state_of(alice, room_id)
    assert state["m.room.create", ""]["room_version"] == version
    assert (":" in room_id) is (version != "12")


async def test_default_version_is_that_of_the_settings(alice: Client) -> None:
    state = await state_of(alice, await alice.create_room())
    assert state["m.room.create", ""]["room_version"] == DEFAULT_ROOM_VERSION


async def test_unknown_version_is_refused(alice: Client) -> None:
    answer = await alice.post("/createRoom", {"room_version": "99"})
    assert (answer.status, answer.errcode) == (400, "M_UNSUPPORTED_ROOM_VERSION")


async def test_same_wish_twice_makes_two_rooms(alice: Client) -> None:
    assert await alice.create_room(name="x") != await alice.create_room(name="x")


async def test_name_topic_and_initial_state_are_there(alice: Client) -> None:
    room_id = await alice.create_room(
        name="Pub",
        topic="All about happy hour",
        initial_state=[
            {"type": "m.room.join_rules", "content": {"join_rule": "knock"}},
            {"type": "org.example.x", "state_key": "y", "content": {"z": 1}},
        ],
        creation_content={"m.federate": False, "creator": "@mallory:example.org", "room_version": "1"},
    )
    state = await state_of(alice, room_id)
    assert state["m.room.name", ""] == {"name": "Pub"}
    assert state["m.room.topic", ""]["topic"] == "All about happy hour"
    assert state["m.room.join_rules", ""] == {"join_rule": "knock"}
    assert state["org.example.x", "y"] == {"z": 1}
    assert state["m.room.create", ""] == {"room_version": DEFAULT_ROOM_VERSION, "m.federate": False}


async def test_invited_users_are_invited_and_creators_in_a_trusted_private_chat(
    server: InProcessServer, alice: Client
) -> None:
    bob = await server.register("bob")
    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"}, expect=200)
    room_id = await alice.create_room(preset="trusted_private_chat", invite=[bob.user_id], is_direct=True)
    state = await state_of(alice, room_id)
    assert state["m.room.member", bob.user_id] == {"membership": "invite", "is_direct": True, "displayname": "Bob"}
    assert state["m.room.create", ""]["additional_creators"] == [bob.user_id]


async def test_creator_joins_with_the_name_of_the_profile(alice: Client) -> None:
    await alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Alice M."}, expect=200)
    state = await state_of(alice, await alice.create_room())
    assert state["m.room.member", alice.user_id]["displayname"] == "Alice M."


@pytest.mark.parametrize(
    ("wish", "errcode"),
    [
        ({"preset": "x"}, "M_BAD_JSON"),
        ({"invite": "@bob:example.org"}, "M_BAD_JSON"),
        ({"invite": ["bob"]}, "M_INVALID_PARAM"),
        ({"initial_state": [{"type": "x"}]}, "M_BAD_JSON"),
        ({"creation_content": []}, "M_BAD_JSON"),
        ({"room_version": 12}, "M_BAD_JSON"),
        ({"creation_content": {"x": 2**60}}, "M_BAD_JSON"),
        ({"creation_content": {"additional_creators": "x"}}, None),
        ({"power_level_content_override": {"users": {"x": "y"}}}, None),
    ],
)
async def test_impossible_wish_is_refused(alice: Client, wish: dict[str, object], errcode: str | None) -> None:
    answer = await alice.post("/createRoom", wish)
    assert answer.status == 400
    assert errcode is None or answer.errcode == errcode


async def test_third_party_invitations_are_refused(alice: Client) -> None:
    invitation = {"id_server": "x.example", "id_access_token": "t", "medium": "email", "address": "a@b.example"}
    answer = await alice.post("/createRoom", {"invite_3pid": [invitation]})
    assert (answer.status, answer.errcode) == (403, "M_THREEPID_DENIED")


async def test_null_means_not_given(alice: Client) -> None:
    await alice.post("/createRoom", body=b'{"name":null,"invite":null,"preset":null,"is_direct":null}', expect=200)


async def test_too_many_invitations_are_refused_before_anybody_is_looked_up(alice: Client) -> None:
    answer = await alice.post("/createRoom", {"invite": [f"@user{number}:example.org" for number in range(301)]})
    assert (answer.status, answer.errcode) == (413, "M_TOO_LARGE")
