"""get_state."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.errors import Forbidden, NotFound
from service_kit.rpc.pb.room_queries_pb2 import StateChunk, StateKey, StateRequest
from tests.roomserver.scene import ALICE, BOB, CAROL, Action, Scene


async def chunks_of(scene: Scene, room_id: str, as_user_id: str = "", **request: Any) -> list[StateChunk]:
    asked = StateRequest(room_id=room_id, as_user_id=as_user_id, **request)
    return [chunk async for chunk in scene.queries.get_state(asked)]


async def state_of(scene: Scene, room_id: str, as_user_id: str = "", **request: Any) -> dict[tuple[str, str], Any]:
    chunks = await chunks_of(scene, room_id, as_user_id, **request)
    entries = [entry for chunk in chunks for entry in chunk.entries]
    return {(e.type, e.state_key): orjson.loads(e.client_json)["content"] for e in entries}


NAME = ("m.room.name", "")


async def test_a_member_sees_the_current_state(scene: Scene) -> None:
    room_id = await scene.create_room(name="1")
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "2"})
    state = await state_of(scene, room_id, ALICE)
    assert state[NAME] == {"name": "2"}
    assert len(state) == 7
    (chunk,) = await chunks_of(scene, room_id)
    assert chunk.room_version == "12"
    assert chunk.position == scene.holder.owner_of(scene.shard_of(room_id)).committed_position  # type: ignore[union-attr]
    member = next(entry for entry in chunk.entries if entry.type == "m.room.member")
    assert (member.membership, member.state_key) == ("join", ALICE)


@pytest.mark.parametrize("action", [Action.LEAVE, Action.BAN, Action.KICK])
async def test_who_has_left_sees_the_state_as_it_was_then(scene: Scene, action: int) -> None:
    room_id = await scene.create_room(preset="public_chat", name="before")
    await scene.join(BOB, room_id)
    await scene.change(action, BOB if action == Action.LEAVE else ALICE, BOB, room_id)
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "after"})
    await scene.set_state(ALICE, room_id, "m.room.topic", {"topic": "new"})
    await scene.join(CAROL, room_id)
    state = await state_of(scene, room_id, BOB)
    assert state[NAME] == {"name": "before"}
    assert ("m.room.topic", "") not in state
    assert ("m.room.member", CAROL) not in state
    assert state["m.room.member", BOB]["membership"] in ("leave", "ban")


async def test_a_ban_after_leaving_shows_nothing_more(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", name="before")
    await scene.join(BOB, room_id)
    await scene.leave(BOB, room_id)
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "after"})
    await scene.change(Action.BAN, ALICE, BOB, room_id)
    assert (await state_of(scene, room_id, BOB))[NAME] == {"name": "before"}


async def test_who_was_never_joined_sees_nothing(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.invite(ALICE, BOB, room_id)
    for user_id in (BOB, CAROL):
        with pytest.raises(Forbidden):
            await state_of(scene, room_id, user_id)
    await scene.leave(BOB, room_id)
    with pytest.raises(Forbidden):
        await state_of(scene, room_id, BOB)


async def test_everybody_sees_a_world_readable_room(scene: Scene) -> None:
    room_id = await scene.create_room(name="N")
    await scene.set_state(ALICE, room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert (await state_of(scene, room_id, CAROL))[NAME] == {"name": "N"}


async def test_rooms_that_are_not_there(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        await state_of(scene, "!nowhere:a.example", ALICE)
    with pytest.raises(NotFound):
        await state_of(scene, "!nowhere:a.example")


async def test_some_keys_only(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat", name="N", topic="T")
    await scene.join(BOB, room_id)
    keys = [StateKey(type="m.room.name", state_key=""), StateKey(type="m.room.member", state_key=BOB)]
    assert set(await state_of(scene, room_id, ALICE, keys=keys)) == {NAME, ("m.room.member", BOB)}
    keys = [StateKey(type="m.room.member"), StateKey(type="m.room.member", state_key=BOB), StateKey(type="m.none")]
    assert set(await state_of(scene, room_id, ALICE, keys=keys)) == {("m.room.member", ALICE), ("m.room.member", BOB)}
    assert "m.room.member" not in {key[0] for key in await state_of(scene, room_id, not_types=["m.room.member"])}


async def test_the_state_at_a_position(scene: Scene) -> None:
    room_id = await scene.create_room(name="0")
    positions = []
    for number in range(1, 4):
        event_id = await scene.set_state(ALICE, room_id, "m.room.name", {"name": str(number)})
        positions.append((await scene.event(room_id, event_id)).position)
    for number, position in enumerate(positions, 1):
        assert (await state_of(scene, room_id, ALICE, at_position=position))[NAME] == {"name": str(number)}
        assert (await state_of(scene, room_id, ALICE, at_position=position - 1))[NAME] == {"name": str(number - 1)}


async def test_former_state_is_shown_as_redacted(scene: Scene) -> None:
    room_id = await scene.create_room()
    first = await scene.set_state(ALICE, room_id, "m.room.name", {"name": "secret"})
    position = (await scene.event(room_id, first)).position
    await scene.set_state(ALICE, room_id, "m.room.name", {"name": "open"})
    await scene.redact(ALICE, room_id, first)
    assert (await state_of(scene, room_id, ALICE, at_position=position))[NAME] == {}


async def test_large_state_comes_in_chunks(scene: Scene) -> None:
    state = [{"type": "org.example", "state_key": str(n), "content": {"text": "x" * 6000}} for n in range(400)]
    room_id = await scene.create_room(initial_state=state)
    chunks = await chunks_of(scene, room_id)
    assert len(chunks) == 3
    assert sum(len(chunk.entries) for chunk in chunks) == 406
