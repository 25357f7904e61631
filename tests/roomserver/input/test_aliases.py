"""Room aliases: one room each, in the whole cluster, whatever dies."""

from __future__ import annotations

import pytest

from matrix_protocol.errors import BadAlias, InvalidParam, MatrixError, NotFound, ResourceLimitExceeded, RoomInUse
from roomserver.input import aliases
from roomserver.input.aliases import CLAIM_MS
from roomserver.tables import ALIASES_BY_CREATOR
from service_kit.rpc.pb.room_commands_pb2 import RoomCommand
from service_kit.rpc.pb.room_directory_pb2 import (
    AliasAnswer,
    AliasesOfRoomRequest,
    AliasRequest,
    DeleteAlias,
    SetAlias,
)
from service_kit.rpc.queries import GET_ALIAS, GET_ALIASES_OF_ROOM
from tests.roomserver.scene import ALICE, BOB, SHARDS, Scene, gather

ALIAS = "#pub:a.example"
OTHER = next(alias for alias in map("#{}:a.example".format, range(99)) if SHARDS.of_alias(alias).number == 1)


async def set_alias(scene: Scene, alias: str, room_id: str, user_id: str = ALICE, *, moved_from: str = "") -> None:
    wish = SetAlias(room_id=room_id, user_id=user_id, from_room_id=moved_from)
    await scene.commands.shard(SHARDS.of_alias(alias), alias, RoomCommand(set_alias=wish))


async def delete_alias(scene: Scene, alias: str, room_id: str) -> None:
    command = RoomCommand(delete_alias=DeleteAlias(room_id=room_id))
    await scene.commands.shard(SHARDS.of_alias(alias), alias, command)


async def alias(scene: Scene, alias: str) -> AliasAnswer:
    return await scene.asker.single(GET_ALIAS, AliasRequest(alias=alias))


async def aliases_of(scene: Scene, room_id: str) -> list[str]:
    await scene.settle()
    return list((await scene.asker.single(GET_ALIASES_OF_ROOM, AliasesOfRoomRequest(room_id=room_id))).aliases)


async def test_an_alias_points_to_one_room_until_it_is_deleted(scene: Scene) -> None:
    first, second = await scene.create_room(), await scene.create_room()
    await set_alias(scene, ALIAS, first)
    assert await alias(scene, ALIAS) == AliasAnswer(room_id=first, creator=ALICE)
    for room_id in (first, second):
        with pytest.raises(RoomInUse):
            await set_alias(scene, ALIAS, room_id, BOB)
    with pytest.raises(NotFound):
        await delete_alias(scene, ALIAS, second)
    await delete_alias(scene, ALIAS, first)
    with pytest.raises(NotFound):
        await alias(scene, ALIAS)
    with pytest.raises(NotFound):
        await delete_alias(scene, ALIAS, first)
    await set_alias(scene, ALIAS, second, BOB)
    assert await alias(scene, ALIAS) == AliasAnswer(room_id=second, creator=BOB)
    assert (await aliases_of(scene, first), await aliases_of(scene, second)) == ([], [ALIAS])


async def test_of_many_who_want_an_alias_at_once_one_gets_it(scene: Scene) -> None:
    rooms = [await scene.create_room() for _ in range(8)]
    results = await gather(*(set_alias(scene, ALIAS, room_id) for room_id in rooms))
    assert [type(result) for result in results].count(RoomInUse) == len(rooms) - 1
    assert (await alias(scene, ALIAS)).room_id == rooms[results.index(None)]


async def test_aliases_outlive_their_owner(scene: Scene) -> None:
    room_id = await scene.create_room()
    await set_alias(scene, ALIAS, room_id)
    await set_alias(scene, OTHER, room_id)
    await delete_alias(scene, ALIAS, room_id)
    await scene.fail_over()
    assert await aliases_of(scene, room_id) == [OTHER]
    with pytest.raises(RoomInUse):
        await set_alias(scene, OTHER, room_id)


async def test_an_alias_is_moved_from_the_room_it_points_to_and_keeps_its_creator(scene: Scene) -> None:
    old, new = await scene.create_room(), await scene.create_room()
    await set_alias(scene, ALIAS, old, BOB)
    with pytest.raises(NotFound):
        await set_alias(scene, ALIAS, await scene.create_room(), moved_from=new)
    for _ in range(2):  # who asks again is answered the same
        await set_alias(scene, ALIAS, new, moved_from=old)
    assert await alias(scene, ALIAS) == AliasAnswer(room_id=new, creator=BOB)
    assert (await aliases_of(scene, old), await aliases_of(scene, new)) == ([], [ALIAS])


async def test_claim_for_a_room_that_never_came_runs_out(scene: Scene) -> None:
    room_id = await scene.create_room()
    await set_alias(scene, ALIAS, "!never:a.example")
    with pytest.raises(NotFound):
        await alias(scene, ALIAS)
    with pytest.raises(RoomInUse):
        await set_alias(scene, ALIAS, room_id, BOB)
    for _ in range(CLAIM_MS // 1000 + 1):
        await scene.clock.advance(1.0)
    await set_alias(scene, ALIAS, room_id, BOB)
    assert await alias(scene, ALIAS) == AliasAnswer(room_id=room_id, creator=BOB)
    for _ in range(CLAIM_MS // 1000 + 1):
        await scene.clock.advance(1.0)
    with pytest.raises(RoomInUse):  # this one's room is there
        await set_alias(scene, ALIAS, await scene.create_room())


async def test_a_room_and_a_user_have_so_many_aliases(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "ALIASES_OF_ROOM_MAX", 1)
    monkeypatch.setattr(aliases, "ALIASES_OF_CREATOR_MAX", 2)
    first, second, third = [await scene.create_room() for _ in range(3)]
    await set_alias(scene, "#1:a.example", first)
    await scene.settle()
    with pytest.raises(ResourceLimitExceeded, match="A room may have 1"):
        await set_alias(scene, "#2:a.example", first)
    await set_alias(scene, "#2:a.example", second)
    await scene.settle()
    with pytest.raises(ResourceLimitExceeded, match="A user may have made 2"):
        await set_alias(scene, "#3:a.example", third)
    await delete_alias(scene, "#2:a.example", second)
    await scene.settle()
    await set_alias(scene, "#3:a.example", third)
    await scene.settle()
    rows = await scene.store.scan(ALIASES_BY_CREATOR, (ALICE,), limit=10)
    assert [row.alias for row in rows] == ["#1:a.example", "#3:a.example"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"alias": "#elsewhere:a.example"}, BadAlias),
        ({"alt_aliases": [ALIAS, "#nowhere:a.example"]}, BadAlias),
        ({"alias": "pub"}, InvalidParam),
        ({"alt_aliases": [f"#{number}:a.example" for number in range(200)]}, InvalidParam),
    ],
)
async def test_a_room_names_only_aliases_that_point_to_it(
    scene: Scene, content: dict[str, object], error: type[MatrixError]
) -> None:
    room_id = await scene.create_room()
    await set_alias(scene, ALIAS, room_id)
    await set_alias(scene, "#elsewhere:a.example", await scene.create_room())
    await scene.settle()
    with pytest.raises(error):
        await scene.set_state(ALICE, room_id, "m.room.canonical_alias", content)
    await scene.set_state(ALICE, room_id, "m.room.canonical_alias", {"alias": ALIAS, "alt_aliases": [ALIAS]})
    await delete_alias(scene, ALIAS, room_id)
    # "any *new* aliases being listed": those that stand there already are no hindrance.
    await scene.set_state(ALICE, room_id, "m.room.canonical_alias", {"alt_aliases": [ALIAS]})
