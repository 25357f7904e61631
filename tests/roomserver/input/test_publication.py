"""The directory follows its rooms, and outlives the owner of their shard."""

from __future__ import annotations

import orjson
import pytest

from matrix_protocol.errors import Forbidden, InvalidParam, NotFound, ResourceLimitExceeded
from roomserver.input import publication
from service_kit.ledger.append import read_shard
from service_kit.rpc.pb.facts_pb2 import Fact
from service_kit.rpc.pb.room_directory_pb2 import PublishedRoomsRequest, SetVisibility, VisibilityRequest
from service_kit.rpc.queries import GET_PUBLISHED_ROOMS, GET_VISIBILITY
from service_kit.shards import ROOM
from tests.roomserver.scene import ALICE, BOB, CAROL, SHARDS, JsonObject, Scene

SERVER = "a.example"
ALL_SHARDS = [shard.number for shard in SHARDS.all_of(ROOM)]


async def publish(
    scene: Scene,
    room_id: str,
    user_id: str = ALICE,
    *,
    published: bool = True,
    server_name: str = SERVER,
    permitted: bool = False,
) -> None:
    wish = SetVisibility(user_id=user_id, server_name=server_name, published=published, permitted=permitted)
    await scene.run(room_id, set_visibility=wish)


async def directory(scene: Scene, server_name: str = SERVER) -> list[JsonObject]:
    request = PublishedRoomsRequest(shard_numbers=ALL_SHARDS, server_name=server_name, limit=100)
    answer = await scene.asker.single(GET_PUBLISHED_ROOMS, request)
    assert list(answer.shard_numbers) == ALL_SHARDS
    assert answer.total == len(answer.rooms)
    return [orjson.loads(room.entry_json) for room in answer.rooms]


async def is_published(scene: Scene, room_id: str) -> bool:
    request = VisibilityRequest(room_id=room_id, server_name=SERVER)
    return (await scene.asker.single(GET_VISIBILITY, request)).published


async def test_an_entry_says_what_the_room_is_now(scene: Scene) -> None:
    room_id = await scene.create_room(visibility="public", name="Cheese")
    other = await scene.create_room(preset="public_chat", name="Wine")
    await publish(scene, other)
    await scene.join(BOB, other)
    await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": "all of it"})
    named = await scene.set_state(ALICE, other, "m.room.name", {"name": "Red wine"})
    assert [(entry["name"], entry["num_joined_members"], entry.get("topic")) for entry in await directory(scene)] == [
        ("Red wine", 2, None),
        ("Cheese", 1, "all of it"),
    ]
    await scene.redact(ALICE, other, named)
    await scene.join(BOB, room_id)
    await scene.join(CAROL, room_id)
    await scene.leave(BOB, other)
    before = await directory(scene)
    assert [(entry.get("name"), entry["num_joined_members"]) for entry in before] == [("Cheese", 3), (None, 1)]
    await scene.fail_over()
    assert await directory(scene) == before


async def test_what_is_taken_out_stays_out(scene: Scene) -> None:
    room_id = await scene.create_room(visibility="public")
    assert await is_published(scene, room_id)
    for _ in range(2):
        await publish(scene, room_id, published=False)
    await scene.join(BOB, room_id)
    assert await directory(scene) == []
    assert not await is_published(scene, room_id)
    await scene.fail_over()
    assert await directory(scene) == []
    await publish(scene, room_id)
    assert [entry["num_joined_members"] for entry in await directory(scene)] == [2]


async def test_each_server_has_its_own_directory(scene: Scene) -> None:
    room_id = await scene.create_room(visibility="public")
    assert await directory(scene, "b.example") == []
    await publish(scene, room_id, server_name="b.example")
    await publish(scene, room_id, published=False)
    assert [entry["room_id"] for entry in await directory(scene, "b.example")] == [room_id]
    assert await directory(scene) == []


async def test_a_room_that_everybody_left_is_not_shown(scene: Scene) -> None:
    room_id = await scene.create_room(visibility="public")
    await scene.leave(ALICE, room_id)
    request = PublishedRoomsRequest(shard_numbers=ALL_SHARDS, server_name=SERVER, limit=100)
    assert not (await scene.asker.single(GET_PUBLISHED_ROOMS, request)).rooms


async def test_who_may_publish_a_room(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    for user_id in (BOB, CAROL):
        with pytest.raises(Forbidden):
            await publish(scene, room_id, user_id)
        await scene.join(BOB, room_id)
    with pytest.raises(NotFound):
        await publish(scene, "!nowhere:a.example")
    with pytest.raises(NotFound):
        await is_published(scene, "!nowhere:a.example")
    await publish(scene, room_id, CAROL, permitted=True)
    assert await is_published(scene, room_id)


async def test_nothing_is_added_for_messages_and_for_rooms_in_no_directory(scene: Scene) -> None:
    public = await scene.create_room(visibility="public")
    private = await scene.create_room(preset="public_chat")
    await scene.send(ALICE, public)
    await scene.set_state(ALICE, public, "m.x", {})
    await scene.join(BOB, private)
    await scene.settle()
    facts = [
        Fact.FromString(row.fact)
        for shard in SHARDS.all_of(ROOM)
        for row in await read_shard(scene.store, shard, 0, 500)
    ]
    assert [fact.published_room.joined_members for fact in facts if fact.HasField("published_room")] == [1]


async def test_a_directory_has_room_for_so_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "ROOMS_MAX", 1)
    room_ids = [await scene.create_room(preset="public_chat") for _ in range(8)]
    for shard in SHARDS.all_of(ROOM):
        first, second, *_ = [room_id for room_id in room_ids if scene.shard_of(room_id) == shard]
        await publish(scene, first)
        with pytest.raises(ResourceLimitExceeded):
            await publish(scene, second)
    with pytest.raises(ResourceLimitExceeded):
        await scene.create_room(visibility="public")
    assert len(await directory(scene)) == 2


async def test_long_texts_are_cut_and_what_cannot_be_cut_is_left_out(scene: Scene) -> None:
    long = "é" * 5000
    await scene.create_room(
        visibility="public",
        name=long,
        topic=long,
        creation_content={"type": "x" * 1001},
        initial_state=[{"type": "m.room.avatar", "content": {"url": "mxc://a.example/" + "x" * 1000}}],
    )
    (entry,) = await directory(scene)
    assert (entry["name"], entry["topic"]) == ("é" * 1000, "é" * 1000)
    assert {"avatar_url", "room_type"} & set(entry) == set()


@pytest.mark.parametrize("limit", [0, 1002, -1])
async def test_a_page_has_a_limit(scene: Scene, limit: int) -> None:
    request = PublishedRoomsRequest(shard_numbers=ALL_SHARDS, server_name=SERVER, limit=limit)
    with pytest.raises(InvalidParam):
        await scene.asker.single(GET_PUBLISHED_ROOMS, request)
