"""Rooms that two users share."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from api_gateway.endpoints import mutual_rooms
from tests.in_process import Client

MUTUAL = "/_matrix/client/v1/mutual_rooms"


async def test_only_rooms_that_both_are_joined_to_are_mutual(alice: Client, bob: Client) -> None:
    both = [await alice.create_room(preset="public_chat") for _ in range(3)]
    for room_id in both:
        await bob.join(room_id)
    left, invited = await alice.create_room(preset="public_chat"), await alice.create_room(invite=[bob.user_id])
    await bob.join(left)
    await bob.post(f"/rooms/{left}/leave", expect=200)
    assert invited
    for caller, other in ((alice, bob), (bob, alice)):
        answer = (await caller.get(f"{MUTUAL}?user_id={other.user_id}", expect=200)).json
        assert answer == {"joined": sorted(both), "count": 3}


async def test_pages(alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutual_rooms, "ROOMS_MAX", 2)
    rooms = [await alice.create_room(preset="public_chat") for _ in range(5)]
    for room_id in rooms:
        await bob.join(room_id)
    found: list[str] = []
    query = f"?user_id={bob.user_id}"
    while True:
        answer = (await alice.get(MUTUAL + query, expect=200)).json
        assert answer["count"] == 5
        found += answer["joined"]
        if "next_batch" not in answer:
            break
        query = f"?user_id={bob.user_id}&from={answer['next_batch']}"
    assert found == sorted(rooms)


@pytest.mark.parametrize("user_id", ["@nobody:example.org", "@bob:elsewhere.example"])
async def test_nothing_is_shared_with_strangers(alice: Client, room_id: str, user_id: str) -> None:
    assert (await alice.get(f"{MUTUAL}?user_id={user_id}", expect=200)).json == {"joined": [], "count": 0}


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ("", "M_MISSING_PARAM"),
        ("?user_id=bob", "M_INVALID_PARAM"),
        ("?user_id=@alice:example.org", "M_INVALID_PARAM"),
        ("?user_id=@bob:example.org&from=x", "M_INVALID_PARAM"),
        ("?user_id=@bob:example.org&from=" + "A" * 2000, "M_INVALID_PARAM"),
        ("?user_id=@bob:example.org&from=" + urlsafe_b64encode(b"room").decode(), "M_INVALID_PARAM"),
    ],
)
async def test_impossible_questions_are_refused(alice: Client, query: str, errcode: str) -> None:
    answer = await alice.get(MUTUAL + query)
    assert (answer.status, answer.errcode) == (400, errcode)
