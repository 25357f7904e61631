"""What is bundled with events in /sync: where it leaves events out, and always as it is now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api_gateway.endpoints.test_relations import Chat, ignore
from tests.in_process import Client, InProcessServer, running_server
from tests.sync_api.test_in_process import sync

LIMITED = '{"room":{"timeline":{"limit":2}}}'


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    async with running_server() as running:
        yield running


@pytest.fixture
async def alice(server: InProcessServer) -> Client:
    return await server.register("alice")


@pytest.fixture
async def bob(server: InProcessServer) -> Client:
    return await server.register("bob")


@pytest.fixture
async def chat(alice: Client, bob: Client) -> Chat:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    return Chat(room_id)


async def bundled(client: Client, chat: Chat, event_id: str, **query: Any) -> dict[str, Any]:
    """`m.relations` of the event in an answer of /sync that has it."""
    answer = await sync(client, **query)
    events = answer["rooms"]["join"][chat.room_id]["timeline"]["events"]
    [event] = [event for event in events if event["event_id"] == event_id]
    relations: dict[str, Any] = event["unsigned"].get("m.relations", {})
    return relations


async def test_initial_sync_bundles_what_is_true_at_that_moment(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    assert await bundled(alice, chat, root) == {}
    edit = await chat.relate(alice, "m.replace", root, text="edited")
    assert (await bundled(bob, chat, root))["m.replace"]["event_id"] == edit
    for number in range(1, 4):
        reply = await chat.relate(bob, "m.thread", root, text=f"reply {number}")
        for client in (alice, bob):
            thread = (await bundled(client, chat, root))["m.thread"]
            assert (thread["count"], thread["latest_event"]["event_id"]) == (number, reply)
            assert thread["current_user_participated"] is True
            assert thread["latest_event"]["unsigned"]["membership"] == "join"
    edited_reply = await chat.relate(bob, "m.replace", reply, text="edited reply")
    thread = (await bundled(alice, chat, root))["m.thread"]
    assert thread["latest_event"]["unsigned"]["m.relations"]["m.replace"]["event_id"] == edited_reply
    reference = await chat.relate(bob, "m.reference", root, text="reference")
    assert (await bundled(alice, chat, root))["m.reference"] == {"chunk": [{"event_id": reference}]}
    for event_id in (edit, reply, reference):
        await chat.redact(alice, event_id)
    found = await bundled(alice, chat, root)
    assert set(found) == {"m.thread"}
    assert found["m.thread"]["count"] == 2


async def test_participation_differs_between_those_who_get_the_same_events(
    server: InProcessServer, alice: Client, bob: Client, chat: Chat
) -> None:
    carol = await server.register("carol")
    await carol.join(chat.room_id)
    root = await alice.send(chat.room_id, "root")
    await chat.relate(bob, "m.thread", root, text="reply")
    found = [await bundled(client, chat, root) for client in (alice, bob, carol)]
    assert [relations["m.thread"]["current_user_participated"] for relations in found] == [True, True, False]


async def test_participation_in_a_thread_of_many_is_known(
    server: InProcessServer, alice: Client, bob: Client, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomserver.input.relations.PARTICIPANTS_KEPT", 1)
    carol, dave = await server.register("carol"), await server.register("dave")
    root = await alice.send(chat.room_id, "root")
    await chat.relate(bob, "m.thread", root, text="reply")
    for client in (carol, dave):
        await client.join(chat.room_id)
    await chat.relate(carol, "m.thread", root, text="reply")
    found = [await bundled(client, chat, root) for client in (bob, carol, dave)]
    assert [relations["m.thread"]["current_user_participated"] for relations in found] == [True, True, False]
    assert (await chat.bundled(carol, root))["m.thread"]["current_user_participated"] is True
    assert [event["event_id"] for event in await chat.threads(carol, "?include=participated")] == [root]


async def test_complete_timeline_comes_with_the_children_and_bundles_nothing(
    alice: Client, bob: Client, chat: Chat
) -> None:
    since = (await sync(bob))["next_batch"]
    root = await alice.send(chat.room_id, "root")
    await chat.relate(alice, "m.replace", root, text="edited")
    assert await bundled(bob, chat, root, since=since) == {}
    edit = await chat.relate(alice, "m.replace", root, text="again")
    root_again = await alice.send(chat.room_id, "another")
    await chat.relate(alice, "m.replace", root_again, text="edited")
    limited = await bundled(bob, chat, edit, since=since, filter='{"room":{"timeline":{"limit":3}}}')
    assert limited == {}
    assert "m.replace" in await bundled(bob, chat, root_again, since=since, filter=LIMITED)


async def test_ignored_users_have_no_part_in_it(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    own = await chat.relate(alice, "m.thread", root, text="mine")
    await chat.relate(bob, "m.thread", root, text="theirs")
    assert (await bundled(alice, chat, root))["m.thread"]["count"] == 2
    await ignore(alice, bob.user_id)
    thread = (await bundled(alice, chat, root))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, own)
    assert (await bundled(bob, chat, root))["m.thread"]["count"] == 2


async def test_redacted_parent_keeps_its_thread_alone(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    await chat.relate(alice, "m.replace", root, text="edit")
    await chat.relate(bob, "m.thread", root, text="reply")
    assert set(await bundled(bob, chat, root)) == {"m.replace", "m.thread"}
    await chat.redact(alice, root)
    assert set(await bundled(bob, chat, root)) == {"m.thread"}


async def test_who_left_is_told_what_was_bundled_then(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    edit = await chat.relate(alice, "m.replace", root, text="before")
    since = (await sync(bob))["next_batch"]
    more = await alice.send(chat.room_id, "more")
    await chat.relate(alice, "m.replace", more, text="more")
    await bob.post(f"{chat.path}/leave", expect=200)
    await chat.relate(alice, "m.replace", root, text="after")
    wanted = '{"room":{"include_leave":true,"timeline":{"limit":20}}}'
    left = (await sync(bob, filter=wanted))["rooms"]["leave"][chat.room_id]["timeline"]
    assert left["limited"] is False
    answer = await sync(bob, since=since, filter='{"room":{"timeline":{"limit":3}}}')
    assert answer["rooms"]["leave"][chat.room_id]["timeline"]["limited"] is False
    small = '{"room":{"include_leave":true,"timeline":{"limit":5}}}'
    left = (await sync(bob, filter=small))["rooms"]["leave"][chat.room_id]["timeline"]
    assert left["limited"] is True
    [event] = [event for event in left["events"] if event["event_id"] == root]
    assert event["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit


async def test_redacted_redaction_is_not_quoted_from_memory(alice: Client, bob: Client, chat: Chat) -> None:
    event_id = await alice.send(chat.room_id, "secret")
    await sync(bob)
    path = f"{chat.path}/redact/{event_id}/r"
    redaction = (await alice.put(path, {"reason": "it was secret"}, expect=200)).json["event_id"]
    await chat.redact(alice, redaction)
    answer = await bob.get("/sync", expect=200)
    assert b"it was secret" not in answer.body


async def test_what_is_held_of_a_room_is_weighed_with_what_is_bundled(
    server: InProcessServer, alice: Client, chat: Chat
) -> None:
    root = await alice.send(chat.room_id, "root")
    await bundled(alice, chat, root)
    view = server.sync_api.rooms.get(chat.room_id)
    assert view is not None
    contents = view.contents
    assert contents is not None
    assert contents.weight() == contents.bytes_held
    await chat.relate(alice, "m.replace", root, text="x" * 5000)
    await bundled(alice, chat, root)
    assert contents.weight() > contents.bytes_held + 10_000
    for number in range(60):
        await alice.send(chat.room_id, str(number))
    assert contents.weight() == contents.bytes_held
