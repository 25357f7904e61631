"""Room upgrades."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from matrix_protocol.errors import Unavailable
from roomserver.input.upgrade import UNDER_WAY_MS
from service_kit.rpc.commands import CommandClient
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand, RoomReply
from tests.in_process import Client, InProcessServer

ALIAS = "%23club:example.org"


async def upgrade(client: Client, room_id: str, version: str = "12", **more: Any) -> str:
    answer = await client.post(f"/rooms/{room_id}/upgrade", {"new_version": version, **more}, expect=200)
    replacement: str = answer.json["replacement_room"]
    return replacement


async def state(client: Client, room_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    events = (await client.get(f"/rooms/{room_id}/state", expect=200)).json
    return {(event["type"], event["state_key"]): event["content"] for event in events}


async def tombstone(client: Client, room_id: str) -> object:
    answer = await client.get(f"/rooms/{room_id}/state/m.room.tombstone")
    return answer.json.get("replacement_room") if answer.status == 200 else None


async def resolved(client: Client) -> object:
    return (await client.get(f"/directory/room/{ALIAS}", expect=200)).json["room_id"]


def lose(monkeypatch: pytest.MonkeyPatch, command_name: str, *, done: bool) -> None:
    """The next command of this kind is done or not, and the gateway that sent it dies."""
    send = CommandClient.room

    async def room(self: CommandClient, room_id: str, command: RoomCommand, *, timeout_s: float = 30) -> RoomReply:
        if command.WhichOneof("command") != command_name:
            return await send(self, room_id, command, timeout_s=timeout_s)
        monkeypatch.undo()
        if done:
            await send(self, room_id, command, timeout_s=timeout_s)
        raise Unavailable("the gateway died")

    monkeypatch.setattr(CommandClient, "room", room)


@pytest.mark.parametrize(("old", "new"), [("1", "6"), ("9", "11"), ("11", "12"), ("12", "12"), ("12", "10")])
async def test_the_new_room_is_what_the_old_one_was(alice: Client, bob: Client, old: str, new: str) -> None:
    kept = {
        "m.room.server_acl": {"allow": ["*"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.avatar": {"url": "mxc://example.org/x"},
        "m.room.guest_access": {"guest_access": "can_join"},
        "m.room.history_visibility": {"history_visibility": "joined"},
        "m.room.join_rules": {"join_rule": "public"},
    }
    others = [{"type": "org.example.x", "content": {}}, {"type": "m.space.child", "state_key": "!a:b.c", "content": {}}]
    room_id = await alice.create_room(
        name="Club",
        topic="Things",
        room_version=old,
        visibility="public",
        room_alias_name="club",
        initial_state=[*({"type": name, "content": content} for name, content in kept.items()), *others],
    )
    await bob.join(room_id)
    banned = "@mallory:example.org"
    await alice.post(f"/rooms/{room_id}/ban", {"user_id": banned, "reason": "spam"}, expect=200)
    last = await alice.send(room_id, "bye")
    replacement = await upgrade(alice, room_id, new)
    before, after = await state(alice, room_id), await state(alice, replacement)
    assert after["m.room.create", ""]["room_version"] == new
    assert after["m.room.create", ""]["predecessor"] == {"room_id": room_id, "event_id": last}
    for name in (*kept, "m.room.name", "m.room.topic"):
        assert after[name, ""] == before[name, ""], name
    assert {key for key in after if key[0] == "m.room.member"} == {
        ("m.room.member", alice.user_id),
        ("m.room.member", banned),
    }
    assert after["m.room.member", banned] == {"membership": "ban", "reason": "spam"}
    assert not {("org.example.x", ""), ("m.space.child", "!a:b.c")} & set(after)
    assert after["m.room.canonical_alias", ""] == {"alias": "#club:example.org"}
    assert before["m.room.canonical_alias", ""] == {}
    assert before["m.room.tombstone", ""] == {"body": "This room has been replaced", "replacement_room": replacement}
    levels = before["m.room.power_levels", ""]
    assert (levels["events_default"], levels["invite"]) == (50, 50)
    assert after["m.room.power_levels", ""]["events_default"] == 0
    assert await resolved(bob) == replacement
    assert (await bob.post("/rooms/" + room_id + "/invite", {"user_id": banned})).errcode == "M_FORBIDDEN"
    chunk = (await bob.get("/publicRooms", expect=200)).json["chunk"]
    assert [(room["room_id"], room["name"]) for room in chunk] == [(replacement, "Club")]
    await bob.join(replacement)
    await alice.put(f"/rooms/{replacement}/state/m.room.name", {"name": "Club 2"}, expect=200)


async def test_a_space_keeps_its_type_and_its_children(alice: Client) -> None:
    child = {"type": "m.space.child", "state_key": "!child:example.org", "content": {"via": ["example.org"]}}
    removed = {"type": "m.space.child", "state_key": "!removed:example.org", "content": {}}
    space = await alice.create_room(creation_content={"type": "m.space"}, initial_state=[child, removed])
    after = await state(alice, await upgrade(alice, space))
    assert after["m.room.create", ""]["type"] == "m.space"
    assert {key for key in after if key[0] == "m.space.child"} == {("m.space.child", "!child:example.org")}


async def test_creators_of_the_new_room_are_those_that_were_asked_for(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(room_version="12", creation_content={"additional_creators": [bob.user_id]})
    room_id = await upgrade(alice, room_id)
    after = await state(alice, room_id)
    assert "additional_creators" not in after["m.room.create", ""]
    assert after["m.room.power_levels", ""]["users"] == {bob.user_id: 150}
    room_id = await upgrade(alice, room_id, additional_creators=[bob.user_id, alice.user_id])
    after = await state(alice, room_id)
    assert after["m.room.create", ""]["additional_creators"] == [bob.user_id]
    assert after["m.room.power_levels", ""]["users"] == {}
    after = await state(alice, await upgrade(alice, room_id, "11", additional_creators=["nobody"]))
    assert "additional_creators" not in after["m.room.create", ""]


async def test_who_may_leave_a_tombstone_may_upgrade_and_need_no_more(alice: Client, bob: Client) -> None:
    levels = {"users": {alice.user_id: 100, bob.user_id: 60}, "events": {"m.room.tombstone": 60, "m.room.name": 100}}
    room_id = await alice.create_room(
        name="Club", room_version="11", preset="public_chat", power_level_content_override=levels
    )
    await bob.join(room_id)
    replacement = await upgrade(bob, room_id, "11")
    after = await state(bob, replacement)
    assert after["m.room.name", ""] == {"name": "Club"}
    assert after["m.room.power_levels", ""]["users"] == levels["users"]


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({"new_version": "99"}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
        ({}, 400, "M_BAD_JSON"),
        ({"new_version": "12", "additional_creators": ["bob"]}, 400, "M_INVALID_PARAM"),
        (
            {"new_version": "12", "additional_creators": ["@x:example.org"] * 2 + [f"@{n}:b.c" for n in range(300)]},
            413,
            "",
        ),
    ],
)
async def test_impossible_upgrades_are_refused(
    alice: Client, room_id: str, body: dict[str, Any], status: int, errcode: str
) -> None:
    answer = await alice.post(f"/rooms/{room_id}/upgrade", body)
    assert (answer.status, answer.errcode) == (status, errcode or "M_TOO_LARGE")
    assert await tombstone(alice, room_id) is None


async def test_who_may_not_leave_a_tombstone_may_not_upgrade(alice: Client, bob: Client, room_id: str) -> None:
    for _ in range(2):
        answer = await bob.post(f"/rooms/{room_id}/upgrade", {"new_version": "12"})
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
        await bob.join(room_id)
    answer = await alice.post("/rooms/!nowhere:example.org/upgrade", {"new_version": "12"})
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", ["11", "12"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["begin_upgrade", "create_successor", "complete_upgrade"])
async def test_an_upgrade_that_was_cut_off_is_carried_on(
    server: InProcessServer, alice: Client, monkeypatch: pytest.MonkeyPatch, step: str, done: bool, version: str
) -> None:
    room_id = await alice.create_room(name="Club", room_alias_name="club", visibility="public", preset="public_chat")
    lose(monkeypatch, step, done=done)
    assert (await alice.post(f"/rooms/{room_id}/upgrade", {"new_version": version})).status == 503
    await alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "later"}, expect=200)
    replacement = await upgrade(alice, room_id, version)
    assert await tombstone(alice, room_id) == await upgrade(alice, room_id, version) == replacement
    assert await resolved(alice) == replacement
    joined = (await alice.get("/joined_rooms", expect=200)).json["joined_rooms"]
    assert sorted(joined) == sorted([room_id, replacement])
    chunk = (await alice.get("/publicRooms", expect=200)).json["chunk"]
    assert [room["room_id"] for room in chunk] == [replacement]


async def test_the_same_upgrade_twice_at_once_makes_one_room(alice: Client) -> None:
    room_id = await alice.create_room(room_alias_name="club")
    replacements = await asyncio.gather(*(upgrade(alice, room_id) for _ in range(5)))
    assert len(set(replacements)) == 1
    assert await tombstone(alice, room_id) == await resolved(alice) == replacements[0]
    joined = (await alice.get("/joined_rooms", expect=200)).json["joined_rooms"]
    assert sorted(joined) == sorted([room_id, replacements[0]])


async def test_another_upgrade_waits_and_then_takes_over(
    server: InProcessServer, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = {"users": {alice.user_id: 100, bob.user_id: 100}}
    room_id = await alice.create_room(
        preset="public_chat", room_version="11", room_alias_name="club", power_level_content_override=levels
    )
    await bob.join(room_id)
    lose(monkeypatch, "complete_upgrade", done=False)
    assert (await alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})).status == 503
    orphan = await resolved(alice)
    refused = await bob.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})
    assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
    assert refused.json["retry_after_ms"] > UNDER_WAY_MS - 1000
    for _ in range(UNDER_WAY_MS // 1000):
        await server.clock.advance(1.0)
    replacement = await upgrade(bob, room_id, "11")
    assert replacement != orphan
    assert await tombstone(alice, room_id) == replacement
    assert await resolved(alice) == replacement
    # The first one comes too late to leave a tombstone of its own.
    assert (await alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})).errcode == "M_FORBIDDEN"
    assert await tombstone(alice, room_id) == replacement
    await alice.put(f"/rooms/{room_id}/state/m.room.tombstone", {}, expect=200)
    third = await upgrade(alice, room_id, "11")
    assert third not in (orphan, replacement)
    assert await tombstone(alice, room_id) == third


async def test_an_overtaken_upgrade_leaves_no_tombstone(
    server: InProcessServer, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = await alice.create_room()
    late: list[str] = []
    send = CommandClient.room

    async def room(self: CommandClient, key: str, command: RoomCommand, *, timeout_s: float = 30) -> RoomReply:
        if command.HasField("complete_upgrade") and not late:
            late.append(command.complete_upgrade.new_room_id)
            for _ in range(UNDER_WAY_MS // 1000):
                await server.clock.advance(1.0)
            late.append(await upgrade(alice, room_id, "11"))
        return await send(self, key, command, timeout_s=timeout_s)

    monkeypatch.setattr(CommandClient, "room", room)
    answer = await alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "12"})
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert await tombstone(alice, room_id) == late[1]


async def settings_of(client: Client, room_id: str) -> tuple[object, object, object]:
    tags = (await client.get(f"/user/{client.user_id}/rooms/{room_id}/tags", expect=200)).json["tags"]
    rules = (await client.get("/pushrules/global/", expect=200)).json
    found = [next((rule for rule in rules[kind] if rule["rule_id"] == room_id), None) for kind in ("room", "override")]
    return tags, *found


async def test_tags_and_push_rules_go_along(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    muted = {
        "actions": ["dont_notify"],
        "conditions": [{"kind": "event_match", "key": "room_id", "pattern": room_id}],
    }
    for client in (alice, bob):
        path = f"/user/{client.user_id}/rooms/{room_id}/tags/"
        await client.put(path + "m.favourite", {"order": 0.5}, expect=200)
        await client.put(path + "u.mine", {}, expect=200)
        await client.put(f"/pushrules/global/room/{room_id}", {"actions": ["notify"]}, expect=200)
        await client.put(f"/pushrules/global/override/{room_id}", muted, expect=200)
        await client.put(f"/pushrules/global/override/{room_id}/enabled", {"enabled": False}, expect=200)
    replacement = await upgrade(alice, room_id)
    assert await settings_of(bob, replacement) == ({}, None, None)
    await bob.put(f"/user/{bob.user_id}/rooms/{replacement}/tags/u.mine", {"order": 0.1}, expect=200)
    await bob.join(replacement)
    for client, own in ((alice, {}), (bob, {"order": 0.1})):
        tags, rule, override = await settings_of(client, replacement)
        assert tags == {"m.favourite": {"order": 0.5}, "u.mine": own}
        assert isinstance(rule, dict)
        assert (rule["actions"], rule["enabled"]) == (["notify"], True)
        assert isinstance(override, dict)
        assert override["conditions"] == [{"kind": "event_match", "key": "room_id", "pattern": replacement}]
        assert override["enabled"] is False


async def test_a_room_that_only_claims_to_replace_another_gets_no_settings(alice: Client, bob: Client) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    await bob.put(f"/user/{bob.user_id}/rooms/{room_id}/tags/m.favourite", {}, expect=200)
    for predecessor in (
        {"room_id": room_id, "event_id": "$x"},
        {"room_id": "!nowhere:example.org"},
        {"room_id": 1},
        "x",
    ):
        claims = await alice.create_room(preset="public_chat", creation_content={"predecessor": predecessor})
        await bob.join(claims)
        assert await settings_of(bob, claims) == ({}, None, None)
