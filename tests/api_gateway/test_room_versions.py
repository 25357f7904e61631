"""Rooms of the two versions that choose their event IDs, over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from matrix_protocol.room_versions import ROOM_VERSIONS
from tests.in_process import Client


async def test_every_version_is_offered(alice: Client) -> None:
    capability = (await alice.get("/capabilities", expect=200)).json["capabilities"]["m.room_versions"]
    assert capability["available"] == dict.fromkeys(map(str, range(1, 13)), "stable")
    assert list(ROOM_VERSIONS) == list(capability["available"])


@pytest.mark.parametrize("version", ["1", "2"])
async def test_life_of_a_room_with_chosen_event_ids(alice: Client, bob: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version, preset="public_chat")
    room = f"/rooms/{quote(room_id)}"
    await bob.join(room_id)
    event_id = await bob.send(room_id, "secret")
    assert event_id.startswith("$")
    assert event_id.endswith(":" + bob.user_id.partition(":")[2])
    refused = await bob.put(f"{room}/state/m.room.name", {"name": "Bob's"})
    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    levels = (await alice.get(f"{room}/state/m.room.power_levels", expect=200)).json
    levels["users"][bob.user_id] = 50
    await alice.put(f"{room}/state/m.room.power_levels", levels, expect=200)
    await bob.put(f"{room}/state/m.room.name", {"name": "Bob's"}, expect=200)
    await alice.put(f"{room}/redact/{quote(event_id)}/t1", {"reason": "spam"}, expect=200)
    event = (await alice.get(f"{room}/event/{quote(event_id)}", expect=200)).json
    assert event["content"] == {}
    assert event["unsigned"]["redacted_because"]["redacts"] == event_id
    messages = (await bob.get(f"{room}/messages?dir=b&limit=3", expect=200)).json["chunk"]
    assert [message["type"] for message in messages] == ["m.room.redaction", "m.room.name", "m.room.power_levels"]
