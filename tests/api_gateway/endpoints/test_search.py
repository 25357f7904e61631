"""`POST /search`, on a whole server in one process with its index in tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api_gateway.endpoints.test_relations import Chat, ignore
from tests.in_process import Client, InProcessServer, running_server


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server() as server:
        yield server


async def indexed(server: InProcessServer) -> None:
    """Let the index come up with what was sent."""
    await server.clock.advance(0.5)


async def search(client: Client, term: str, *, next_batch: str = "", **more: object) -> dict[str, Any]:
    query = f"?next_batch={quote(next_batch)}" if next_batch else ""
    body = {"search_categories": {"room_events": {"search_term": term, **more}}}
    answer = await client.post(f"/search{query}", body, expect=200)
    found: dict[str, Any] = answer.json["search_categories"]["room_events"]
    return found


def texts(found: dict[str, Any]) -> list[str]:
    contents = [result["result"]["content"] for result in found["results"]]
    return [content.get("body") or content.get("name") or content.get("topic") for content in contents]


async def test_messages_names_and_topics_are_found_by_their_keys(server: InProcessServer) -> None:
    alice = await server.register("alice")
    await alice.create_room(name="Tea room", topic="All about tea")
    room_id = await alice.create_room()
    await alice.send(room_id, "Tea, please")
    await indexed(server)
    found = await search(alice, "tea")
    assert set(texts(found)) == {"Tea room", "All about tea", "Tea, please"}
    assert found["count"] == 3
    assert found["highlights"] == ["tea"]
    assert all(0 < result["rank"] < 1 for result in found["results"])
    assert texts(await search(alice, "tea", keys=["content.body"])) == ["Tea, please"]
    assert set(texts(await search(alice, "tea", keys=["content.name", "content.topic"]))) == {
        "Tea room",
        "All about tea",
    }


async def test_encrypted_messages_and_other_types_are_not_found(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "tea", "body": "tea"}
    await alice.put(f"/rooms/{quote(room_id)}/send/m.room.encrypted/1", content, expect=200)
    await indexed(server)
    assert (await search(alice, "tea"))["results"] == []


async def test_filter_chooses_rooms_senders_types_and_urls(server: InProcessServer) -> None:
    alice, bob = await server.register("alice"), await server.register("bob")
    room_id = await alice.create_room(preset="public_chat")
    other_id = await alice.create_room()
    await bob.join(room_id)
    await alice.send(room_id, "plan one")
    await bob.send(room_id, "plan two")
    await alice.send(other_id, "plan three")
    image = {"msgtype": "m.image", "body": "plan four", "url": "mxc://x/y"}
    await alice.put(f"/rooms/{quote(room_id)}/send/m.room.message/image", image, expect=200)
    await indexed(server)
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({"rooms": [other_id]}, {"plan three"}),
        ({"not_rooms": [other_id], "not_senders": [alice.user_id]}, {"plan two"}),
        ({"senders": [bob.user_id]}, {"plan two"}),
        ({"contains_url": True}, {"plan four"}),
        ({"contains_url": False, "rooms": [room_id]}, {"plan one", "plan two"}),
        ({"types": ["m.room.*"], "not_types": ["m.room.message"]}, set()),
        ({"rooms": ["!unknown:x"]}, set()),
    ]
    for wish, expected in cases:
        assert set(texts(await search(alice, "plan", filter=wish))) == expected, wish


async def test_pages_in_either_order_show_everything_once(server: InProcessServer) -> None:
    alice = await server.register("alice")
    rooms = [await alice.create_room() for _ in range(3)]
    for number in range(12):
        await server.clock.advance(0.01)
        await alice.send(rooms[number % 3], "word " + "filler " * (number % 4) + str(number))
    await indexed(server)
    for order in ("recent", "rank"):
        seen: list[str] = []
        token = ""
        while True:
            found = await search(alice, "word", order_by=order, filter={"limit": 5}, next_batch=token)
            assert found["count"] == 12
            seen += texts(found)
            token = found.get("next_batch", "")
            if not token:
                break
        numbers = [int(text.split()[-1]) for text in seen]
        assert sorted(numbers) == list(range(12))
        fillers = [text.count("filler") for text in seen]
        assert numbers == sorted(numbers, reverse=True) if order == "recent" else fillers == sorted(fillers)


async def test_groups_list_their_results_and_go_on_by_themselves(server: InProcessServer) -> None:
    alice, bob = await server.register("alice"), await server.register("bob")
    room_id = await alice.create_room(preset="public_chat")
    other_id = await alice.create_room()
    await bob.join(room_id)
    for number in range(4):
        await server.clock.advance(0.01)
        await bob.send(room_id, f"word {number}")
        await alice.send(other_id, f"word {number}")
    await indexed(server)
    wish: dict[str, Any] = {
        "order_by": "recent",
        "filter": {"limit": 4},
        "groupings": {"group_by": [{"key": "room_id"}, {"key": "sender"}]},
    }
    found = await search(alice, "word", **wish)
    by_room, by_sender = found["groups"]["room_id"], found["groups"]["sender"]
    assert set(by_room) == {room_id, other_id}
    assert sorted(group["order"] for group in by_room.values()) == [1, 2]
    assert by_sender[bob.user_id]["results"] == by_room[room_id]["results"]
    more = await search(alice, "word", **wish, next_batch=by_room[room_id]["next_batch"])
    assert texts(more) == ["word 1", "word 0"]
    assert set(more["groups"]["room_id"]) == {room_id}
    more = await search(alice, "word", **wish, next_batch=by_sender[alice.user_id]["next_batch"])
    assert {result["result"]["sender"] for result in more["results"]} == {alice.user_id}


async def test_context_has_the_neighbours_their_tokens_and_profiles_of_that_time(server: InProcessServer) -> None:
    alice = await server.register("alice")
    await alice.put(f"/profile/{quote(alice.user_id)}/displayname", {"displayname": "Old Alice"}, expect=200)
    room_id = await alice.create_room()
    for text in ("a", "b", "needle", "d", "e"):
        await alice.send(room_id, text)
    await alice.put(f"/profile/{quote(alice.user_id)}/displayname", {"displayname": "New Alice"}, expect=200)
    await indexed(server)
    context = {"before_limit": 2, "after_limit": 1, "include_profile": True}
    found = await search(alice, "needle", event_context=context)
    around = found["results"][0]["context"]
    assert [event["content"]["body"] for event in around["events_before"]] == ["b", "a"]
    assert [event["content"]["body"] for event in around["events_after"]] == ["d"]
    assert around["profile_info"] == {alice.user_id: {"displayname": "Old Alice"}}
    page = await alice.get(f"/rooms/{quote(room_id)}/messages?dir=f&limit=1&from={around['end']}", expect=200)
    assert page.json["chunk"][0]["content"]["body"] == "e"
    page = await alice.get(f"/rooms/{quote(room_id)}/messages?dir=b&limit=1&from={around['start']}", expect=200)
    assert page.json["chunk"][0]["type"] != "m.room.message"
    plain = await search(alice, "needle", event_context={})
    assert "profile_info" not in plain["results"][0]["context"]


async def test_state_of_the_rooms_found_is_included_on_request(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room(name="Here")
    await alice.send(room_id, "needle")
    await indexed(server)
    found = await search(alice, "needle", include_state=True)
    assert {event["type"] for event in found["state"][room_id]} >= {"m.room.create", "m.room.name", "m.room.member"}
    assert "state" not in await search(alice, "needle")


async def test_only_what_the_user_may_see_is_found(server: InProcessServer) -> None:
    alice, bob, carol = [await server.register(name) for name in ("alice", "bob", "carol")]
    hidden = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[hidden])
    await alice.send(room_id, "needle before")
    await bob.join(room_id)
    await alice.send(room_id, "needle while")
    await bob.post(f"/rooms/{quote(room_id)}/leave", expect=200)
    await alice.send(room_id, "needle after")
    await indexed(server)
    assert len((await search(alice, "needle"))["results"]) == 3
    assert texts(await search(bob, "needle")) == ["needle while"]  # also in a room that was left
    assert (await search(carol, "needle"))["results"] == []
    assert (await search(carol, "needle", filter={"rooms": [room_id]}))["results"] == []


async def test_page_is_filled_although_most_of_what_is_found_is_hidden(server: InProcessServer) -> None:
    alice, bob = await server.register("alice"), await server.register("bob")
    hidden = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[hidden])
    await bob.join(room_id)
    for number in range(3):
        await alice.send(room_id, f"needle seen {number}")
    await bob.post(f"/rooms/{quote(room_id)}/leave", expect=200)
    for number in range(10):
        await alice.send(room_id, f"needle hidden {number}")
    await indexed(server)
    found = await search(bob, "needle", order_by="recent", filter={"limit": 2})
    assert texts(found) == ["needle seen 2", "needle seen 1"]
    found = await search(bob, "needle", order_by="recent", filter={"limit": 2}, next_batch=found["next_batch"])
    assert texts(found) == ["needle seen 0"]
    assert "next_batch" not in found


async def test_forgotten_rooms_are_not_searched(server: InProcessServer) -> None:
    alice, bob = await server.register("alice"), await server.register("bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    await alice.send(room_id, "needle")
    await bob.post(f"/rooms/{quote(room_id)}/leave", expect=200)
    await indexed(server)
    assert texts(await search(bob, "needle")) == ["needle"]
    await bob.post(f"/rooms/{quote(room_id)}/forget", expect=200)
    assert texts(await search(bob, "needle")) == []


async def test_edits_replace_and_redactions_remove(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    event_id = await alice.send(room_id, "first draft")
    gone_id = await alice.send(room_id, "draft to be forgotten")
    relation = {"rel_type": "m.replace", "event_id": event_id}
    new = {"msgtype": "m.text", "body": "final version"}
    edit = {"msgtype": "m.text", "body": "* final version", "m.new_content": new, "m.relates_to": relation}
    await alice.put(f"/rooms/{quote(room_id)}/send/m.room.message/edit", edit, expect=200)
    await alice.put(f"/rooms/{quote(room_id)}/redact/{quote(gone_id)}/1", {}, expect=200)
    await indexed(server)
    assert (await search(alice, "draft"))["results"] == []
    found = await search(alice, "final version")
    assert [result["result"]["event_id"] for result in found["results"]] == [event_id]


async def test_redaction_that_the_index_has_not_heard_of_shows_no_text(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    event_id = await alice.send(room_id, "needle")
    await indexed(server)
    await alice.put(f"/rooms/{quote(room_id)}/redact/{quote(event_id)}/1", {}, expect=200)
    found = await search(alice, "needle")
    assert all(result["result"]["content"] == {} for result in found["results"])


@pytest.mark.parametrize(
    ("body", "query", "errcode"),
    [
        ({}, "", "M_BAD_JSON"),
        ({"search_categories": {"room_events": {}}}, "", "M_BAD_JSON"),
        ({"search_categories": {"room_events": {"search_term": "x", "order_by": "size"}}}, "", "M_BAD_JSON"),
        ({"search_categories": {"room_events": {"search_term": "x" * 2000}}}, "", "M_INVALID_PARAM"),
        ({"search_categories": {"room_events": {"search_term": "x"}}}, "?next_batch=garbage", "M_INVALID_PARAM"),
        (
            {"search_categories": {"room_events": {"search_term": "x", "filter": {"limit": -1}}}},
            "",
            "M_INVALID_PARAM",
        ),
    ],
)
async def test_bad_search_is_refused(server: InProcessServer, body: object, query: str, errcode: str) -> None:
    alice = await server.register("alice")
    answer = await alice.post(f"/search{query}", body)
    assert answer.status == 400
    assert answer.json["errcode"] in (errcode, "M_MISSING_PARAM")


async def test_search_for_nothing_finds_nothing(server: InProcessServer) -> None:
    alice = await server.register("alice")
    room_id = await alice.create_room()
    await alice.send(room_id, "needle")
    await indexed(server)
    assert (await search(alice, "…"))["results"] == []
    assert (await alice.post("/search", {"search_categories": {}}, expect=200)).json == {"search_categories": {}}


async def test_what_is_found_comes_with_what_is_bundled(server: InProcessServer) -> None:
    alice, bob = await server.register("alice"), await server.register("bob")
    chats = []
    for _ in range(2):
        chat = Chat(await alice.create_room(preset="public_chat"))
        await bob.join(chat.room_id)
        root = await alice.send(chat.room_id, "needle")
        await chat.relate(alice, "m.thread", root, text="mine")
        await chat.relate(bob, "m.thread", root, text="theirs")
        await chat.relate(alice, "m.replace", root, text="needle, edited")
        chats.append(chat)
    await indexed(server)

    async def bundled() -> list[tuple[set[str], int]]:
        found = [result["result"] for result in (await search(alice, "needle"))["results"]]
        assert {event["room_id"] for event in found} == {chat.room_id for chat in chats}
        relations = [event["unsigned"]["m.relations"] for event in found]
        return [(set(each), each["m.thread"]["count"]) for each in relations]

    assert await bundled() == [({"m.replace", "m.thread"}, 2)] * 2
    await ignore(alice, bob.user_id)
    assert await bundled() == [({"m.replace", "m.thread"}, 1)] * 2
