"""Relations over the API: what is found, what is bundled, what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.in_process import Client

Json = dict[str, Any]


class Chat:
    """Sends events that relate to others into one room."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.path = f"/rooms/{quote(room_id)}"
        self._number = 0

    async def send(self, client: Client, event_type: str, content: Json, *, expect: int = 200) -> Json:
        self._number += 1
        answer = await client.put(f"{self.path}/send/{event_type}/r{self._number}", content, expect=expect)
        sent: Json = answer.json
        return sent

    async def relate(self, client: Client, rel_type: str, parent: str, *, key: str = "", text: str = "") -> str:
        relates_to: Json = {"rel_type": rel_type, "event_id": parent}
        content: Json = {"m.relates_to": relates_to}
        if key:
            relates_to["key"] = key
        else:
            content |= {"msgtype": "m.text", "body": text}
        if rel_type == "m.replace":
            content["m.new_content"] = {"msgtype": "m.text", "body": text}
        event_id: str = (await self.send(client, "m.reaction" if key else "m.room.message", content))["event_id"]
        return event_id

    async def redact(self, client: Client, event_id: str) -> None:
        self._number += 1
        await client.put(f"{self.path}/redact/{quote(event_id)}/r{self._number}", {}, expect=200)

    async def related(self, client: Client, parent: str, more: str = "") -> list[str]:
        answer = await client.get(f"/_matrix/client/v1{self.path}/relations/{quote(parent)}{more}", expect=200)
        return [event["event_id"] for event in answer.json["chunk"]]

    async def bundled(self, client: Client, event_id: str) -> Json:
        event = (await client.get(f"{self.path}/event/{quote(event_id)}", expect=200)).json
        relations: Json = event["unsigned"].get("m.relations", {})
        return relations

    async def threads(self, client: Client, query: str = "") -> list[Json]:
        answer = await client.get(f"/_matrix/client/v1{self.path}/threads{query}", expect=200)
        chunk: list[Json] = answer.json["chunk"]
        return chunk


@pytest.fixture
async def chat(bob: Client, room_id: str) -> Chat:
    """Alice's room with bob in it."""
    await bob.join(room_id)
    return Chat(room_id)


async def ignore(client: Client, *user_ids: str) -> None:
    path = f"/user/{client.user_id}/account_data/m.ignored_user_list"
    await client.put(path, {"ignored_users": {user_id: {} for user_id in user_ids}}, expect=200)


async def test_children_are_listed_newest_first_by_rel_type_and_event_type(
    alice: Client, bob: Client, chat: Chat
) -> None:
    parent = await alice.send(chat.room_id, "parent")
    liked = await chat.relate(bob, "m.annotation", parent, key="+1")
    edited = await chat.relate(alice, "m.replace", parent, text="better")
    replied = await chat.relate(bob, "m.thread", parent, text="reply")
    other = await chat.relate(bob, "org.example.other", parent, text="other")
    assert await chat.related(alice, parent) == [other, replied, edited, liked]
    assert await chat.related(alice, parent, "?dir=f") == [liked, edited, replied, other]
    assert await chat.related(alice, parent, "/m.annotation") == [liked]
    assert await chat.related(alice, parent, "/org.example.other") == [other]
    assert await chat.related(alice, parent, "/org.example.none") == []
    assert await chat.related(alice, parent, "/m.replace/m.room.message") == [edited]
    assert await chat.related(alice, parent, "/m.replace/m.reaction") == []


