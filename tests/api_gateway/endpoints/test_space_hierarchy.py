"""Walks through trees of spaces."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway import space_walk
from api_gateway.space_walk import Token
from tests.in_process import Client

VIA = {"via": ["example.org"]}


async def space(client: Client, name: str, *children: str, **wish: Any) -> str:
    """The children in the order in which they are given."""
    initial_state = [
        {"type": "m.space.child", "state_key": room_id, "content": {**VIA, "order": f"{number:04}"}}
        for number, room_id in enumerate(children)
    ]
    return await client.create_room(
        name=name,
        preset="public_chat",
        creation_content={"type": "m.space"},
        initial_state=[*initial_state, *wish.pop("initial_state", [])],
        **wish,
    )


async def room(client: Client, name: str, **wish: Any) -> str:
    return await client.create_room(name=name, **{"preset": "public_chat", **wish})


async def set_child(client: Client, space_id: str, room_id: str, content: dict[str, Any]) -> None:
    await client.put(f"/rooms/{space_id}/state/m.space.child/{room_id}", content, expect=200)


async def page(client: Client, space_id: str, **query: Any) -> dict[str, Any]:
    text = "&".join(f"{name.rstrip('_')}={value}" for name, value in query.items())
    answer = await client.get(f"/_matrix/client/v1/rooms/{space_id}/hierarchy?{text}", expect=200)
    body: dict[str, Any] = answer.json
    return body


async def names(client: Client, space_id: str, **query: Any) -> list[str]:
    """Of all pages."""
    found = []
    while True:
        body = await page(client, space_id, **query)
        found += [room["name"] for room in body["rooms"]]
        if "next_batch" not in body:
            return found
        query["from_"] = body["next_batch"]


async def tree(client: Client) -> str:
    """top(a, left(b, deep(c)), d), of rooms in several shards."""
    a, b, c, d = [await room(client, name) for name in "abcd"]
    deep = await space(client, "deep", c)
    left = await space(client, "left", b, deep)
    return await space(client, "top", a, left, d)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_the_tree_is_walked_depth_first_whatever_the_pages(alice: Client, bob: Client, limit: int) -> None:
    top = await tree(alice)
    assert await names(bob, top, limit=limit) == ["top", "a", "left", "b", "deep", "c", "d"]
    assert len((await page(bob, top, limit=limit))["rooms"]) == min(limit, 7)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["top"]),
        (1, ["top", "a", "left", "d"]),
        (2, ["top", "a", "left", "b", "deep", "d"]),
        (99, ["top", "a", "left", "b", "deep", "c", "d"]),
    ],
)
async def test_max_depth(alice: Client, depth: int, expected: list[str]) -> None:
    top = await tree(alice)
    assert await names(alice, top, max_depth=depth, limit=2) == expected


async def test_a_room_comes_with_its_summary_and_its_children(alice: Client, bob: Client) -> None:
    child = await room(alice, "child", topic="things")
    top = await space(alice, "top", child)
    first, second = (await page(bob, top))["rooms"]
    (state,) = first.pop("children_state")
    assert state.pop("origin_server_ts") > 0
    assert state == {
        "type": "m.space.child",
        "state_key": child,
        "sender": alice.user_id,
        "content": {**VIA, "order": "0000"},
    }
    assert first == {
        "room_id": top,
        "name": "top",
        "num_joined_members": 1,
        "join_rule": "public",
        "guest_can_join": False,
        "world_readable": False,
        "room_type": "m.space",
        "room_version": "12",
    }
    assert (second["room_id"], second["topic"], second["children_state"]) == (child, "things", [])


async def test_only_suggested_rooms_are_considered(alice: Client) -> None:
    a, b, c = [await room(alice, name) for name in "abc"]
    inner = await space(alice, "inner", c)
    top = await space(alice, "top")
    for room_id, content in ((a, {}), (b, {"suggested": True}), (inner, {"suggested": True})):
        await set_child(alice, top, room_id, {**VIA, **content})
    assert await names(alice, top, suggested_only="true") == ["top", "b", "inner"]
    assert len((await page(alice, top, suggested_only="true"))["rooms"][0]["children_state"]) == 2
    assert sorted(await names(alice, top)) == ["a", "b", "c", "inner", "top"]


async def test_what_may_not_be_seen_is_left_out(alice: Client, bob: Client) -> None:
    hidden, open_room = await room(alice, "hidden", preset="private_chat"), await room(alice, "open")
    below = await space(alice, "below", open_room, initial_state=[
        {"type": "m.room.join_rules", "content": {"join_rule": "invite"}}
    ])  # fmt: skip
    top = await space(alice, "top", hidden, below, "!nowhere:example.org", "!elsewhere:elsewhere.example")
    assert await names(alice, top) == ["top", "hidden", "below", "open"]
    assert await names(bob, top) == ["top"]
    await alice.post(f"/rooms/{below}/invite", {"user_id": bob.user_id}, expect=200)
    assert await names(bob, top) == ["top", "below", "open"]


async def test_a_restricted_room_is_shown_to_members_of_its_space(alice: Client, bob: Client) -> None:
    top = await space(alice, "top")
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": top}]}
    child = await room(alice, "child", initial_state=[{"type": "m.room.join_rules", "content": rule}])
    await set_child(alice, top, child, VIA)
    assert await names(bob, top) == ["top"]
    await bob.join(top)
    assert await names(bob, top) == ["top", "child"]
    await bob.join(child)


async def test_circles_end_and_rooms_come_once(alice: Client) -> None:
    a = await room(alice, "a")
    inner = await space(alice, "inner", a)
    top = await space(alice, "top", inner, a)
    await set_child(alice, inner, top, VIA)
    await set_child(alice, inner, inner, VIA)
    assert sorted(await names(alice, top)) == ["a", "inner", "top"]
    assert sorted(await names(alice, inner, limit=1)) == ["a", "inner", "top"]


async def test_a_child_without_via_is_none(alice: Client) -> None:
    a = await room(alice, "a")
    top = await space(alice, "top", a)
    assert await names(alice, top) == ["top", "a"]
    await set_child(alice, top, a, {})
    body = await page(alice, top)
    assert [room["name"] for room in body["rooms"]] == ["top"]
    assert body["rooms"][0]["children_state"] == []


async def test_children_of_a_room_that_is_no_space_do_not_count(alice: Client) -> None:
    a, plain = await room(alice, "a"), await room(alice, "plain")
    await set_child(alice, plain, a, VIA)
    assert await names(alice, plain) == ["plain"]


async def test_a_walk_has_an_end(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_walk, "ROOMS_WALKED_MAX", 5)
    top = await tree(alice)
    assert await names(alice, top, limit=2) == ["top", "a", "left", "b", "deep"]
    monkeypatch.setattr(space_walk, "PAGE_BYTES_MAX", 1)
    assert len((await page(alice, top))["rooms"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "max_depth=-1",
        "suggested_only=perhaps",
        "from=x",
        "from=" + "A" * 1000,
        f"from={Token(1, False, 3, 2)}",
        "from={token}&max_depth=1",
        "from={token}&suggested_only=true",
    ],
)
async def test_impossible_wishes_are_refused(alice: Client, query: str) -> None:
    top = await tree(alice)
    token = (await page(alice, top, limit=1, max_depth=2))["next_batch"]
    path = f"/_matrix/client/v1/rooms/{top}/hierarchy?{query.format(token=token)}"
    answer = await alice.get(path)
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_a_space_that_may_not_be_seen_is_refused(alice: Client, bob: Client, room_id: str) -> None:
    private = await alice.create_room()
    await alice.post(f"/rooms/{room_id}/ban", {"user_id": bob.user_id}, expect=200)
    for target in (private, room_id, "!nowhere:example.org"):
        answer = await bob.get(f"/_matrix/client/v1/rooms/{target}/hierarchy")
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
