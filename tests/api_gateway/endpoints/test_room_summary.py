"""What a room tells those who are not in it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.in_process import Client, InProcessServer

SUMMARY = "/_matrix/client/v1/room_summary/"


def state(event_type: str, **content: Any) -> dict[str, Any]:
    return {"type": event_type, "content": content}


def with_rule(join_rule: str, **more: Any) -> dict[str, Any]:
    return {"initial_state": [state("m.room.join_rules", join_rule=join_rule, **more)]}


async def test_a_summary_says_what_the_specification_lists(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(
        name="Cheese",
        topic="Brie",
        preset="public_chat",
        room_alias_name="cheese",
        room_version="11",
        creation_content={"type": "m.space"},
        initial_state=[
            state("m.room.encryption", algorithm="m.megolm.v1.aes-sha2"),
            state("m.room.avatar", url="mxc://example.org/x"),
            state("m.room.guest_access", guest_access="can_join"),
        ],
    )
    summary = {
        "room_id": room_id,
        "name": "Cheese",
        "topic": "Brie",
        "canonical_alias": "#cheese:example.org",
        "avatar_url": "mxc://example.org/x",
        "num_joined_members": 1,
        "join_rule": "public",
        "guest_can_join": True,
        "world_readable": False,
        "room_type": "m.space",
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "11",
    }
    for target in (room_id, "%23cheese:example.org"):
        assert (await bob.get(SUMMARY + target + "?via=x", expect=200)).json == {**summary, "membership": "leave"}
    unstable = "/_matrix/client/unstable/im.nheko.summary"
    for path in (SUMMARY + room_id, f"{unstable}/summary/{room_id}", f"{unstable}/rooms/{room_id}/summary"):
        assert (await alice.get(path, expect=200)).json == {**summary, "membership": "join"}


@pytest.mark.parametrize(
    ("wish", "stranger", "nobody"),
    [
        (with_rule("public"), True, True),
        (with_rule("invite"), False, False),
        (with_rule("knock"), True, True),
        (with_rule("knock_restricted"), True, True),
        (with_rule("restricted"), False, False),
        ({"room_version": "6", **with_rule("knock")}, False, False),
        ({"room_version": "9", **with_rule("knock_restricted")}, False, False),
        ({"initial_state": [state("m.room.history_visibility", history_visibility="world_readable")]}, True, True),
    ],
)
async def test_who_may_see_a_summary(
    server: InProcessServer, alice: Client, bob: Client, wish: dict[str, Any], stranger: bool, nobody: bool
) -> None:
    room_id = await alice.create_room(**wish)
    assert (await bob.get(SUMMARY + room_id)).status == (200 if stranger else 404)
    answer = await server.anonymous().get(SUMMARY + room_id)
    assert answer.status == (200 if nobody else 404)
    assert ("membership" in answer.json) is False
    await alice.post(f"/rooms/{room_id}/invite", {"user_id": bob.user_id}, expect=200)
    assert (await bob.get(SUMMARY + room_id, expect=200)).json["membership"] == "invite"
    await alice.post(f"/rooms/{room_id}/ban", {"user_id": bob.user_id}, expect=200)
    world_readable = "history_visibility" in str(wish)
    assert (await bob.get(SUMMARY + room_id)).status == (200 if world_readable else 404)


async def test_members_of_an_allowed_room_see_a_restricted_one(alice: Client, bob: Client) -> None:
    allowed = [await alice.create_room(preset="public_chat") for _ in range(6)]  # of several shards
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in allowed]
    restricted = await alice.create_room(**with_rule("restricted", allow=allow))
    assert (await bob.get(SUMMARY + restricted)).errcode == "M_NOT_FOUND"
    for room_id in allowed:
        await bob.join(room_id)
        assert (await bob.get(SUMMARY + restricted, expect=200)).json["allowed_room_ids"] == allowed
        await bob.post(f"/rooms/{room_id}/leave", expect=200)
    assert (await bob.get(SUMMARY + restricted)).errcode == "M_NOT_FOUND"


@pytest.mark.parametrize(
    ("target", "status", "errcode"),
    [
        ("!nowhere:example.org", 404, "M_NOT_FOUND"),
        ("%23nowhere:example.org", 404, "M_NOT_FOUND"),
        ("nonsense", 400, "M_INVALID_PARAM"),
    ],
)
async def test_what_is_not_there_has_no_summary(
    server: InProcessServer, alice: Client, target: str, status: int, errcode: str
) -> None:
    for client in (alice, server.anonymous()):
        answer = await client.get(SUMMARY + target)
        assert (answer.status, answer.errcode) == (status, errcode)