async def test_pages_of_relations_hold_every_child_once_in_both_directions(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    children = [await chat.relate(alice, "m.thread", parent, text=str(number)) for number in range(7)]
    children.insert(4, await chat.relate(alice, "m.annotation", parent, key="x"))
    path = f"/_matrix/client/v1{chat.path}/relations/{quote(parent)}"
    for direction, expected in (("b", list(reversed(await chat.related(alice, parent, "?dir=f")))), ("f", None)):
        found: list[str] = []
        query = f"?dir={direction}&limit=3"
        while True:
            page = (await alice.get(path + query, expect=200)).json
            assert ("prev_batch" in page) is bool(found)
            found += [event["event_id"] for event in page["chunk"]]
            if "next_batch" not in page:
                break
            query = f"?dir={direction}&limit=3&from={page['next_batch']}"
        assert sorted(found) == sorted(children)
        assert expected is None or found == expected


async def test_relations_stop_at_the_other_token_and_take_those_of_messages_and_sync(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    first = await chat.relate(alice, "m.thread", parent, text="1")
    since = (await alice.get("/sync", expect=200)).json["next_batch"]
    second = await chat.relate(alice, "m.thread", parent, text="2")
    start = (await alice.get(f"{chat.path}/messages?dir=b&limit=1", expect=200)).json["start"]
    third = await chat.relate(alice, "m.thread", parent, text="3")
    assert await chat.related(alice, parent, f"?from={since}") == [first]
    assert await chat.related(alice, parent, f"?from={start}") == [second, first]
    assert await chat.related(alice, parent, f"?from={start}&to={since}") == [second]
    assert await chat.related(alice, parent, f"?dir=f&from={since}") == [second, third]
    assert await chat.related(alice, parent, f"?from={since}&to={start}") == []


async def test_recursion_finds_what_relates_over_others_to_a_depth_of_three(
    alice: Client, bob: Client, chat: Chat
) -> None:
    root = await alice.send(chat.room_id, "root")
    reply = await chat.relate(bob, "m.thread", root, text="reply")
    edit = await chat.relate(bob, "m.replace", reply, text="edited reply")
    liked = await chat.relate(alice, "m.annotation", reply, key="+1")
    noted = await chat.relate(alice, "org.example.note", edit, text="about the edit")
    too_deep = await chat.relate(alice, "org.example.note", noted, text="about the note")
    assert await chat.related(alice, root, "?recurse=false") == [reply]
    assert await chat.related(alice, root, "?recurse=true") == [noted, liked, edit, reply]
    assert await chat.related(alice, reply, "?recurse=true") == [too_deep, noted, liked, edit]
    # "Events that would match the filter, but whose only relation […] is through a non-matching intermediate event"
    assert await chat.related(alice, root, "/m.replace?recurse=true") == []
    assert await chat.related(alice, edit, "/org.example.note?recurse=true") == [too_deep, noted]
    path = f"/_matrix/client/v1{chat.path}/relations/{quote(root)}"
    depths = [(await alice.get(path + query)).json.get("recursion_depth") for query in ("", "?recurse=true")]
    assert depths == [None, 3]
    await chat.redact(bob, edit)
    assert await chat.related(alice, root, "?recurse=true") == [liked, reply]


async def test_unknown_parent_is_not_found(alice: Client, bob: Client, chat: Chat) -> None:
    stranger_room = await bob.create_room()
    hidden = await bob.send(stranger_room, "secret")
    for room_id, event_id in ((chat.room_id, "$nothing"), (chat.room_id, hidden), (stranger_room, hidden)):
        path = f"/_matrix/client/v1/rooms/{quote(room_id)}/relations/{quote(event_id)}"
        answer = await alice.get(path, expect=404)
        assert answer.json["errcode"] == "M_NOT_FOUND"


async def test_latest_edit_thread_and_references_are_bundled(alice: Client, bob: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    await chat.relate(alice, "m.replace", parent, text="first edit")
    edit = await chat.relate(alice, "m.replace", parent, text="second edit")
    await chat.relate(alice, "m.thread", parent, text="reply 1")
    reply = await chat.relate(bob, "m.thread", parent, text="reply 2")
    reply_edit = await chat.relate(bob, "m.replace", reply, text="reply 2, edited")
    references = [await chat.relate(bob, "m.reference", parent, text=str(n)) for n in range(2)]
    await chat.relate(bob, "m.annotation", parent, key="+1")
    found = await chat.bundled(alice, parent)
    assert set(found) == {"m.replace", "m.thread", "m.reference"}
    assert found["m.replace"]["event_id"] == edit
    assert found["m.replace"]["content"]["m.new_content"]["body"] == "second edit"
    assert found["m.reference"] == {"chunk": [{"event_id": event_id} for event_id in references]}
    thread = found["m.thread"]
    assert (thread["count"], thread["current_user_participated"]) == (2, True)
    assert thread["latest_event"]["event_id"] == reply
    assert thread["latest_event"]["unsigned"]["m.relations"]["m.replace"]["event_id"] == reply_edit
    # "[The server] should not replace the content with that of the replacement event."
    event = (await bob.get(f"{chat.path}/event/{quote(parent)}")).json
    assert event["content"]["body"] == "parent"
    page = (await bob.get(f"{chat.path}/messages?dir=b&limit=50")).json["chunk"]
    by_id = {event["event_id"]: event["unsigned"].get("m.relations") for event in page}
    assert by_id[parent]["m.thread"]["latest_event"]["event_id"] == reply
    assert by_id[reply]["m.replace"]["event_id"] == reply_edit
    assert by_id[edit] is None


async def test_participation_is_the_callers_own(alice: Client, bob: Client, chat: Chat) -> None:
    root = await bob.send(chat.room_id, "root")
    await chat.relate(bob, "m.thread", root, text="reply")
    assert (await chat.bundled(alice, root))["m.thread"]["current_user_participated"] is False
    assert (await chat.bundled(bob, root))["m.thread"]["current_user_participated"] is True


async def test_edits_by_others_of_another_type_of_state_or_of_edits_do_not_count(
    alice: Client, bob: Client, chat: Chat
) -> None:
    parent = await alice.send(chat.room_id, "parent")
    await chat.relate(bob, "m.replace", parent, text="mine now")
    relates_to = {"rel_type": "m.replace", "event_id": parent}
    content = {"m.new_content": {"body": "x"}, "m.relates_to": relates_to}
    await chat.send(alice, "org.example.other", content)
    await chat.send(alice, "m.room.message", {"body": "no new content", "m.relates_to": relates_to})
    assert await chat.related(alice, parent) == []
    edit = await chat.relate(alice, "m.replace", parent, text="valid")
    await chat.relate(alice, "m.replace", edit, text="edit of an edit")
    assert await chat.related(alice, edit) == []
    assert (await chat.bundled(alice, parent))["m.replace"]["event_id"] == edit
    name = (await alice.put(f"{chat.path}/state/m.room.name", {"name": "N"}, expect=200)).json["event_id"]
    await chat.send(alice, "m.room.name", content | {"m.relates_to": {"rel_type": "m.replace", "event_id": name}})
    assert await chat.related(alice, name) == []


async def test_second_reaction_of_the_same_kind_is_refused_until_the_first_is_redacted(
    alice: Client, bob: Client, chat: Chat
) -> None:
    parent = await alice.send(chat.room_id, "parent")
    first = await chat.relate(bob, "m.annotation", parent, key="+1")
    again = {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": "+1"}}
    refused = await chat.send(bob, "m.reaction", again, expect=400)
    assert refused["errcode"] == "M_DUPLICATE_ANNOTATION"
    others = [
        await chat.relate(bob, "m.annotation", parent, key="-1"),
        await chat.relate(alice, "m.annotation", parent, key="+1"),
        (await chat.send(bob, "org.example.reaction", again))["event_id"],
    ]
    await chat.redact(bob, first)
    anew = await chat.relate(bob, "m.annotation", parent, key="+1")
    assert await chat.related(bob, parent, "?dir=f") == [*others, anew]


async def test_same_transaction_is_answered_with_its_reaction_again(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": "+1"}}
    answers = [await alice.put(f"{chat.path}/send/m.reaction/same", content, expect=200) for _ in range(2)]
    assert answers[0].json == answers[1].json


async def test_reaction_is_found_however_its_content_is_escaped(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    body = '{"m\\u002erelates_to":{"rel_type":"m.annotation","event_id":"PARENT","key":"\\ud83d\\udc4d"}}'
    await alice.request(
        "PUT", f"{chat.path}/send/m.reaction/escaped", body=body.replace("PARENT", parent).encode(), expect=200
    )
    assert len(await chat.related(alice, parent, "/m.annotation")) == 1


async def test_reactions_to_reactions_and_edits_are_not_recorded(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    for child in (
        await chat.relate(alice, "m.annotation", parent, key="+1"),
        await chat.relate(alice, "m.replace", parent, text="edit"),
    ):
        await chat.relate(alice, "m.annotation", child, key="+1")
        assert await chat.related(alice, child) == []


async def test_thread_cannot_start_from_an_event_that_relates_to_another(
    alice: Client, bob: Client, chat: Chat
) -> None:
    root = await alice.send(chat.room_id, "root")
    reply = await chat.relate(bob, "m.thread", root, text="reply")
    nested = {"body": "nested", "m.relates_to": {"rel_type": "m.thread", "event_id": reply}}
    refused = await chat.send(alice, "m.room.message", nested, expect=400)
    assert refused["errcode"] == "M_UNKNOWN"
    # A rich reply has `m.relates_to`, but no `rel_type`: a thread may start there.
    rich = {"body": "rich", "m.relates_to": {"m.in_reply_to": {"event_id": root}}}
    rich_id = (await chat.send(alice, "m.room.message", rich))["event_id"]
    await chat.relate(bob, "m.thread", rich_id, text="reply")
    assert (await chat.bundled(alice, rich_id))["m.thread"]["count"] == 1


async def test_redacted_edit_gives_way_to_the_one_before(alice: Client, chat: Chat) -> None:
    parent = await alice.send(chat.room_id, "parent")
    first = await chat.relate(alice, "m.replace", parent, text="1")
    second = await chat.relate(alice, "m.replace", parent, text="2")
    await chat.redact(alice, second)
    assert (await chat.bundled(alice, parent))["m.replace"]["event_id"] == first
    await chat.redact(alice, first)
    assert await chat.bundled(alice, parent) == {}
    assert await chat.related(alice, parent) == []


async def test_redacted_reply_leaves_its_thread(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    first = await chat.relate(bob, "m.thread", root, text="1")
    second = await chat.relate(bob, "m.thread", root, text="2")
    third = await chat.relate(alice, "m.thread", root, text="3")
    await chat.redact(bob, second)
    thread = (await chat.bundled(bob, root))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (2, third)
    await chat.redact(alice, third)
    thread = (await chat.bundled(bob, root))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, first)
    assert thread["current_user_participated"] is True
    await chat.redact(bob, first)
    assert await chat.bundled(bob, root) == {}
    assert await chat.threads(bob) == []


async def test_redacted_root_keeps_its_thread_but_not_its_edits(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    await chat.relate(alice, "m.replace", root, text="edit")
    await chat.relate(bob, "m.thread", root, text="reply")
    await chat.redact(alice, root)
    assert set(await chat.bundled(bob, root)) == {"m.thread"}
    [listed] = await chat.threads(bob)
    assert (listed["event_id"], listed["content"]) == (root, {})
    await chat.relate(bob, "m.thread", root, text="another")
    assert (await chat.bundled(bob, root))["m.thread"]["count"] == 2


async def test_ignored_users_have_no_part_in_what_is_bundled_and_listed(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    own = await chat.relate(alice, "m.thread", root, text="mine")
    theirs = await chat.relate(bob, "m.thread", root, text="theirs")
    await chat.relate(bob, "m.reference", root, text="reference")
    assert await chat.related(alice, root, "/m.thread") == [theirs, own]
    await ignore(alice, bob.user_id)
    bundled = await chat.bundled(alice, root)
    assert set(bundled) == {"m.thread"}
    assert (bundled["m.thread"]["count"], bundled["m.thread"]["latest_event"]["event_id"]) == (1, own)
    assert await chat.related(alice, root) == [own]
    page = (await alice.get(f"{chat.path}/messages?dir=b&limit=50")).json["chunk"]
    [in_page] = [event for event in page if event["event_id"] == root]
    assert in_page["unsigned"]["m.relations"]["m.thread"]["count"] == 1
    only_theirs = await alice.send(chat.room_id, "another root")
    await chat.relate(bob, "m.thread", only_theirs, text="theirs alone")
    assert await chat.bundled(alice, only_theirs) == {}


async def test_who_left_sees_the_thread_as_it_was(alice: Client, bob: Client, chat: Chat) -> None:
    root = await alice.send(chat.room_id, "root")
    before = await chat.relate(alice, "m.thread", root, text="before")
    edit = await chat.relate(alice, "m.replace", root, text="before")
    await bob.post(f"{chat.path}/leave", expect=200)
    await chat.relate(alice, "m.thread", root, text="after")
    await chat.relate(alice, "m.replace", root, text="after")
    found = await chat.bundled(bob, root)
    assert (found["m.thread"]["count"], found["m.thread"]["latest_event"]["event_id"]) == (1, before)
    assert found["m.replace"]["event_id"] == edit
    assert await chat.related(bob, root) == [edit, before]
    assert [event["event_id"] for event in await chat.threads(bob)] == [root]


async def test_children_from_before_an_invitee_came_are_not_shown_where_history_is_closed(
    alice: Client, bob: Client
) -> None:
    closed = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[closed])
    chat = Chat(room_id)
    root = await alice.send(room_id, "root")
    await chat.relate(alice, "m.thread", root, text="before")
    await bob.join(room_id)
    assert await chat.threads(bob) == []
    assert (await bob.get(f"/_matrix/client/v1{chat.path}/relations/{quote(root)}")).status == 404
