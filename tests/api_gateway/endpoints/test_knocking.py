"""Knocking on rooms."""

from __future__ import annotations

import pytest

from tests.in_process import Client

KNOCK = {"preset": "private_chat", "initial_state": [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]}


async def test_a_knock_is_answered_with_an_invite(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(name="Club", room_alias_name="club", **KNOCK)
    answer = await bob.post("/knock/%23club:example.org?via=example.org", {"reason": "please"}, expect=200)
    assert answer.json == {"room_id": room_id}
    events = (await bob.get("/sync", expect=200)).json["rooms"]["knock"][room_id]["knock_state"]["events"]
    assert {event["type"]: event["content"].get("name") for event in events}["m.room.name"] == "Club"
    member = next(event for event in events if event["type"] == "m.room.member")
    assert (member["content"]["membership"], member["content"]["reason"]) == ("knock", "please")
    assert (await bob.post(f"/rooms/{room_id}/join")).errcode == "M_FORBIDDEN"
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id}, expect=200)
    await bob.join(room_id)


async def test_a_knock_can_be_taken_back_and_turned_down(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(**KNOCK)
    for leave, body in ((bob, {}), (alice, {"user_id": bob.user_id})):
        await bob.post(f"/knock/{room_id}", expect=200)
        await bob.post(f"/knock/{room_id}", {"reason": "again"}, expect=200)
        await leave.post(f"/rooms/{room_id}/{'kick' if body else 'leave'}", body, expect=200)
        content = (await alice.get(f"/rooms/{room_id}/state/m.room.member/{bob.user_id}", expect=200)).json
        assert content == {"membership": "leave"}


@pytest.mark.parametrize(
    ("target", "status", "errcode"),
    [
        ("!nowhere:example.org", 404, "M_NOT_FOUND"),
        ("%23nowhere:example.org", 404, "M_NOT_FOUND"),
        ("nonsense", 400, "M_INVALID_PARAM"),
    ],
)
async def test_what_is_not_there_cannot_be_knocked_on(alice: Client, target: str, status: int, errcode: str) -> None:
    answer = await alice.post(f"/knock/{target}")
    assert (answer.status, answer.errcode) == (status, errcode)


async def test_not_every_room_can_be_knocked_on(alice: Client, bob: Client, room_id: str) -> None:
    private, old = await alice.create_room(), await alice.create_room(room_version="6", **KNOCK)
    for refused in (room_id, private, old):
        answer = await bob.post(f"/knock/{refused}")
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    knockable = await alice.create_room(invite=[bob.user_id], **KNOCK)
    assert (await bob.post(f"/knock/{knockable}")).errcode == "M_FORBIDDEN"  # who is invited need not knock
    await bob.join(knockable)
    assert (await bob.post(f"/knock/{knockable}")).errcode == "M_FORBIDDEN"
    await alice.post(f"/rooms/{knockable}/ban", {"user_id": bob.user_id}, expect=200)
    assert (await bob.post(f"/knock/{knockable}")).errcode == "M_FORBIDDEN"
