"""`POST /user_directory/search`, on a whole server in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from service_kit.config import SearchSettings
from tests.in_process import Client, InProcessServer, lenient_settings, running_server


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server() as server:
        yield server


@pytest.fixture
async def open_server() -> AsyncIterator[InProcessServer]:
    settings = lenient_settings(search=SearchSettings(directory_shows_all_users=True))
    async with running_server(settings) as server:
        yield server


async def named(server: InProcessServer, localpart: str, displayname: str = "") -> Client:
    client = await server.register(localpart)
    if displayname:
        path = f"/profile/{quote(client.user_id)}/displayname"
        await client.put(path, {"displayname": displayname}, expect=200)
    return client


async def search(client: Client, term: str, **more: object) -> dict[str, Any]:
    await client.server.clock.advance(0.5)
    found: dict[str, Any] = (
        await client.post("/user_directory/search", {"search_term": term, **more}, expect=200)
    ).json
    return found


async def found_by(client: Client, term: str) -> list[str]:
    return [user["user_id"].partition(":")[0] for user in (await search(client, term))["results"]]


async def test_users_are_found_by_beginnings_of_all_their_words(open_server: InProcessServer) -> None:
    alice = await named(open_server, "alice.w", "Alice Wonder")
    await named(open_server, "bob")
    for term in ("alice", "ALI", "won al", "Älice", "alice.w", alice.user_id, "@ali"):
        assert await found_by(alice, term) == ["@alice.w"], term
    for term in ("lice", "alice bob", "…", "", "@alice.w:elsewhere"):
        assert await found_by(alice, term) == [], term
    assert (await search(alice, "wonder"))["results"] == [{"user_id": alice.user_id, "display_name": "Alice Wonder"}]


async def test_exact_names_come_first_then_whole_words_then_profiles(open_server: InProcessServer) -> None:
    asker = await named(open_server, "zed")
    for localpart, displayname in (
        ("sammy", ""),
        ("u1", "Sammy Long Name"),
        ("u2", "Sam Smith"),
        ("u3", "Sam"),
        ("samuel", "Samuel"),
    ):
        await named(open_server, localpart, displayname)
    assert await found_by(asker, "sam") == ["@u3", "@u2", "@samuel", "@u1", "@sammy"]


async def test_limit_cuts_and_says_so(open_server: InProcessServer) -> None:
    asker = await named(open_server, "zed")
    for number in range(4):
        await named(open_server, f"user{number}")
    found = await search(asker, "user", limit=3)
    assert (len(found["results"]), found["limited"]) == (3, True)
    found = await search(asker, "user", limit=4)
    assert (len(found["results"]), found["limited"]) == (4, False)


async def test_directory_follows_names_and_avatars(open_server: InProcessServer) -> None:
    asker, alice = await named(open_server, "zed"), await named(open_server, "a1", "Old Name")
    assert await found_by(asker, "old") == ["@a1"]
    base = f"/profile/{quote(alice.user_id)}"
    await alice.put(f"{base}/displayname", {"displayname": "New Name"}, expect=200)
    await alice.put(f"{base}/avatar_url", {"avatar_url": "mxc://x/y"}, expect=200)
    assert await found_by(asker, "old") == []
    assert (await search(asker, "new"))["results"] == [
        {"user_id": alice.user_id, "display_name": "New Name", "avatar_url": "mxc://x/y"}
    ]
    await alice.request("DELETE", f"{base}/displayname", expect=200)
    assert await found_by(asker, "new") == []
    assert await found_by(asker, "a1") == ["@a1"]


async def test_deactivated_users_are_gone(open_server: InProcessServer) -> None:
    asker, alice = await named(open_server, "zed"), await named(open_server, "alice", "Alice")
    body = {
        "auth": {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "correct horse battery",
        }
    }
    assert await found_by(asker, "alice") == ["@alice"]
    await alice.post("/account/deactivate", body, expect=200)
    assert await found_by(asker, "alice") == []


async def test_strangers_are_found_only_through_rooms(server: InProcessServer) -> None:
    asker = await named(server, "zed")
    friend, stranger, public, reader = [await named(server, f"target{n}") for n in range(4)]
    room_id = await asker.create_room(preset="public_chat")
    await friend.join(room_id)
    await stranger.create_room()
    await public.create_room(preset="public_chat")
    visible = {
        "type": "m.room.history_visibility",
        "state_key": "",
        "content": {"history_visibility": "world_readable"},
    }
    await reader.create_room(initial_state=[visible])
    assert await found_by(asker, "target") == ["@target0", "@target2", "@target3"]
    assert await found_by(stranger, "target") == ["@target0", "@target1", "@target2", "@target3"]


async def test_who_shared_a_room_once_and_left_is_not_found_any_more(server: InProcessServer) -> None:
    asker, friend = await named(server, "zed"), await named(server, "friend")
    room_id = await asker.create_room(invite=[friend.user_id])
    assert await found_by(asker, "friend") == []
    await friend.join(room_id)
    assert await found_by(asker, "friend") == ["@friend"]
    await friend.post(f"/rooms/{quote(room_id)}/leave", expect=200)
    assert await found_by(asker, "friend") == []


@pytest.mark.parametrize(
    "body", [{}, {"search_term": 1}, {"search_term": "x", "limit": -1}, {"search_term": "x" * 1000}]
)
async def test_bad_question_is_refused(server: InProcessServer, body: object) -> None:
    alice = await server.register("alice")
    assert (await alice.post("/user_directory/search", body)).status == 400
