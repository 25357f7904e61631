"""The directory of published rooms."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from service_kit.config import HostedServerSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server


async def names(client: Client, **wish: object) -> list[str]:
    chunk = (await client.post("/publicRooms", wish, expect=200)).json["chunk"]
    return [room["name"] for room in chunk]


async def test_published_rooms_are_shown_to_everybody(server: InProcessServer, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(visibility="public", name="Cheese", room_alias_name="cheese", topic="Brie")
    await alice.create_room(preset="public_chat", name="not in the directory")
    await bob.join(room_id)
    answer = await server.anonymous().get("/publicRooms", expect=200)
    assert answer.json == {
        "chunk": [
            {
                "room_id": room_id,
                "name": "Cheese",
                "topic": "Brie",
                "canonical_alias": "#cheese:example.org",
                "num_joined_members": 2,
                "join_rule": "public",
                "guest_can_join": False,
                "world_readable": False,
            }
        ],
        "total_room_count_estimate": 1,
    }


async def test_visibility_is_set_by_those_who_may(server: InProcessServer, alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    path = f"/directory/list/room/{room_id}"
    assert (await server.anonymous().get(path, expect=200)).json == {"visibility": "private"}
    assert (await bob.put(path, {"visibility": "public"})).errcode == "M_FORBIDDEN"
    await alice.put(path, {}, expect=200)
    assert (await bob.get(path, expect=200)).json == {"visibility": "public"}
    await alice.put(path, {"visibility": "private"}, expect=200)
    assert (await bob.get(path, expect=200)).json == {"visibility": "private"}
    assert (await bob.get("/directory/list/room/!nowhere:example.org")).errcode == "M_NOT_FOUND"
    assert (await bob.put("/directory/list/room/!nowhere:example.org")).errcode == "M_NOT_FOUND"
    assert (await alice.put(path, {"visibility": "secret"})).errcode == "M_BAD_JSON"


async def test_pages_lead_there_and_back(alice: Client) -> None:
    rooms = [await alice.create_room(visibility="public", name=str(number)) for number in range(7)]
    order = [str(rooms.index(room_id)) for room_id in sorted(rooms)]  # all of them have one member
    first = (await alice.post("/publicRooms", {"limit": 3}, expect=200)).json
    assert "prev_batch" not in first
    second = (await alice.post("/publicRooms", {"limit": 3, "since": first["next_batch"]}, expect=200)).json
    third = (await alice.get(f"/publicRooms?limit=3&since={second['next_batch']}", expect=200)).json
    assert "next_batch" not in third
    assert [room["name"] for page in (first, second, third) for room in page["chunk"]] == order
    back = (await alice.post("/publicRooms", {"limit": 3, "since": third["prev_batch"]}, expect=200)).json
    assert back["chunk"] == second["chunk"]
    start = (await alice.post("/publicRooms", {"limit": 3, "since": back["prev_batch"]}, expect=200)).json
    assert start["chunk"] == first["chunk"]
    assert "prev_batch" not in start
    again = (await alice.post("/publicRooms", {"limit": 3, "since": start["next_batch"]}, expect=200)).json
    assert again["chunk"] == second["chunk"]


async def test_filters(alice: Client) -> None:
    await alice.create_room(visibility="public", name="Cheese")
    await alice.create_room(visibility="public", name="Dairy", creation_content={"type": "m.space"})
    await alice.create_room(visibility="public", name="Wine", topic="goes with CHEESE")
    assert sorted(await names(alice, filter={"generic_search_term": "cheese"})) == ["Cheese", "Wine"]
    assert await names(alice, filter={"room_types": ["m.space"]}) == ["Dairy"]
    assert sorted(await names(alice, filter={"room_types": [None]})) == ["Cheese", "Wine"]
    assert await names(alice, filter={"generic_search_term": "wine", "room_types": ["m.space"]}) == []
    assert len(await names(alice, filter={"room_types": [None, "m.space"], "generic_search_term": ""})) == 3
    assert await names(alice, third_party_instance_id="irc") == []


@pytest.mark.parametrize(
    "wish",
    [
        {"limit": 0},
        {"limit": -5},
        {"since": "x"},
        {"since": "x" * 10_000},
        {"since": urlsafe_b64encode(b'[true,-1,"!x"]').decode()},
        {"filter": {"generic_search_term": "x" * 300}},
        {"include_all_networks": True, "third_party_instance_id": "irc"},
    ],
)
async def test_impossible_wishes_are_refused(alice: Client, wish: dict[str, object]) -> None:
    answer = await alice.post("/publicRooms", wish)
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_each_server_shows_its_own_rooms() -> None:
    settings = lenient_settings(
        further_servers=[HostedServerSettings(server_name="other.example", hosts=["other.example"])]
    )
    async with running_server(settings) as server:
        alice, carol = await server.register("alice"), await server.register("carol", server_name="other.example")
        await alice.create_room(visibility="public", name="ours")
        await carol.create_room(visibility="public", name="theirs")
        assert (await names(alice), await names(carol)) == (["ours"], ["theirs"])
        for path in ("/publicRooms?server=other.example", "/publicRooms"):
            asked = await (carol if path == "/publicRooms" else alice).get(path, expect=200)
            assert [room["name"] for room in asked.json["chunk"]] == ["theirs"]
        assert (await alice.get("/publicRooms?server=elsewhere.example")).errcode == "M_NOT_FOUND"
