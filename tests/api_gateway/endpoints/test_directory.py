"""Room aliases."""

from __future__ import annotations

import pytest

from api_gateway.new_rooms import NewRooms
from matrix_protocol.errors import Unavailable
from service_kit.config import HostedServerSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server

HASH = "%23"
ALIAS = HASH + "pub:example.org"


async def canonical_alias(client: Client, room_id: str) -> object:
    return (await client.get(f"/rooms/{room_id}/state/m.room.canonical_alias", expect=200)).json


async def test_an_alias_leads_to_its_room(server: InProcessServer, alice: Client, bob: Client, room_id: str) -> None:
    await alice.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    found = await server.anonymous().get(f"/directory/room/{ALIAS}", expect=200)
    assert found.json == {"room_id": room_id, "servers": ["example.org"]}
    assert (await bob.post(f"/join/{ALIAS}", expect=200)).json == {"room_id": room_id}
    assert (await bob.get(f"/rooms/{room_id}/aliases", expect=200)).json == {"aliases": ["#pub:example.org"]}


@pytest.mark.parametrize(
    ("alias", "status", "errcode"),
    [
        (HASH + "nowhere:example.org", 404, "M_NOT_FOUND"),
        ("pub", 400, "M_INVALID_PARAM"),
        (HASH + "pub", 400, "M_INVALID_PARAM"),
    ],
)
async def test_no_alias_no_room(alice: Client, room_id: str, alias: str, status: int, errcode: str) -> None:
    for answer in (
        await alice.get(f"/directory/room/{alias}"),
        await alice.request("DELETE", f"/directory/room/{alias}"),
    ):
        assert (answer.status, answer.errcode) == (status, errcode)
    if status == 400:
        answer = await alice.put(f"/directory/room/{alias}", {"room_id": room_id})
        assert (answer.status, answer.errcode) == (status, errcode)


async def test_a_taken_alias_is_refused(alice: Client, bob: Client, room_id: str) -> None:
    await alice.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    answer = await bob.put(f"/directory/room/{ALIAS}", {"room_id": await bob.create_room()})
    assert (answer.status, answer.errcode) == (409, "M_UNKNOWN")
    answer = await bob.post("/createRoom", {"room_alias_name": "pub"})
    assert (answer.status, answer.errcode) == (400, "M_ROOM_IN_USE")


async def test_only_members_give_a_room_aliases(bob: Client, room_id: str) -> None:
    answer = await bob.put(f"/directory/room/{ALIAS}", {"room_id": room_id})
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    answer = await bob.put(f"/directory/room/{ALIAS}", {"room_id": "!nowhere:example.org"})
    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_aliases_of_a_room_are_for_members_unless_the_world_may_read(
    alice: Client, bob: Client, room_id: str
) -> None:
    assert (await bob.get(f"/rooms/{room_id}/aliases")).errcode == "M_FORBIDDEN"
    await bob.join(room_id)
    await bob.post(f"/rooms/{room_id}/leave", expect=200)
    assert (await bob.get(f"/rooms/{room_id}/aliases")).errcode == "M_FORBIDDEN"
    visibility = {"history_visibility": "world_readable"}
    await alice.put(f"/rooms/{room_id}/state/m.room.history_visibility", visibility, expect=200)
    assert (await bob.get(f"/rooms/{room_id}/aliases", expect=200)).json == {"aliases": []}


