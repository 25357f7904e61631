"""GET /rooms/{roomId}/initialSync."""

from __future__ import annotations

from urllib.parse import quote

from tests.in_process import running_server


async def test_member_gets_the_room_as_it_is() -> None:
    async with running_server() as server:
        alice = await server.register("alice")
        room_id = await alice.create_room(name="Tea", visibility="public")
        for number in range(30):
            await alice.send(room_id, f"{number}")
        await alice.put(f"/user/{alice.user_id}/rooms/{quote(room_id)}/account_data/m.x", {"n": 1}, expect=200)
        room = (await alice.get(f"/rooms/{quote(room_id)}/initialSync", expect=200)).json
        assert (room["membership"], room["visibility"]) == ("join", "public")
        assert [event["content"]["body"] for event in room["messages"]["chunk"]] == [f"{n}" for n in range(10, 30)]
        assert "m.room.name" in {event["type"] for event in room["state"]}
        assert room["account_data"] == [{"type": "m.x", "content": {"n": 1}}]
        older = f"/rooms/{quote(room_id)}/messages?dir=b&limit=1&from={room['messages']['start']}"
        assert (await alice.get(older, expect=200)).json["chunk"][0]["content"]["body"] == "9"
        await alice.send(room_id, "later")
        newer = f"/rooms/{quote(room_id)}/messages?dir=f&from={room['messages']['end']}"
        assert (await alice.get(newer, expect=200)).json["chunk"][0]["content"]["body"] == "later"


async def test_room_is_shown_to_who_may_look_into_it_and_as_it_was_to_who_left() -> None:
    async with running_server() as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        readable = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "shared"}}
        private_id = await alice.create_room(preset="public_chat", initial_state=[readable])
        await bob.get(f"/rooms/{quote(private_id)}/initialSync", expect=403)
        await bob.join(private_id)
        await alice.send(private_id, "seen")
        await bob.post(f"/rooms/{quote(private_id)}/leave", expect=200)
        await alice.send(private_id, "unseen")
        room = (await bob.get(f"/rooms/{quote(private_id)}/initialSync", expect=200)).json
        assert room["membership"] == "leave"
        told = [event["content"].get("body") for event in room["messages"]["chunk"]]
        assert "seen" in told
        assert "unseen" not in told
        readable["content"] = {"history_visibility": "world_readable"}
        open_id = await alice.create_room(initial_state=[readable])
        assert "membership" not in (await bob.get(f"/rooms/{quote(open_id)}/initialSync", expect=200)).json
