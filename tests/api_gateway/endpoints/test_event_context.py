from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.in_process import Client


@pytest.fixture
async def sent(alice: Client, room_id: str) -> list[str]:
    return [await alice.send(room_id, str(number)) for number in range(9)]


async def context(client: Client, room_id: str, event_id: str, query: str = "") -> dict[str, Any]:
    path = f"/rooms/{quote(room_id)}/context/{quote(event_id)}{query}"
    answer: dict[str, Any] = (await client.get(path, expect=200)).json
    return answer


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


async def test_limit_is_shared_between_what_is_before_and_after(alice: Client, room_id: str, sent: list[str]) -> None:
    found = await context(alice, room_id, sent[4], "?limit=5")
    assert found["event"]["event_id"] == sent[4]
    assert ids(found["events_before"]) == [sent[3], sent[2]]
    assert ids(found["events_after"]) == [sent[5], sent[6], sent[7]]


async def test_tokens_lead_on_in_both_directions(alice: Client, room_id: str, sent: list[str]) -> None:
    for query in ("?limit=3", "?limit=0"):
        found = await context(alice, room_id, sent[4], query)
        before = found["events_before"][::-1] + [found["event"]] + found["events_after"]
        older = (await alice.get(f"/rooms/{room_id}/messages?dir=b&limit=2&from={found['start']}")).json["chunk"]
        newer = (await alice.get(f"/rooms/{room_id}/messages?dir=f&limit=2&from={found['end']}")).json["chunk"]
        shown = ids(older[::-1] + before + newer)
        assert shown == sent[sent.index(shown[0]) : sent.index(shown[-1]) + 1]


async def test_state_is_that_at_the_last_event(alice: Client, room_id: str) -> None:
    path = f"/rooms/{room_id}/state/m.room.name"
    await alice.put(path, {"name": "before"}, expect=200)
    event_id = await alice.send(room_id, "here")
    await alice.put(path, {"name": "after"}, expect=200)
    names = {}
    for limit in (0, 2):
        found = await context(alice, room_id, event_id, f"?limit={limit}")
        [names[limit]] = [event["content"]["name"] for event in found["state"] if event["type"] == "m.room.name"]
    assert names == {0: "before", 2: "after"}


async def test_filter_applies_to_all_but_the_event_itself(alice: Client, room_id: str, sent: list[str]) -> None:
    await alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "T"}, expect=200)
    wanted = quote(json.dumps({"types": ["m.room.topic"]}))
    found = await context(alice, room_id, sent[-1], f"?filter={wanted}")
    assert found["event"]["event_id"] == sent[-1]
    assert found["events_before"] == []
    assert {event["type"] for event in found["events_after"] + found["state"]} == {"m.room.topic"}


async def test_lazy_members_are_those_of_the_senders_shown(alice: Client, bob: Client, room_id: str) -> None:
    await bob.join(room_id)
    event_id = await alice.send(room_id, "hello")
    lazy = quote(json.dumps({"lazy_load_members": True}))
    for query, expected in ((f"?filter={lazy}&limit=0", {alice.user_id}), ("?limit=0", {alice.user_id, bob.user_id})):
        found = await context(alice, room_id, event_id, query)
        assert {event["state_key"] for event in found["state"] if event["type"] == "m.room.member"} == expected


async def test_first_event_of_a_room_has_nothing_before_it(alice: Client, room_id: str) -> None:
    create = (await alice.get(f"/rooms/{room_id}/messages?dir=f&limit=1")).json["chunk"][0]
    found = await context(alice, room_id, create["event_id"])
    assert found["events_before"] == []
    assert len(found["events_after"]) == 5


async def test_event_that_one_may_not_see_is_not_found(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    event_id = await alice.send(room_id, "secret")
    answer = await bob.get(f"/rooms/{quote(room_id)}/context/{quote(event_id)}", expect=404)
    assert answer.json["errcode"] == "M_NOT_FOUND"
