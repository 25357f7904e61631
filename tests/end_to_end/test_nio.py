"""matrix-nio, beyond a chat (`test_chat.py`): what bots written with it do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import nio
import pytest

from tests.end_to_end.server import PlexusServer
from tests.end_to_end.test_chat import nio_user, synced

# matrix-nio 0.26 uses what its own dependencies have deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
T = TypeVar("T")


def ok(answer: Any, kind: type[T]) -> T:
    """The answer, which must be of the kind that nio makes of a success."""
    assert isinstance(answer, kind), answer
    return answer


@asynccontextmanager
async def two_users(server: PlexusServer) -> AsyncIterator[tuple[nio.AsyncClient, nio.AsyncClient]]:
    suffix = uuid4().hex[:8]
    async with nio_user(server, f"ann-{suffix}") as ann, nio_user(server, f"ben-{suffix}") as ben:
        yield ann, ben


async def send(client: nio.AsyncClient, room_id: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
    return ok(await client.room_send(room_id, kind, content), nio.RoomSendResponse).event_id


async def test_a_bot_edits_reacts_and_replies_in_a_thread(server: PlexusServer) -> None:
    async with two_users(server) as (ann, ben):
        room_id = ok(await ann.room_create(visibility=nio.RoomVisibility.public), nio.RoomCreateResponse).room_id
        ok(await ben.join(room_id), nio.JoinResponse)
        await synced(ann)
        root = await send(ann, room_id, {"msgtype": "m.text", "body": "teh"})
        new = {"msgtype": "m.text", "body": "the"}
        replace = {"rel_type": "m.replace", "event_id": root}
        await send(ann, room_id, {**new, "m.new_content": new, "m.relates_to": replace})
        annotation = {"rel_type": "m.annotation", "event_id": root, "key": "👍"}
        await send(ben, room_id, {"m.relates_to": annotation}, "m.reaction")
        await send(ben, room_id, {**new, "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        seen: list[nio.Event] = []
        while len(seen) < 4:
            joined = (await synced(ann, 10_000)).rooms.join.get(room_id)
            seen += [e for e in joined.timeline.events if e.sender in (ann.user_id, ben.user_id)] if joined else []
            seen = [e for e in seen if isinstance(e, nio.RoomMessageText | nio.ReactionEvent)]
        assert [e.key for e in seen if isinstance(e, nio.ReactionEvent)] == ["👍"]
        served = ok(await ben.room_get_event(room_id, root), nio.RoomGetEventResponse).event.source
        assert served["unsigned"]["m.relations"]["m.thread"]["count"] == 1
        assert served["unsigned"]["m.relations"]["m.replace"]["content"]["m.new_content"]["body"] == "the"


async def test_a_room_is_found_by_its_alias_and_its_history_around_an_event(server: PlexusServer) -> None:
    async with two_users(server) as (ann, ben):
        name = f"tea-{uuid4().hex[:8]}"
        room_id = ok(
            await ann.room_create(alias=name, preset=nio.RoomPreset.public_chat), nio.RoomCreateResponse
        ).room_id
        resolved = ok(await ben.room_resolve_alias(f"#{name}:localhost"), nio.RoomResolveAliasResponse)
        assert resolved.room_id == room_id
        ok(await ben.join(f"#{name}:localhost"), nio.JoinResponse)
        sent = [await send(ann, room_id, {"msgtype": "m.text", "body": str(number)}) for number in range(5)]
        context = ok(await ben.room_context(room_id, sent[2], limit=2), nio.RoomContextResponse)
        assert [event.event_id for event in context.events_before] == [sent[1]]
        assert [event.event_id for event in context.events_after] == [sent[3]]
        ok(await ann.room_delete_alias(f"#{name}:localhost"), nio.RoomDeleteAliasResponse)
        assert isinstance(await ben.room_resolve_alias(f"#{name}:localhost"), nio.RoomResolveAliasError)


async def test_a_space_is_walked_and_a_door_is_knocked_at(server: PlexusServer) -> None:
    async with two_users(server) as (ann, ben):
        space_id = ok(
            await ann.room_create(space=True, preset=nio.RoomPreset.public_chat), nio.RoomCreateResponse
        ).room_id
        rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        closed = ok(await ann.room_create(name="Club", initial_state=[rule]), nio.RoomCreateResponse).room_id
        child = {"via": ["localhost"]}
        ok(await ann.room_put_state(space_id, "m.space.child", child, closed), nio.RoomPutStateResponse)
        hierarchy = ok(await ben.space_get_hierarchy(space_id), nio.SpaceGetHierarchyResponse)
        assert [room["room_id"] for room in hierarchy.rooms] == [space_id, closed]
        ok(await ben.room_knock(closed, reason="please"), nio.RoomKnockResponse)
        knocks: list[nio.Event] = []
        while not knocks:
            joined = (await synced(ann, 10_000)).rooms.join.get(closed)
            events = joined.timeline.events if joined else []
            knocks = [e for e in events if isinstance(e, nio.RoomMemberEvent) and e.membership == "knock"]
        assert (knocks[0].state_key, knocks[0].content["reason"]) == (ben.user_id, "please")
        ok(await ann.room_invite(closed, ben.user_id), nio.RoomInviteResponse)
        ok(await ben.join(closed), nio.JoinResponse)


async def test_a_message_to_a_device_and_a_push_rule_get_there(server: PlexusServer) -> None:
    async with two_users(server) as (ann, ben):
        whisper = nio.ToDeviceMessage("test.whisper", ben.user_id, ben.device_id, {"word": "psst"})
        ok(await ann.to_device(whisper), nio.ToDeviceResponse)
        arrived = [e for e in (await synced(ben, 10_000)).to_device_events if e.source["type"] == "test.whisper"]
        assert [event.source["content"]["word"] for event in arrived] == ["psst"]
        added = await ben.set_pushrule(
            "global", nio.PushRuleKind.content, "cake", actions=[nio.PushNotify()], pattern="cake"
        )
        ok(added, nio.SetPushRuleResponse)
        ok(
            await ben.enable_pushrule("global", nio.PushRuleKind.content, "cake", enable=False),
            nio.EnablePushRuleResponse,
        )
        ok(await ben.delete_pushrule("global", nio.PushRuleKind.content, "cake"), nio.DeletePushRuleResponse)
        assert isinstance(
            await ben.delete_pushrule("global", nio.PushRuleKind.content, "cake"), nio.DeletePushRuleError
        )
