from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api_gateway.endpoints.test_relations import Chat, ignore
from tests.in_process import Client


@pytest.fixture
async def chat(bob: Client, room_id: str) -> Chat:
    await bob.join(room_id)
    return Chat(room_id)


async def roots(client: Client, chat: Chat, query: str = "") -> list[str]:
    return [event["event_id"] for event in await chat.threads(client, query)]


async def test_threads_are_ordered_by_their_latest_reply(alice: Client, bob: Client, chat: Chat) -> None:
    first, second, third = [await alice.send(chat.room_id, text) for text in ("1", "2", "3")]
    for root in (first, second, third, first):
        await chat.relate(bob, "m.thread", root, text="reply")
    assert await roots(alice, chat) == [first, third, second]
    [latest, *_] = await chat.threads(alice)
    thread = latest["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["current_user_participated"]) == (2, True)
    assert thread["latest_event"]["content"]["body"] == "reply"


async def test_every_thread_is_on_one_page(alice: Client, chat: Chat) -> None:
    sent = [await alice.send(chat.room_id, str(number)) for number in range(7)]
    for root in sent:
        await chat.relate(alice, "m.thread", root, text="reply")
    path = f"/_matrix/client/v1{chat.path}/threads?limit=3"
    found: list[str] = []
    page = (await alice.get(path, expect=200)).json
    while True:
        found += [event["event_id"] for event in page["chunk"]]
        if "next_batch" not in page:
            break
        assert len(page["chunk"]) == 3
        page = (await alice.get(f"{path}&from={page['next_batch']}", expect=200)).json
    assert found == list(reversed(sent))


async def test_participated_are_those_one_began_or_replied_in(alice: Client, bob: Client, chat: Chat) -> None:
    begun = await bob.send(chat.room_id, "bob's")
    replied = await alice.send(chat.room_id, "alice's, bob replies")
    neither = await alice.send(chat.room_id, "alice's alone")
    for root in (begun, replied, neither):
        await chat.relate(alice, "m.thread", root, text="reply")
    reply = await chat.relate(bob, "m.thread", replied, text="bob's reply")
    assert await roots(bob, chat, "?include=participated") == [replied, begun]
    assert await roots(bob, chat, "?include=all") == [replied, neither, begun]
    await chat.redact(bob, reply)
    assert await roots(bob, chat, "?include=participated") == [begun]
    assert await roots(bob, chat) == [neither, replied, begun]


async def test_root_of_an_ignored_user_comes_redacted(alice: Client, bob: Client, chat: Chat) -> None:
    root = await bob.send(chat.room_id, "theirs")
    await chat.relate(alice, "m.thread", root, text="mine")
    await chat.relate(bob, "m.thread", root, text="theirs")
    await ignore(alice, bob.user_id)
    [event] = await chat.threads(alice)
    assert (event["event_id"], event["content"]) == (root, {})
    assert event["unsigned"]["m.relations"]["m.thread"]["count"] == 1


async def test_who_is_not_in_the_room_sees_no_threads(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    answer = await bob.get(f"/_matrix/client/v1/rooms/{quote(room_id)}/threads", expect=403)
    assert answer.json["errcode"] == "M_FORBIDDEN"


@pytest.mark.parametrize("query", ["?limit=0", "?limit=-1", "?from=x", "?include=some"])
async def test_nonsense_is_refused(alice: Client, chat: Chat, query: str) -> None:
    answer = await alice.get(f"/_matrix/client/v1{chat.path}/threads{query}", expect=400)
    assert answer.json["errcode"] == "M_INVALID_PARAM"
