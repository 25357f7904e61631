"""Who blocks invites is not invited, however it is tried; what they were sent before is not shown."""

from __future__ import annotations

import pytest

from tests.in_process import Client

CONFIG = "m.invite_permission_config"


async def _set(client: Client, content: dict[str, object]) -> None:
    await client.put(f"/user/{client.user_id}/account_data/{CONFIG}", content, expect=200)


async def test_whoever_blocks_invites_is_not_invited(alice: Client, bob: Client, room_id: str) -> None:
    await _set(bob, {"default_action": "block"})
    state = f"/rooms/{room_id}/state/m.room.member/{bob.user_id}"
    answers = [
        await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id}),
        await alice.post("/createRoom", {"invite": [bob.user_id]}),
        await alice.put(state, {"membership": "invite"}),
    ]
    assert [(answer.status, answer.json["errcode"]) for answer in answers] == [(403, "M_INVITE_BLOCKED")] * 3
    assert len((await alice.get("/joined_rooms", expect=200)).json["joined_rooms"]) == 1
    await bob.join(room_id)  # they may come by themselves
    await alice.put(state, {"membership": "join", "displayname": "Bob"})


@pytest.mark.parametrize("content", [{}, {"default_action": "allow"}, {"default_action": ["block"]}])
async def test_everything_else_lets_invites_through(
    alice: Client, bob: Client, room_id: str, content: dict[str, object]
) -> None:
    await _set(bob, {"default_action": "block"})
    await _set(bob, content)
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id}, expect=200)
    assert room_id in (await bob.get("/sync", expect=200)).json["rooms"]["invite"]


async def test_invites_from_before_are_not_shown_while_they_are_blocked(
    alice: Client, bob: Client, room_id: str
) -> None:
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id}, expect=200)
    await _set(bob, {"default_action": "block"})
    assert "rooms" not in (await bob.get("/sync", expect=200)).json
    await _set(bob, {})
    assert room_id in (await bob.get("/sync", expect=200)).json["rooms"]["invite"]
