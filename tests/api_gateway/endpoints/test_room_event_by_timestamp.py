from __future__ import annotations

from urllib.parse import quote

from tests.in_process import Client, InProcessServer


async def closest(client: Client, room_id: str, ts_ms: int, direction: str) -> str:
    path = f"/_matrix/client/v1/rooms/{quote(room_id)}/timestamp_to_event?ts={ts_ms}&dir={direction}"
    answer = await client.get(path)
    return answer.json["event_id"] if answer.status == 200 else answer.json["errcode"]


async def test_closest_event_on_either_side_of_a_time(server: InProcessServer, alice: Client, room_id: str) -> None:
    sent: list[tuple[int, str]] = []
    for number in range(4):
        await server.clock.advance(10.0)
        sent.append((server.clock.now_ms(), await alice.send(room_id, str(number))))
    for index, (ts_ms, event_id) in enumerate(sent[1:3], 1):
        assert await closest(alice, room_id, ts_ms, "f") == await closest(alice, room_id, ts_ms, "b") == event_id
        assert await closest(alice, room_id, ts_ms - 1, "b") == sent[index - 1][1]
        assert await closest(alice, room_id, ts_ms + 1, "f") == sent[index + 1][1]
    assert await closest(alice, room_id, sent[-1][0] + 1, "f") == "M_NOT_FOUND"
    assert await closest(alice, room_id, 0, "b") == "M_NOT_FOUND"
    create = (await alice.get(f"/rooms/{room_id}/messages?dir=f&limit=1")).json["chunk"][0]
    assert await closest(alice, room_id, 0, "f") == create["event_id"]


async def test_events_that_one_may_not_see_are_passed_over(server: InProcessServer, alice: Client, bob: Client) -> None:
    closed = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[closed])
    await server.clock.advance(1.0)
    now_ms = server.clock.now_ms()
    await alice.send(room_id, "before bob came")
    assert await closest(bob, room_id, now_ms, "f") == "M_FORBIDDEN"
    await server.clock.advance(1.0)
    await bob.join(room_id)
    found = await closest(bob, room_id, now_ms, "f")
    event = (await bob.get(f"/rooms/{room_id}/event/{quote(found)}")).json
    assert (event["type"], event["sender"]) == ("m.room.member", bob.user_id)


async def test_who_left_finds_nothing_after(server: InProcessServer, alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    last = await alice.send(room_id, "seen")
    await bob.post(f"/rooms/{room_id}/leave", expect=200)
    await server.clock.advance(1.0)
    now_ms = server.clock.now_ms()
    await alice.send(room_id, "not seen")
    assert await closest(bob, room_id, now_ms, "f") == "M_NOT_FOUND"
    assert await closest(alice, room_id, now_ms, "b") != last
