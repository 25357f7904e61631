"""Typing, receipts, read markers."""

from __future__ import annotations

import pytest

from tests.in_process import Client


@pytest.mark.parametrize("body", [{"typing": True, "timeout": 30000}, {"typing": True}, {"typing": False}])
async def test_typing_is_accepted(alice: Client, room_id: str, body: dict[str, object]) -> None:
    await alice.put(f"/rooms/{room_id}/typing/{alice.user_id}", body, expect=200)


async def test_typing_is_seen_by_the_others(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    since = (await bob.get("/sync", expect=200)).json["next_batch"]
    await alice.put(f"/rooms/{room_id}/typing/{alice.user_id}", {"typing": True, "timeout": 1000000}, expect=200)
    answer = await bob.get(f"/sync?since={since}&timeout=1000", expect=200)
    events = answer.json["rooms"]["join"][room_id]["ephemeral"]["events"]
    assert {"type": "m.typing", "content": {"user_ids": [alice.user_id]}} in events


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_BAD_JSON"),
        ({"typing": "yes"}, "M_BAD_JSON"),
        ({"typing": True, "timeout": "x"}, "M_BAD_JSON"),
        ({"typing": True, "timeout": -1}, "M_INVALID_PARAM"),
    ],
)
async def test_malformed_typing_is_refused(alice: Client, room_id: str, body: dict[str, object], errcode: str) -> None:
    answer = await alice.put(f"/rooms/{room_id}/typing/{alice.user_id}", body)
    assert (answer.status, answer.errcode) == (400, errcode)


async def test_nobody_types_for_somebody_else_or_from_outside(alice: Client, bob: Client, room_id: str) -> None:
    for client, user in ((bob, alice), (bob, bob)):
        answer = await client.put(f"/rooms/{room_id}/typing/{user.user_id}", {"typing": True})
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("receipt_type", ["m.read", "m.read.private", "m.fully_read"])
async def test_receipt_of_each_type_is_set(alice: Client, room_id: str, receipt_type: str) -> None:
    event_id = await alice.send(room_id, "x")
    await alice.request("POST", f"/rooms/{room_id}/receipt/{receipt_type}/{event_id}", expect=200)
    room = (await alice.get("/sync", expect=200)).json["rooms"]["join"][room_id]
    if receipt_type == "m.fully_read":
        assert {"type": "m.fully_read", "content": {"event_id": event_id}} in room["account_data"]["events"]
    else:
        receipt = next(event for event in room["ephemeral"]["events"] if event["type"] == "m.receipt")
        assert alice.user_id in receipt["content"][event_id][receipt_type]


async def test_threaded_receipt_keeps_its_thread(alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "x")
    await alice.post(f"/rooms/{room_id}/receipt/m.read/{event_id}", {"thread_id": "main"}, expect=200)
    room = (await alice.get("/sync", expect=200)).json["rooms"]["join"][room_id]
    receipt = next(event for event in room["ephemeral"]["events"] if event["type"] == "m.receipt")
    assert receipt["content"][event_id]["m.read"][alice.user_id]["thread_id"] == "main"


@pytest.mark.parametrize(
    ("receipt_type", "event_id", "body"),
    [
        ("m.read", "$x", {"thread_id": ""}),
        ("m.read", "$x", {"thread_id": 1}),
        ("m.fully_read", "$x", {"thread_id": "main"}),
        ("m.nonsense", "$x", {}),
        ("m.read", "x", {}),
    ],
)
async def test_malformed_receipt_is_an_invalid_parameter(
    alice: Client, room_id: str, receipt_type: str, event_id: str, body: dict[str, object]
) -> None:
    answer = await alice.post(f"/rooms/{room_id}/receipt/{receipt_type}/{event_id}", body)
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_read_markers_set_all_three_at_once(alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "x")
    body = {"m.fully_read": event_id, "m.read": event_id, "m.read.private": event_id}
    await alice.post(f"/rooms/{room_id}/read_markers", body, expect=200)
    path = f"/user/{alice.user_id}/rooms/{room_id}/account_data/m.fully_read"
    assert (await alice.get(path, expect=200)).json == {"event_id": event_id}


async def test_read_markers_may_set_nothing(alice: Client, room_id: str) -> None:
    await alice.post(f"/rooms/{room_id}/read_markers", {}, expect=200)
    assert (await alice.post(f"/rooms/{room_id}/read_markers", {"m.read": 1})).errcode == "M_BAD_JSON"
    assert (await alice.post(f"/rooms/{room_id}/read_markers", {"m.read": "x"})).errcode == "M_INVALID_PARAM"
