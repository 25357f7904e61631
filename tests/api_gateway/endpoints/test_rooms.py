from __future__ import annotations

import pytest

from tests.in_process import Client, InProcessServer


async def test_event_is_shown_with_age_and_transaction_id_to_its_device_alone(
    server: InProcessServer, alice: Client, bob: Client, room_id: str
) -> None:
    await bob.join(room_id)
    event_id = await alice.send(room_id, "x", txn_id='a"b')
    await server.clock.advance(1.5)
    mine = (await alice.get(f"/rooms/{room_id}/event/{event_id}", expect=200)).json
    assert mine["unsigned"] == {"age": 1500, "membership": "join", "transaction_id": 'a"b'}
    shown = (await bob.get(f"/rooms/{room_id}/event/{event_id}")).json["unsigned"]
    assert shown == {"age": 1500, "membership": "join"}
    other_device = await server.log_in("alice")
    assert "transaction_id" not in (await other_device.get(f"/rooms/{room_id}/event/{event_id}")).json["unsigned"]


@pytest.mark.parametrize("event_id", ["$unknown", "$unknown:example.org"])
async def test_unknown_event_is_not_found(alice: Client, room_id: str, event_id: str) -> None:
    answer = await alice.get(f"/rooms/{room_id}/event/{event_id}")
    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_state_that_is_not_there_is_not_found(alice: Client, room_id: str) -> None:
    answer = await alice.get(f"/rooms/{room_id}/state/m.room.avatar")
    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("path", ["state", "state/m.room.create", "members", "joined_members", "messages?dir=b"])
async def test_stranger_sees_nothing(bob: Client, room_id: str, path: str) -> None:
    answer = await bob.get(f"/rooms/{room_id}/{path}")
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


async def test_wrong_format_is_an_invalid_parameter(alice: Client, room_id: str) -> None:
    answer = await alice.get(f"/rooms/{room_id}/state/m.room.create?format=x")
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def members(client: Client, room_id: str, query: str = "") -> dict[str, str]:
    chunk = (await client.get(f"/rooms/{room_id}/members{query}", expect=200)).json["chunk"]
    return {event["state_key"]: event["content"]["membership"] for event in chunk}


async def test_members_can_be_chosen_by_membership(server: InProcessServer, alice: Client, room_id: str) -> None:
    bob, carol = await server.register("bob"), await server.register("carol")
    await bob.join(room_id)
    await bob.post(f"/rooms/{room_id}/leave", expect=200)
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": carol.user_id}, expect=200)
    everybody = {alice.user_id: "join", bob.user_id: "leave", carol.user_id: "invite"}
    assert await members(alice, room_id) == everybody
    assert await members(alice, room_id, "?membership=join") == {alice.user_id: "join"}
    assert set(await members(alice, room_id, "?not_membership=leave")) == {alice.user_id, carol.user_id}
    assert await members(alice, room_id, "?membership=leave&not_membership=leave") == everybody


async def test_members_at_a_token_are_those_of_then(alice: Client, bob: Client, room_id: str) -> None:
    start = (await alice.get(f"/rooms/{room_id}/messages?dir=b&limit=1")).json["start"]
    await bob.join(room_id)
    assert await members(alice, room_id, f"?at={start}") == {alice.user_id: "join"}
    assert (await alice.get(f"/rooms/{room_id}/members?at=nonsense")).status == 400


async def test_joined_members_have_names_and_avatars(alice: Client, bob: Client, room_id: str) -> None:
    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"}, expect=200)
    await bob.put(f"/profile/{bob.user_id}/avatar_url", {"avatar_url": "mxc://example.org/b"}, expect=200)
    await bob.join(room_id)
    answer = await alice.get(f"/rooms/{room_id}/joined_members", expect=200)
    assert answer.json["joined"] == {
        alice.user_id: {},
        bob.user_id: {"display_name": "Bob", "avatar_url": "mxc://example.org/b"},
    }


async def test_joined_members_are_for_those_who_are_there_now(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    await bob.post(f"/rooms/{room_id}/leave", expect=200)
    assert (await bob.get(f"/rooms/{room_id}/joined_members")).status == 403
    assert (await bob.get(f"/rooms/{room_id}/members")).status == 200


async def test_events_tell_what_the_reader_was_when_they_were_sent(alice: Client, bob: Client, room_id: str) -> None:
    early = await alice.send(room_id, "before")
    await bob.join(room_id)
    await alice.send(room_id, "with bob")
    await bob.post(f"/rooms/{room_id}/leave", expect=200)
    chunk = (await bob.get(f"/rooms/{room_id}/messages?dir=b&limit=5", expect=200)).json["chunk"]
    assert [event["unsigned"]["membership"] for event in chunk] == ["leave", "join", "join", "leave", "leave"]
    event = (await bob.get(f"/rooms/{room_id}/event/{early}", expect=200)).json
    assert event["unsigned"]["membership"] == "leave"


async def test_event_of_a_world_readable_time_stays_readable(alice: Client, bob: Client, room_id: str) -> None:
    visibility = f"/rooms/{room_id}/state/m.room.history_visibility"
    await alice.put(visibility, {"history_visibility": "world_readable"}, expect=200)
    shown = await alice.send(room_id, "for the world")
    await alice.put(visibility, {"history_visibility": "shared"}, expect=200)
    hidden = await alice.send(room_id, "for members")
    event = (await bob.get(f"/rooms/{room_id}/event/{shown}", expect=200)).json
    assert event["unsigned"]["membership"] == "leave"
    assert (await bob.get(f"/rooms/{room_id}/event/{hidden}")).status == 404
