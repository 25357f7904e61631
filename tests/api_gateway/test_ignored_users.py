"""Pages of events do not show what ignored users sent, but for state."""

from __future__ import annotations

from tests.in_process import Client, InProcessServer


async def _types(client: Client, room_id: str) -> list[tuple[str, str]]:
    page = (await client.get(f"/rooms/{room_id}/messages?dir=b&limit=100", expect=200)).json
    return [(event["type"], event["sender"]) for event in page["chunk"]]


async def test_messages_of_ignored_users_are_left_out_of_pages_but_not_their_state(
    server: InProcessServer, alice: Client, bob: Client, room_id: str
) -> None:
    await bob.join(room_id)
    await bob.send(room_id, "hello")
    await alice.send(room_id, "hi")
    assert ("m.room.message", bob.user_id) in await _types(alice, room_id)
    ignored = {"ignored_users": {bob.user_id: {}}}
    await alice.put(f"/user/{alice.user_id}/account_data/m.ignored_user_list", ignored, expect=200)
    await server.clock.advance(11)
    types = await _types(alice, room_id)
    assert ("m.room.message", bob.user_id) not in types
    assert ("m.room.member", bob.user_id) in types
    assert ("m.room.message", alice.user_id) in types
    assert ("m.room.message", bob.user_id) in await _types(bob, room_id)


async def test_receipts_and_typing_of_ignored_users_are_not_told(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    ignored = {"ignored_users": {bob.user_id: {}}}
    await alice.put(f"/user/{alice.user_id}/account_data/m.ignored_user_list", ignored, expect=200)
    event_id = await alice.send(room_id, "hi")
    await bob.put(f"/rooms/{room_id}/typing/{bob.user_id}", {"typing": True, "timeout": 30_000}, expect=200)
    await bob.post(f"/rooms/{room_id}/receipt/m.read/{event_id}", {}, expect=200)
    ephemeral = {}
    for client in (alice, bob):
        room = (await client.get("/sync", expect=200)).json["rooms"]["join"][room_id]
        ephemeral[client.user_id] = room["ephemeral"]["events"]
    assert ephemeral[alice.user_id] == []
    assert {event["type"] for event in ephemeral[bob.user_id]} == {"m.typing", "m.receipt"}