async def test_a_new_room_has_its_alias(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(room_alias_name="pub", preset="public_chat")
    assert await canonical_alias(alice, room_id) == {"alias": "#pub:example.org"}
    assert (await bob.post(f"/join/{ALIAS}", expect=200)).json == {"room_id": room_id}


@pytest.mark.parametrize("name", ["", "a:b", "#pub:example.org", "a\x00"])
async def test_a_local_part_must_be_one(alice: Client, name: str) -> None:
    answer = await alice.post("/createRoom", {"room_alias_name": name})
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_a_room_that_is_not_made_gives_its_alias_back(alice: Client) -> None:
    wish = {"room_alias_name": "pub", "power_level_content_override": {"users": {"bob": 1}}}
    assert (await alice.post("/createRoom", wish)).errcode == "M_INVALID_ROOM_STATE"
    await alice.create_room(room_alias_name="pub")


async def test_a_room_that_may_have_been_made_keeps_its_alias(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(request_json: bytes) -> None:
        raise Unavailable("the answer was lost on its way")

    with monkeypatch.context() as patch:
        patch.setattr("roomserver.input.create_room.parse_request", lost)
        assert (await alice.post("/createRoom", {"room_alias_name": "pub"})).status == 503
    assert (await alice.get(f"/directory/room/{ALIAS}")).errcode == "M_NOT_FOUND"
    assert (await alice.post("/createRoom", {"room_alias_name": "pub"})).errcode == "M_ROOM_IN_USE"


async def test_rooms_made_by_gateways_in_the_same_millisecond_are_several(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_ms = iter([1000, 1000, 1001, 1000, 1001, 1002])
    monkeypatch.setattr(NewRooms, "_next_ms", lambda self: next(times_ms))
    room_ids = [await alice.create_room(room_alias_name=f"pub{number}") for number in range(3)]
    assert len(set(room_ids)) == 3
    for number, room_id in enumerate(room_ids):
        found = (await alice.get(f"/directory/room/{HASH}pub{number}:example.org", expect=200)).json
        assert found["room_id"] == room_id


async def test_who_may_delete_an_alias(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    await bob.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    await bob.request("DELETE", f"/directory/room/{ALIAS}", expect=200)  # its creator
    await bob.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    await alice.request("DELETE", f"/directory/room/{ALIAS}", expect=200)  # who may say what aliases the room has
    await alice.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    assert (await bob.request("DELETE", f"/directory/room/{ALIAS}")).errcode == "M_FORBIDDEN"
    assert (await alice.get(f"/directory/room/{ALIAS}")).status == 200


async def test_a_deleted_alias_is_no_longer_the_rooms_own(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(room_alias_name="pub", preset="public_chat")
    for name in ("one", "two"):
        await alice.put(f"/directory/room/{HASH}{name}:example.org", {"room_id": room_id}, expect=200)
    content = {"alias": "#pub:example.org", "alt_aliases": ["#one:example.org", "#two:example.org"], "x": 1}
    await alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", content, expect=200)
    await alice.request("DELETE", f"/directory/room/{HASH}one:example.org", expect=200)
    assert await canonical_alias(alice, room_id) == {**content, "alt_aliases": ["#two:example.org"]}
    await alice.request("DELETE", f"/directory/room/{ALIAS}", expect=200)
    assert await canonical_alias(alice, room_id) == {"alt_aliases": ["#two:example.org"], "x": 1}


async def test_who_may_not_change_the_rooms_aliases_may_still_delete_their_own(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    await bob.put(f"/directory/room/{ALIAS}", {"room_id": room_id}, expect=200)
    content = {"alias": "#pub:example.org"}
    await alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", content, expect=200)
    await bob.request("DELETE", f"/directory/room/{ALIAS}", expect=200)
    assert await canonical_alias(alice, room_id) == content
    assert (await alice.get(f"/directory/room/{ALIAS}")).status == 404


async def test_each_server_gives_out_its_own_aliases() -> None:
    settings = lenient_settings(
        further_servers=[HostedServerSettings(server_name="other.example", hosts=["other.example"])]
    )
    async with running_server(settings) as server:
        guest = await server.register("carol", server_name="other.example")
        room_id = await guest.create_room(room_alias_name="pub", preset="public_chat")
        assert await canonical_alias(guest, room_id) == {"alias": "#pub:other.example"}
        answer = await guest.put(f"/directory/room/{ALIAS}", {"room_id": room_id})
        assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")
        alice = await server.register("alice")
        assert (await alice.post(f"/join/{HASH}pub:other.example", expect=200)).json == {"room_id": room_id}
