"""Events that are sent later (MSC4140), over HTTP; the clock stands still but for `advance`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from service_kit.config import RoomSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server

UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140"
EVENTS = f"{UNSTABLE}/delayed_events"
LEFT = {"msgtype": "m.text", "body": "I am now offline"}


async def schedule(
    client: Client, room_id: str, *, delay_ms: int = 5000, txn_id: str = "1", content: Any = LEFT, expect: int = 200
) -> str:
    path = f"/rooms/{quote(room_id)}/send/m.room.message/{txn_id}?org.matrix.msc4140.delay={delay_ms}"
    answer = await client.put(path, content, expect=expect)
    return str(answer.json.get("delay_id", answer.errcode))


async def texts(client: Client, room_id: str) -> list[str]:
    chunk = (await client.get(f"/rooms/{quote(room_id)}/messages?dir=b&limit=50", expect=200)).json["chunk"]
    return [event["content"]["body"] for event in reversed(chunk) if event["type"] == "m.room.message"]


async def change(client: Client, delay_id: str, action: str) -> tuple[int, str]:
    answer = await client.post(f"{EVENTS}/{delay_id}/{action}")
    return answer.status, "" if answer.status == 200 else answer.errcode


async def test_it_is_sent_when_it_is_due_and_once(server: InProcessServer, alice: Client, room_id: str) -> None:
    start_ms = server.clock.now_ms()
    delay_id = await schedule(alice, room_id)
    shown = (await alice.get(f"{EVENTS}/{delay_id}", expect=200)).json
    assert {key: shown[key] for key in ("delay_id", "room_id", "type", "content", "delay_ms", "scheduled_at")} == {
        "delay_id": delay_id,
        "room_id": room_id,
        "type": "m.room.message",
        "content": LEFT,
        "delay_ms": 5000,
        "scheduled_at": start_ms,
    }
    assert not shown.keys() & {"finalised_ts", "event_id", "error", "state_key"}
    await server.clock.advance(4.9)
    assert await texts(alice, room_id) == []
    await server.clock.advance(0.2)
    assert await texts(alice, room_id) == [LEFT["body"]]
    await server.clock.advance(60)
    assert await texts(alice, room_id) == [LEFT["body"]]
    finalised = (await alice.get(f"{EVENTS}/{delay_id}", expect=200)).json
    assert finalised["finalised_ts"] >= start_ms + 5000
    event = (await alice.get(f"/rooms/{quote(room_id)}/event/{quote(finalised['event_id'])}", expect=200)).json
    assert (event["sender"], event["content"]) == (alice.user_id, LEFT)


async def test_the_same_request_again_schedules_nothing_more(
    server: InProcessServer, alice: Client, room_id: str
) -> None:
    first = await schedule(alice, room_id)
    assert await schedule(alice, room_id) == first
    assert await schedule(alice, room_id, txn_id="2") != first
    await server.clock.advance(6)
    assert await schedule(alice, room_id) == first
    await server.clock.advance(6)
    assert len(await texts(alice, room_id)) == 2


async def test_a_heartbeat_restarts_it(server: InProcessServer, alice: Client, room_id: str) -> None:
    delay_id = await schedule(alice, room_id)
    for _ in range(5):
        await server.clock.advance(3)
        assert await change(alice, delay_id, "restart") == (200, "")
    assert await texts(alice, room_id) == []
    listed = (await alice.get(EVENTS, expect=200)).json["delayed_events"]
    assert [event["scheduled_at"] for event in listed] == [server.clock.now_ms()]
    await server.clock.advance(5.1)
    assert await texts(alice, room_id) == [LEFT["body"]]


async def test_it_can_be_cancelled_or_sent_at_once(server: InProcessServer, alice: Client, room_id: str) -> None:
    cancelled = await schedule(alice, room_id, txn_id="1")
    sent = await schedule(alice, room_id, txn_id="2", content={"msgtype": "m.text", "body": "now"})
    assert await change(alice, cancelled, "cancel") == (200, "")
    assert await change(alice, sent, "send") == (200, "")
    assert await texts(alice, room_id) == ["now"]
    await server.clock.advance(10)
    assert await texts(alice, room_id) == ["now"]
    assert (await alice.get(EVENTS, expect=200)).json == {"delayed_events": []}
    shown = (await alice.get(f"{EVENTS}/{cancelled}", expect=200)).json
    assert shown["finalised_ts"]
    assert not shown.keys() & {"event_id", "error"}
    # The same again is a success, something else a conflict.
    assert await change(alice, cancelled, "cancel") == (200, "")
    assert await change(alice, sent, "send") == (200, "")
    for delay_id, action in ((cancelled, "send"), (cancelled, "restart"), (sent, "cancel"), (sent, "restart")):
        assert await change(alice, delay_id, action) == (409, "M_UNKNOWN")


async def test_the_action_may_stand_in_the_body(alice: Client, room_id: str) -> None:
    delay_id = await schedule(alice, room_id)
    await alice.post(f"{EVENTS}/{delay_id}", {"action": "restart"}, expect=200)
    await alice.post(f"{EVENTS}/{delay_id}", {"action": "send"}, expect=200)
    assert await texts(alice, room_id) == [LEFT["body"]]
    assert (await alice.post(f"{EVENTS}/{delay_id}", {"action": "explode"})).errcode == "M_BAD_JSON"
    assert await change(alice, delay_id, "explode") == (404, "M_UNRECOGNIZED")


async def test_nobody_else_can_see_or_change_it(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    delay_id = await schedule(alice, room_id)
    for action in ("send", "cancel", "restart"):
        assert await change(bob, delay_id, action) == (404, "M_NOT_FOUND")
    assert (await bob.get(f"{EVENTS}/{delay_id}")).errcode == "M_NOT_FOUND"
    assert (await bob.get(EVENTS, expect=200)).json == {"delayed_events": []}
    await alice.post(f"{EVENTS}/{delay_id}/cancel", expect=200)
    assert await change(bob, delay_id, "cancel") == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("delay_id", ["x", "0_" + "A" * 32, "99999_" + "A" * 32, "0_%2F", "%00"])
async def test_an_unknown_one_is_not_found(alice: Client, delay_id: str) -> None:
    assert await change(alice, delay_id, "cancel") == (404, "M_NOT_FOUND")
    assert (await alice.get(f"{EVENTS}/{delay_id}")).errcode == "M_NOT_FOUND"


async def test_a_state_event_is_sent_later_too(server: InProcessServer, alice: Client, room_id: str) -> None:
    state = f"/rooms/{quote(room_id)}/state/org.example.call/_device"
    await alice.put(state, {"in": "call"}, expect=200)
    delay_id = (await alice.put(f"{state}?org.matrix.msc4140.delay=2000", {}, expect=200)).json["delay_id"]
    assert (await alice.get(f"{EVENTS}/{delay_id}", expect=200)).json["state_key"] == "_device"
    await server.clock.advance(1)
    assert (await alice.get(state, expect=200)).json == {"in": "call"}
    await server.clock.advance(1.1)
    assert (await alice.get(state, expect=200)).json == {}


async def test_the_later_endpoint_schedules_messages_and_state(
    server: InProcessServer, alice: Client, room_id: str
) -> None:
    path = f"{UNSTABLE}/rooms/{quote(room_id)}/delayed_event"
    await alice.put(f"{path}/m.room.message/1", {"delay_ms": 1000, "content": LEFT}, expect=200)
    state = {"delay_ms": 1000, "state_key": "", "content": {"topic": "Over"}}
    await alice.put(f"{path}/m.room.topic/2", state, expect=200)
    await server.clock.advance(1.1)
    assert await texts(alice, room_id) == [LEFT["body"]]
    assert (await alice.get(f"/rooms/{quote(room_id)}/state/m.room.topic", expect=200)).json["topic"] == "Over"


async def test_a_redaction_is_sent_later_too(server: InProcessServer, alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "this vanishes")
    path = f"/rooms/{quote(room_id)}/send/m.room.redaction/1?org.matrix.msc4140.delay=1000"
    await alice.put(path, {"redacts": event_id}, expect=200)
    await server.clock.advance(1.1)
    event = (await alice.get(f"/rooms/{quote(room_id)}/event/{quote(event_id)}", expect=200)).json
    assert event["content"] == {}


async def test_who_may_not_send_any_more_is_told_why(
    server: InProcessServer, alice: Client, bob: Client, room_id: str
) -> None:
    await bob.join(room_id)
    delay_id = await schedule(bob, room_id)
    await alice.post(f"/rooms/{quote(room_id)}/kick", {"user_id": bob.user_id}, expect=200)
    # Asked for by the user, it is refused and goes on waiting …
    assert await change(bob, delay_id, "send") == (403, "M_FORBIDDEN")
    assert len((await bob.get(EVENTS, expect=200)).json["delayed_events"]) == 1
    # … when it is due, it is over.
    await server.clock.advance(6)
    shown = (await bob.get(f"{EVENTS}/{delay_id}", expect=200)).json
    assert shown["error"]["errcode"] == "M_FORBIDDEN"
    assert "event_id" not in shown
    assert await texts(alice, room_id) == []
    assert await change(bob, delay_id, "cancel") == (200, "")


async def test_only_members_schedule(alice: Client, bob: Client, room_id: str) -> None:
    assert await schedule(bob, room_id, expect=403) == "M_FORBIDDEN"
    assert await schedule(alice, "!nowhere:example.org", expect=403) == "M_FORBIDDEN"


@pytest.mark.parametrize("delay", ["0", "-1", "x", "1.5", "9" * 30, "%20"])
async def test_a_delay_is_a_number_of_milliseconds(alice: Client, room_id: str, delay: str) -> None:
    path = f"/rooms/{quote(room_id)}/send/m.room.message/1?org.matrix.msc4140.delay={delay}"
    assert (await alice.put(path, LEFT)).errcode == "M_INVALID_PARAM"


async def test_limits_are_said_and_kept() -> None:
    limits = RoomSettings(delayed_event_max_s=60, delayed_events_per_user_max=3)
    async with running_server(lenient_settings(rooms=limits)) as server:
        alice, bob = await server.register("alice"), await server.register("bob")
        capabilities = (await alice.get("/capabilities", expect=200)).json["capabilities"]
        assert capabilities["org.matrix.msc4140.delayed_events"] == {"max_delay_ms": 60_000, "max_scheduled": 3}
        features = (await alice.get("/_matrix/client/versions", expect=200)).json["unstable_features"]
        assert features["org.matrix.msc4140"] is True
        # In rooms of several shards: the limit is the user's, not the shard's.
        rooms = [await alice.create_room(preset="public_chat") for _ in range(4)]
        assert await schedule(alice, rooms[0], delay_ms=60_001, expect=403) == "M_FORBIDDEN"
        for number in range(3):
            await schedule(alice, rooms[number], delay_ms=20_000)
        refused = await alice.put(
            f"/rooms/{quote(rooms[3])}/send/m.room.message/9?org.matrix.msc4140.delay=1000", LEFT, expect=429
        )
        assert refused.errcode == "M_LIMIT_EXCEEDED"
        assert refused.headers["retry-after"] == "20"
        await bob.join(rooms[0])
        await schedule(bob, rooms[0])
        await server.clock.advance(21)
        await schedule(alice, rooms[3], delay_ms=1000)


async def test_an_operator_can_forbid_it() -> None:
    async with running_server(lenient_settings(rooms=RoomSettings(delayed_events_per_user_max=0))) as server:
        alice = await server.register("alice")
        room_id = await alice.create_room()
        assert await schedule(alice, room_id, expect=403) == "M_FORBIDDEN"
