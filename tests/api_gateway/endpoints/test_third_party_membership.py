"""Invitations to addresses: what can be done without an identity server."""

from __future__ import annotations

from typing import Any

import pytest

from matrix_protocol.signatures import SigningKey, sign_json
from tests.in_process import Client

KEY = SigningKey("ed25519:0", b"i" * 32)
OTHER_KEY = SigningKey("ed25519:0", b"j" * 32)
IDENTITY_SERVER = "identity.example"
WITH_URL = {"public_key": KEY.verify_key_base64, "key_validity_url": "https://identity.example/valid"}


async def issue(alice: Client, room_id: str, token: str = "t", **content: Any) -> None:
    content = content or {"display_name": "b...@example.org", "public_keys": [{"public_key": KEY.verify_key_base64}]}
    await alice.put(f"/rooms/{room_id}/state/m.room.third_party_invite/{token}", content, expect=200)


def signed(user_id: str, token: str = "t", key: SigningKey = KEY) -> dict[str, Any]:
    return {"sender": "@alice:example.org", **sign_json({"mxid": user_id, "token": token}, IDENTITY_SERVER, key)}


async def test_who_owns_the_address_joins(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room()
    await issue(alice, room_id)
    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"}, expect=200)
    body = {"third_party_signed": signed(bob.user_id)}
    for _ in range(2):
        assert (await bob.post(f"/rooms/{room_id}/join", body, expect=200)).json == {"room_id": room_id}
    events = (await alice.get(f"/rooms/{room_id}/messages?dir=b&limit=2", expect=200)).json["chunk"]
    assert [(event["sender"], event["content"]["membership"]) for event in events] == [
        (bob.user_id, "join"),
        (alice.user_id, "invite"),
    ]
    content = events[1]["content"]
    assert (events[1]["state_key"], content["displayname"]) == (bob.user_id, "Bob")
    assert content["third_party_invite"]["display_name"] == "b...@example.org"
    assert content["third_party_invite"]["signed"]["token"] == "t"


@pytest.mark.parametrize(
    ("claim", "errcode"),
    [
        ({}, "M_BAD_JSON"),
        ({"token": 1}, "M_BAD_JSON"),
        (signed("@bob:example.org", "another"), "M_FORBIDDEN"),
        (signed("@carol:example.org"), "M_FORBIDDEN"),
        (signed("@bob:example.org", key=OTHER_KEY), "M_FORBIDDEN"),
        ({**signed("@bob:example.org"), "signatures": {}}, "M_FORBIDDEN"),
        ({"mxid": "@bob:example.org", "token": "t"}, "M_FORBIDDEN"),
    ],
)
async def test_nobody_else_does(alice: Client, bob: Client, claim: dict[str, Any], errcode: str) -> None:
    room_id = await alice.create_room()
    await issue(alice, room_id)
    answer = await bob.request("POST", f"/rooms/{room_id}/join", {"third_party_signed": claim})
    assert answer.errcode == errcode
    assert (await bob.post(f"/rooms/{room_id}/join")).errcode == "M_FORBIDDEN"


async def test_an_invitation_that_was_taken_back_or_whose_key_must_be_asked_for_is_none(
    alice: Client, bob: Client
) -> None:
    room_id = await alice.create_room()
    body = {"third_party_signed": signed(bob.user_id)}
    for content in ({"x": 1}, WITH_URL, {"public_keys": [WITH_URL, "x"]}, {"public_keys": WITH_URL}):
        await issue(alice, room_id, **content)
        assert (await bob.post(f"/rooms/{room_id}/join", body)).errcode == "M_FORBIDDEN"
    await issue(alice, room_id, public_key=KEY.verify_key_base64)
    await bob.post(f"/rooms/{room_id}/join", body, expect=200)


async def test_it_holds_though_who_issued_it_has_left_but_not_for_the_banned(alice: Client, bob: Client) -> None:
    """ "If any signature in `signed` matches […], allow": the auth rules don't ask for more of its sender."""
    carol = await alice.server.register("carol")
    room_id = await alice.create_room(preset="public_chat", power_level_content_override={"invite": 0})
    await carol.join(room_id)
    await issue(carol, room_id)
    await alice.put(f"/rooms/{room_id}/state/m.room.join_rules", {"join_rule": "invite"}, expect=200)
    await alice.post(f"/rooms/{room_id}/kick", {"user_id": carol.user_id}, expect=200)
    body = {"third_party_signed": signed(bob.user_id)}
    await alice.post(f"/rooms/{room_id}/ban", {"user_id": bob.user_id}, expect=200)
    assert (await bob.post(f"/rooms/{room_id}/join", body)).errcode == "M_FORBIDDEN"
    await alice.post(f"/rooms/{room_id}/unban", {"user_id": bob.user_id}, expect=200)
    await bob.post(f"/rooms/{room_id}/join", body, expect=200)


async def test_inviting_an_address_needs_an_identity_server(alice: Client, room_id: str) -> None:
    invite = {"id_server": IDENTITY_SERVER, "id_access_token": "x", "medium": "email", "address": "b@example.org"}
    answer = await alice.post(f"/rooms/{room_id}/invite", invite)
    assert (answer.status, answer.errcode) == (403, "M_THREEPID_DENIED")
    answer = await alice.post("/createRoom", {"invite_3pid": [invite]})
    assert (answer.status, answer.errcode) == (403, "M_THREEPID_DENIED")
