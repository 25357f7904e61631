"""POST createRoom."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.errors import (
    BadAlias,
    BadJson,
    Forbidden,
    InvalidParam,
    InvalidRoomState,
    MatrixError,
    RoomInUse,
    UnsupportedRoomVersion,
)
from roomserver.tables import ROOM_HEADS, ROOMS, ROOMS_BY_USER
from service_kit.rpc.pb.room_commands_pb2 import CreateRoom
from tests.roomserver.scene import ALICE, BOB, CAROL, Scene

VERSIONS = ("1", "2", "10", "11", "12")
PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("preset", PRESETS)
async def test_each_preset_sets_its_state(scene: Scene, version: str, preset: str) -> None:
    room_id = await scene.create_room(preset=preset, version=version)
    join_rule, visibility, guest_access = PRESETS[preset]
    assert await scene.state(room_id, "m.room.join_rules") == {"join_rule": join_rule}
    assert await scene.state(room_id, "m.room.history_visibility") == {"history_visibility": visibility}
    assert await scene.state(room_id, "m.room.guest_access") == {"guest_access": guest_access}
    create = await scene.state(room_id, "m.room.create")
    assert create is not None
    assert create["room_version"] == version
    assert ("creator" in create) is (version in ("1", "2", "10"))


async def test_visibility_chooses_the_preset_if_none_is_given(scene: Scene) -> None:
    public = await scene.create_room(visibility="public")
    private = await scene.create_room(visibility="private")
    assert await scene.state(public, "m.room.join_rules") == {"join_rule": "public"}
    assert await scene.state(private, "m.room.join_rules") == {"join_rule": "invite"}


async def test_the_events_come_in_the_order_of_the_specification(scene: Scene) -> None:
    room_id = await scene.create_room(
        preset="private_chat",
        name="Name",
        topic="Topic",
        invite=[BOB],
        initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}],
    )
    assert [event["type"].removeprefix("m.room.") for event in await scene.timeline(room_id)] == [
        "create",
        "member",
        "power_levels",
        "join_rules",
        "history_visibility",
        "guest_access",
        "encryption",
        "name",
        "topic",
        "member",
    ]


async def test_initial_state_goes_before_the_preset_and_behind_name_and_topic(scene: Scene) -> None:
    room_id = await scene.create_room(
        preset="private_chat",
        name="Name",
        initial_state=[
            {"type": "m.room.join_rules", "content": {"join_rule": "public"}},
            {"type": "m.room.name", "content": {"name": "other"}},
            {"type": "m.room.topic", "content": {"topic": "of initial_state"}},
            {"type": "org.example", "state_key": "k", "content": {"a": 1}},
        ],
    )
    types = [event["type"] for event in await scene.timeline(room_id)]
    assert types.count("m.room.join_rules") == 1
    assert types.count("m.room.name") == 1
    assert await scene.state(room_id, "m.room.join_rules") == {"join_rule": "public"}
    assert await scene.state(room_id, "m.room.name") == {"name": "Name"}
    assert await scene.state(room_id, "m.room.topic") == {"topic": "of initial_state"}
    assert await scene.state(room_id, "org.example", "k") == {"a": 1}


@pytest.mark.parametrize("version", ["10", "11"])
async def test_invitees_of_a_trusted_chat_get_the_creators_level(scene: Scene, version: str) -> None:
    room_id = await scene.create_room(preset="trusted_private_chat", invite=[BOB], version=version)
    levels = await scene.state(room_id, "m.room.power_levels")
    assert levels is not None
    assert levels["users"] == {ALICE: 100, BOB: 100}


async def test_invitees_of_a_trusted_chat_of_version_12_become_creators(scene: Scene) -> None:
    room_id = await scene.create_room(
        preset="trusted_private_chat",
        invite=[BOB, CAROL],
        creation_content={"additional_creators": [CAROL], "type": "m.space", "creator": "@x:y", "room_version": "1"},
    )
    create = await scene.state(room_id, "m.room.create")
    assert create == {"additional_creators": [CAROL, BOB], "room_version": "12", "type": "m.space"}
    levels = await scene.state(room_id, "m.room.power_levels")
    assert levels is not None
    assert levels["users"] == {}
    assert levels["events"]["m.room.tombstone"] == 150


async def test_power_levels_can_be_overridden(scene: Scene) -> None:
    room_id = await scene.create_room(power_level_content_override={"events_default": 10, "users": {BOB: 50}})
    levels = await scene.state(room_id, "m.room.power_levels")
    assert levels is not None
    assert (levels["events_default"], levels["users"], levels["ban"]) == (10, {BOB: 50}, 50)


async def test_invitees_are_invited_with_stripped_state_and_is_direct(scene: Scene) -> None:
    room_id = await scene.create_room(invite=[BOB, BOB], is_direct=True, name="Name", profile={"displayname": "Alice"})
    assert await scene.state(room_id, "m.room.member", BOB) == {"is_direct": True, "membership": "invite"}
    assert await scene.state(room_id, "m.room.member", ALICE) == {"displayname": "Alice", "membership": "join"}
    row = await scene.store.get(ROOMS_BY_USER, (BOB, room_id))
    assert row is not None
    assert (row.membership, row.prev_membership, row.sender) == ("invite", "", ALICE)
    stripped = orjson.loads(row.invite_state_json)
    assert [event["type"] for event in stripped] == [
        "m.room.create",
        "m.room.name",
        "m.room.join_rules",
        "m.room.member",
        "m.room.member",
    ]
    assert all(set(event) == {"content", "sender", "state_key", "type"} for event in stripped)
    assert [event["state_key"] for event in stripped[-2:]] == [ALICE, BOB]
    assert stripped[-2]["content"] == {"displayname": "Alice", "membership": "join"}


async def test_a_new_room_stands_in_the_tables(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.settle()
    room = await scene.store.get(ROOMS, (room_id,))
    head = await scene.store.get(ROOM_HEADS, (room_id,))
    assert room is not None
    assert head is not None
    assert (room.version, room.creator) == ("12", ALICE)
    assert (head.timeline_length, head.depth, head.state_version, head.bucket) == (6, 6, 6, 0)


@pytest.mark.parametrize(
    ("request_body", "error"),
    [
        ({"invite": ["bob"]}, InvalidParam),
        ({"invite": ["@bob:elsewhere.example"]}, Forbidden),
        ({"invite": [ALICE]}, InvalidRoomState),
        ({"preset": "party"}, BadJson),
        ({"initial_state": [{"type": "m.x"}]}, BadJson),
        ({"initial_state": [{"type": "m.room.create", "content": {}}]}, InvalidRoomState),
        ({"initial_state": [{"type": "m.room.canonical_alias", "content": {"alias": "#a:b.c"}}]}, BadAlias),
        ({"power_level_content_override": {"users": {"bob": 1}}}, InvalidRoomState),
        ({"power_level_content_override": {"users": {ALICE: 1}}}, InvalidRoomState),
        ({"creation_content": {"additional_creators": "bob"}}, InvalidRoomState),
    ],
)
async def test_bad_requests_make_no_room(scene: Scene, request_body: dict[str, Any], error: type[MatrixError]) -> None:
    with pytest.raises(error):
        await scene.create_room(**request_body)
    await scene.settle()
    assert await scene.store.scan(ROOMS_BY_USER, (ALICE,), limit=10) == []


async def test_a_room_id_is_taken_once(scene: Scene) -> None:
    room_id = await scene.create_room(version="11")
    body = CreateRoom(creator=ALICE, room_version="11", origin_server_ts_ms=1, request_json=b"{}")
    with pytest.raises(RoomInUse):
        await scene.run(room_id, create_room=body)


async def test_a_room_id_of_version_12_must_be_the_create_events_hash(scene: Scene) -> None:
    room_id = await scene.create_room()
    body = CreateRoom(creator=ALICE, room_version="12", origin_server_ts_ms=1, request_json=b"{}")
    with pytest.raises(BadJson):
        await scene.run("!" + "A" * len(room_id[1:]), create_room=body)


async def test_unknown_versions_are_refused(scene: Scene) -> None:
    body = CreateRoom(creator=ALICE, room_version="0", origin_server_ts_ms=1, request_json=b"{}")
    with pytest.raises(UnsupportedRoomVersion):
        await scene.run("!x:a.example", create_room=body)
