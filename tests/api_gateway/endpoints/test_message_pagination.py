from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.in_process import Client, InProcessServer


async def page(client: Client, room_id: str, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"/rooms/{room_id}/messages?{query}", expect=200)).json
    return answer


def bodies(answer: dict[str, Any]) -> list[str]:
    return [event["content"]["body"] for event in answer["chunk"] if event["type"] == "m.room.message"]


@pytest.fixture
async def chat(alice: Client, room_id: str) -> str:
    """A room with the messages 0 to 24."""
    for number in range(25):
        await alice.send(room_id, str(number))
    return room_id


async def test_ten_latest_events_are_given_by_default_with_where_to_go_on(alice: Client, chat: str) -> None:
    first = await page(alice, chat, "dir=b")
    assert bodies(first) == [str(number) for number in range(24, 14, -1)]
    second = await page(alice, chat, f"dir=b&from={first['end']}")
    assert bodies(second) == [str(number) for number in range(14, 4, -1)]
    assert second["start"] == first["end"]


async def test_whole_room_is_read_to_its_create_event_and_then_there_is_no_end(alice: Client, chat: str) -> None:
    answer = await page(alice, chat, "dir=b&limit=1000")
    assert answer["chunk"][-1]["type"] == "m.room.create"
    assert "end" not in answer
    assert bodies(answer) == [str(number) for number in range(24, -1, -1)]


async def test_forwards_is_backwards_the_other_way_round(alice: Client, chat: str) -> None:
    found: list[dict[str, Any]] = []
    query = "dir=f&limit=4"
    while True:
        answer = await page(alice, chat, query)
        found += answer["chunk"]
        if "end" not in answer:
            break
        query = f"dir=f&limit=4&from={answer['end']}"
    backwards = (await page(alice, chat, "dir=b&limit=1000"))["chunk"]
    assert [event["event_id"] for event in found] == [event["event_id"] for event in reversed(backwards)]


async def test_page_ends_at_the_other_token(alice: Client, chat: str) -> None:
    first = await page(alice, chat, "dir=b&limit=5")
    second = await page(alice, chat, f"dir=b&limit=5&from={first['end']}")
    between = await page(alice, chat, f"dir=b&limit=100&from={first['end']}&to={second['end']}")
    assert bodies(between) == bodies(second)
    assert bodies(await page(alice, chat, f"dir=f&from={second['end']}&to={first['end']}")) == bodies(second)[::-1]


async def test_sync_token_is_a_place_in_the_room_too(alice: Client, chat: str) -> None:
    next_batch = (await alice.get("/sync", expect=200)).json["next_batch"]
    await alice.send(chat, "later")
    assert bodies(await page(alice, chat, f"dir=f&from={next_batch}")) == ["later"]
    assert bodies(await page(alice, chat, f"dir=b&limit=1&from={next_batch}")) == ["24"]


async def test_nothing_stands_before_the_beginning(alice: Client, chat: str) -> None:
    assert (await page(alice, chat, "dir=b&from=t0")) == {"start": "t0", "chunk": []}
    assert (await page(alice, chat, "dir=f&to=t0"))["chunk"] == []


async def test_filter_is_applied_and_its_limit_where_the_query_has_none(alice: Client, chat: str) -> None:
    wanted = quote(orjson.dumps({"types": ["m.room.create", "m.room.member"], "limit": 1}))
    answer = await page(alice, chat, f"dir=f&filter={wanted}")
    assert [event["type"] for event in answer["chunk"]] == ["m.room.create"]
    answer = await page(alice, chat, f"dir=f&filter={wanted}&limit=100")
    assert [event["type"] for event in answer["chunk"]] == ["m.room.create", "m.room.member"]


async def test_lazy_loading_gives_the_members_who_sent_the_page(
    server: InProcessServer, alice: Client, bob: Client, chat: str
) -> None:
    await bob.join(chat)
    carol = await server.register("carol")
    await carol.join(chat)
    await alice.send(chat, "from alice")
    await bob.send(chat, "from bob")
    answer = await page(alice, chat, "dir=b&limit=2&filter=" + quote('{"lazy_load_members":true}'))
    assert sorted(event["state_key"] for event in answer["state"]) == [alice.user_id, bob.user_id]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("", "M_MISSING_PARAM"),
        ("dir=x", "M_INVALID_PARAM"),
        ("dir=b&limit=x", "M_INVALID_PARAM"),
        ("dir=b&limit=-1", "M_INVALID_PARAM"),
        ("dir=b&from=x", "M_INVALID_PARAM"),
        ("dir=b&from=t99999999999999999999", "M_INVALID_PARAM"),
        ("dir=b&to=s!", "M_INVALID_PARAM"),
        ("dir=b&filter=x", "M_INVALID_PARAM"),
        ("dir=b&filter=[]", "M_INVALID_PARAM"),
        ("dir=b&filter=%7B%22types%22:1%7D", "M_INVALID_PARAM"),
        ("dir=b&filter=" + "[" * 3000, "M_INVALID_PARAM"),
        ("dir=b&from=%ff", "M_INVALID_PARAM"),
        ("&".join(["a=b"] * 500), "M_INVALID_PARAM"),
    ],
)
async def test_wrong_parameters_are_refused(alice: Client, room_id: str, query: str, errcode: str) -> None:
    answer = await alice.get(f"/rooms/{room_id}/messages?{query}")
    assert (answer.status, answer.errcode) == (400, errcode)


@pytest.mark.parametrize("limit", ["0", "5000", "9223372036854775807"])
async def test_unreasonable_limit_is_made_reasonable(alice: Client, room_id: str, limit: str) -> None:
    assert len((await page(alice, room_id, f"dir=b&limit={limit}"))["chunk"]) >= 1
