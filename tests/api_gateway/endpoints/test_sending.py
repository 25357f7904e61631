"""room_send, room_state, redaction."""

from __future__ import annotations

import pytest

from tests.in_process import Client, InProcessServer


async def test_same_transaction_id_of_a_device_is_the_same_event(
    server: InProcessServer, alice: Client, room_id: str
) -> None:
    first = await alice.send(room_id, "x", txn_id="1")
    assert await alice.send(room_id, "x", txn_id="1") == first
    assert await alice.send(room_id, "x", txn_id="2") != first
    other_device = await server.log_in("alice")
    assert await other_device.send(room_id, "x", txn_id="1") != first


async def test_sender_who_is_not_in_the_room_is_refused(bob: Client, room_id: str) -> None:
    answer = await bob.put(f"/rooms/{room_id}/send/m.room.message/1", {"body": "x", "msgtype": "m.text"})
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        (b"", 400, "M_NOT_JSON"),
        (b"[]", 400, "M_BAD_JSON"),
        (b"{", 400, "M_NOT_JSON"),
        (b'{"a":1.5}', 400, "M_BAD_JSON"),
        (b'{"a":9007199254740993}', 400, "M_BAD_JSON"),
        (b'{"a":"' + b"x" * 65_000 + b'"}', 413, "M_TOO_LARGE"),
        (b'{"a":"' + b"x" * 70_000 + b'"}', 413, "M_TOO_LARGE"),
        (b'{"a":"' + b"x" * 500_000 + b'"}', 413, "M_TOO_LARGE"),
    ],
)
@pytest.mark.parametrize("path", ["send/m.room.message/1", "state/org.example.x/y"])
async def test_content_that_cannot_be_is_refused(
    alice: Client, room_id: str, path: str, body: bytes, status: int, errcode: str
) -> None:
    answer = await alice.put(f"/rooms/{room_id}/{path}", body=body)
    assert (answer.status, answer.errcode) == (status, errcode)


async def test_escaped_content_counts_as_what_it_means(alice: Client, room_id: str) -> None:
    body = b'{"a":"' + rb"\u0041" * 20_000 + b'"}'
    await alice.put(f"/rooms/{room_id}/send/org.example.x/1", body=body, expect=200)


@pytest.mark.parametrize("event_type", ["x" * 256, "%00", "%20", "m.room.m%2Fessage"])
async def test_unusual_event_types_are_answered(alice: Client, room_id: str, event_type: str) -> None:
    answer = await alice.put(f"/rooms/{room_id}/send/{event_type}/1", {})
    assert answer.status in (200, 400, 413)


async def test_unknown_room_is_refused(alice: Client) -> None:
    for room_id, statuses in (("!unknown:example.org", (403, 404)), ("nonsense", (400,)), ("!" + "x" * 300, (400,))):
        answer = await alice.put(f"/rooms/{room_id}/send/m.room.message/1", {"body": "x", "msgtype": "m.text"})
        assert answer.status in statuses


@pytest.mark.parametrize("end", ["", "/"])
async def test_empty_state_key_may_be_left_out(alice: Client, room_id: str, end: str) -> None:
    await alice.put(f"/rooms/{room_id}/state/m.room.topic{end}", {"topic": "x"}, expect=200)
    assert (await alice.get(f"/rooms/{room_id}/state/m.room.topic{end}", expect=200)).json == {"topic": "x"}


async def test_state_key_may_hold_anything(alice: Client, room_id: str) -> None:
    await alice.put(f"/rooms/{room_id}/state/org.example.x/a%2Fb%20c", {"v": 1}, expect=200)
    event = (await alice.get(f"/rooms/{room_id}/state/org.example.x/a%2Fb%20c?format=event", expect=200)).json
    assert (event["state_key"], event["content"]) == ("a/b c", {"v": 1})


@pytest.mark.parametrize("content", [{"alias": "x"}, {"alt_aliases": ["#x"]}, {"alias": 1}, {"alt_aliases": [[]]}])
async def test_malformed_aliases_are_refused(alice: Client, room_id: str, content: dict[str, object]) -> None:
    answer = await alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", content)
    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_empty_alias_is_allowed(alice: Client, room_id: str) -> None:
    await alice.put(f"/rooms/{room_id}/state/m.room.canonical_alias", {"alias": ""}, expect=200)


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_redacted_message_loses_its_content(alice: Client, version: str) -> None:
    room_id = await alice.create_room(room_version=version)
    event_id = await alice.send(room_id, "secret")
    answer = await alice.put(f"/rooms/{room_id}/redact/{event_id}/1", {"reason": "oops"}, expect=200)
    event = (await alice.get(f"/rooms/{room_id}/event/{event_id}", expect=200)).json
    assert event["content"] == {}
    assert event["unsigned"]["redacted_because"]["event_id"] == answer.json["event_id"]
    redaction = (await alice.get(f"/rooms/{room_id}/event/{answer.json['event_id']}", expect=200)).json
    assert (redaction["redacts"], redaction["content"]["redacts"]) == (event_id, event_id)
    assert redaction["content"]["reason"] == "oops"


async def test_redaction_may_also_be_sent_as_an_event(alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "secret")
    await alice.put(f"/rooms/{room_id}/send/m.room.redaction/1", {"redacts": event_id}, expect=200)
    assert (await alice.get(f"/rooms/{room_id}/event/{event_id}")).json["content"] == {}
    assert (await alice.put(f"/rooms/{room_id}/send/m.room.redaction/2", {})).status == 400


async def test_redaction_without_body_works_and_of_nonsense_not(alice: Client, room_id: str) -> None:
    event_id = await alice.send(room_id, "secret")
    await alice.request("PUT", f"/rooms/{room_id}/redact/{event_id}/1", expect=200)
    assert (await alice.put(f"/rooms/{room_id}/redact/nonsense/1")).status == 400
