"""Join, invite, leave, kick, ban, unban, knock, changed profiles."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from matrix_protocol.errors import (
    BadJson,
    BadState,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    NotFound,
    ResourceLimitExceeded,
)
from matrix_protocol.room_versions import ROOM_VERSIONS
from roomserver.tables import ROOMS_BY_USER
from service_kit.config import RoomSettings
from service_kit.rpc.pb.room_commands_pb2 import ChangeMembership, SendEvent
from tests.roomserver.scene import ALICE, BOB, CAROL, Action, Scene, gather

VERSIONS = ("10", "11", "12")
MEMBER = "m.room.member"


async def put_into(scene: Scene, room_id: str, user_id: str, membership: str) -> None:
    """Bring the user to this membership, with ALICE's help."""
    if membership in ("join", "leave"):
        await scene.invite(ALICE, user_id, room_id)
        await scene.join(user_id, room_id)
    if membership == "leave":
        await scene.leave(user_id, room_id)
    elif membership == "invite":
        await scene.invite(ALICE, user_id, room_id)
    elif membership == "ban":
        await scene.change(Action.BAN, ALICE, user_id, room_id)
    elif membership == "knock":
        await scene.change(Action.KNOCK, user_id, user_id, room_id)


# What the action does to BOB, done by ALICE or himself, in a room with the join rule "knock".
OUTCOMES: dict[int, dict[str, Any]] = {
    # action: {BOB's membership: what it becomes, or the error}
    Action.JOIN: {"": Forbidden, "invite": "join", "join": "join", "leave": Forbidden, "ban": Forbidden},
    Action.INVITE: {"": "invite", "invite": "invite", "join": Forbidden, "leave": "invite", "ban": Forbidden},
    Action.LEAVE: {"": Forbidden, "invite": "leave", "join": "leave", "leave": Forbidden, "ban": Forbidden},
    Action.KICK: {"": Forbidden, "invite": "leave", "join": "leave", "leave": Forbidden, "ban": Forbidden},
    Action.BAN: {"": "ban", "invite": "ban", "join": "ban", "leave": "ban", "ban": "ban"},
    Action.UNBAN: {"": BadState, "invite": BadState, "join": BadState, "leave": BadState, "ban": "leave"},
    Action.KNOCK: {"": "knock", "invite": Forbidden, "join": Forbidden, "leave": "knock", "ban": Forbidden},
    Action.UPDATE_PROFILE: {"": Forbidden, "invite": Forbidden, "join": "join", "leave": Forbidden, "ban": Forbidden},
}
BY_HIMSELF = (Action.JOIN, Action.LEAVE, Action.KNOCK, Action.UPDATE_PROFILE)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("action", OUTCOMES, ids=Action.Name)
async def test_what_an_action_does_depends_on_the_membership(scene: Scene, version: str, action: int) -> None:
    join_rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    sender = BOB if action in BY_HIMSELF else ALICE
    for membership, outcome in OUTCOMES[action].items():
        room_id = await scene.create_room(version=version, initial_state=[join_rule])
        await put_into(scene, room_id, BOB, membership)
        if isinstance(outcome, str):
            await scene.change(action, sender, BOB, room_id)
            content = await scene.state(room_id, MEMBER, BOB)
            assert content is not None
            assert content["membership"] == outcome, membership
        else:
            before = await scene.timeline(room_id)
            with pytest.raises(outcome):
                await scene.change(action, sender, BOB, room_id)
            assert await scene.timeline(room_id) == before


@pytest.mark.parametrize(
    ("action", "level", "allowed"),
    [
        (Action.INVITE, 9, False),
        (Action.INVITE, 10, True),
        (Action.KICK, 19, False),
        (Action.KICK, 20, True),
        (Action.BAN, 29, False),
        (Action.BAN, 30, True),
    ],
)
async def test_moderation_needs_its_level(scene: Scene, action: int, level: int, allowed: bool) -> None:
    override = {"invite": 10, "kick": 20, "ban": 30, "users": {BOB: level}}
    room_id = await scene.create_room(preset="public_chat", power_level_content_override=override)
    await scene.join(BOB, room_id)
    target = "@dave:a.example"
    if action == Action.KICK:
        await scene.join(target, room_id)
    if allowed:
        await scene.change(action, BOB, target, room_id)
    else:
        with pytest.raises(Forbidden):
            await scene.change(action, BOB, target, room_id)


async def test_an_equal_cannot_be_kicked(scene: Scene) -> None:
    override = {"users": {BOB: 60, CAROL: 60}}
    room_id = await scene.create_room(preset="public_chat", power_level_content_override=override)
    for user_id in (BOB, CAROL):
        await scene.join(user_id, room_id)
    with pytest.raises(Forbidden):
        await scene.change(Action.KICK, BOB, CAROL, room_id)


async def test_joining_twice_is_one_join(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    first = await scene.join(BOB, room_id, displayname="Bob")
    assert await scene.join(BOB, room_id, displayname="Bob") == first
    again = await scene.join(BOB, room_id, displayname="Robert")
    assert again != first
    assert (await scene.client_event(room_id, again))["unsigned"]["prev_content"]["displayname"] == "Bob"


async def test_joins_that_come_at_once_are_one_join(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.fail_over()
    event_ids = await gather(*(scene.join(BOB, room_id) for _ in range(5)))
    assert len(set(event_ids)) == 1
    assert scene.domain(room_id).owned.rooms.get(room_id).state.count("join") == 2  # type: ignore[union-attr]


async def test_a_changed_profile_is_a_new_member_event(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    joined = await scene.join(BOB, room_id, displayname="Bob")
    await scene.fail_over()
    changed = await scene.change(Action.UPDATE_PROFILE, BOB, BOB, room_id, displayname="Robert", avatar_url="mxc://x/y")
    row = await scene.event(room_id, changed)
    assert (row.membership, row.prev_membership, row.replaces_event_id) == ("join", "join", joined)
    assert await scene.change(
        Action.UPDATE_PROFILE, BOB, BOB, room_id, displayname="Robert", avatar_url="mxc://x/y"
    ) == (changed)


async def test_only_known_keys_go_into_a_member_event(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id, displayname="Bob", membership="ban", join_authorised_via_users_server=ALICE, x=1)
    assert await scene.state(room_id, MEMBER, BOB) == {"displayname": "Bob", "membership": "join"}


async def test_reasons_are_kept(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    await scene.change(Action.KICK, ALICE, BOB, room_id, reason="noise")
    assert await scene.state(room_id, MEMBER, BOB) == {"membership": "leave", "reason": "noise"}


async def test_member_events_can_be_sent_as_state(scene: Scene) -> None:
    room_id = await scene.create_room()
    await scene.set_state(ALICE, room_id, MEMBER, {"membership": "invite"}, BOB)
    row = await scene.store.get(ROOMS_BY_USER, (BOB, room_id))
    await scene.settle()
    row = await scene.store.get(ROOMS_BY_USER, (BOB, room_id))
    assert row is not None
    assert row.membership == "invite"
    assert row.invite_state_json
    with pytest.raises(Forbidden):
        await scene.set_state(ALICE, room_id, MEMBER, {"membership": "join"}, BOB)
    with pytest.raises(Forbidden):
        await scene.set_state(ALICE, room_id, MEMBER, {"membership": "guest"}, BOB)


async def test_who_is_invited_is_told_who_invites_them(scene: Scene) -> None:
    room_id = await scene.create_room(profile={"displayname": "Alice"})
    await scene.fail_over()
    await scene.change(Action.INVITE, ALICE, BOB, room_id)
    await scene.settle()
    row = await scene.store.get(ROOMS_BY_USER, (BOB, room_id))
    assert row is not None
    members = {event["state_key"]: event["content"] for event in orjson.loads(row.invite_state_json)[-2:]}
    assert members == {ALICE: {"displayname": "Alice", "membership": "join"}, BOB: {"membership": "invite"}}


async def test_the_row_of_a_user_stays_when_they_leave(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    await scene.join(BOB, room_id)
    left = await scene.leave(BOB, room_id)
    await scene.settle()
    row = await scene.store.get(ROOMS_BY_USER, (BOB, room_id))
    assert row is not None
    assert (row.membership, row.prev_membership, row.event_id, row.forgotten) == ("leave", "join", left, False)


async def test_users_of_other_servers_cannot_be_invited_yet(scene: Scene) -> None:
    room_id = await scene.create_room()
    with pytest.raises(Forbidden):
        await scene.invite(ALICE, "@bob:elsewhere.example", room_id)
    with pytest.raises(InvalidParam):
        await scene.invite(ALICE, "bob", room_id)
    await scene.change(Action.BAN, ALICE, "@bob:elsewhere.example", room_id)


async def test_rooms_that_are_not_there(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.join(BOB, "!nowhere:a.example")
    with pytest.raises(Forbidden):
        await scene.leave(BOB, "!nowhere:a.example")
    room_id = await scene.create_room()
    with pytest.raises(BadJson):
        await scene.change(Action.ACTION_UNSPECIFIED, ALICE, BOB, room_id)


async def test_nobody_joins_or_leaves_for_somebody_else(scene: Scene) -> None:
    room_id = await scene.create_room(preset="public_chat")
    for action in (Action.JOIN, Action.LEAVE, Action.KNOCK, Action.UPDATE_PROFILE):
        with pytest.raises(Forbidden):
            await scene.change(action, ALICE, BOB, room_id)


@pytest.mark.parametrize("version", VERSIONS)
async def test_members_of_an_allowed_room_may_join(scene: Scene, version: str) -> None:
    space = await scene.create_room(preset="public_chat", version=version)
    allow = [{"type": "m.room_membership", "room_id": space}, {"type": "x", "room_id": 1}]
    rule = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    room_id = await scene.create_room(version=version, initial_state=[rule])
    with pytest.raises(Forbidden):
        await scene.join(BOB, room_id)
    await scene.join(BOB, space)
    await scene.settle()
    await scene.join(BOB, room_id)
    assert await scene.state(room_id, MEMBER, BOB) == {
        "membership": "join",
        "join_authorised_via_users_server": ALICE,
    }


async def test_the_authorising_server_signs_too(scene: Scene) -> None:
    space = await scene.create_room(preset="public_chat")
    allow = [{"type": "m.room_membership", "room_id": space}]
    rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock_restricted", "allow": allow}}
    room_id = await scene.create_room(initial_state=[rule])
    erin = "@erin:b.example"
    await scene.join(erin, space)
    await scene.settle()
    row = await scene.event(room_id, await scene.join(erin, room_id))
    assert set(orjson.loads(row.federation_json)["signatures"]) == {"a.example", "b.example"}
    assert ROOM_VERSIONS["12"].signatures.authorising_server_signs


async def test_a_restricted_join_needs_somebody_who_may_invite(scene: Scene) -> None:
    space = await scene.create_room(preset="public_chat")
    allow = [{"type": "m.room_membership", "room_id": space}]
    rule = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    room_id = await scene.create_room(initial_state=[rule])
    for user_id in (BOB, CAROL):
        await scene.join(user_id, space)
    await scene.settle()
    await scene.join(CAROL, room_id)
    await scene.leave(ALICE, room_id)
    await scene.join(BOB, room_id)  # CAROL, at level 0, may invite
    assert (await scene.state(room_id, MEMBER, BOB))["join_authorised_via_users_server"] == CAROL  # type: ignore[index]
    await scene.leave(BOB, room_id)
    await scene.leave(CAROL, room_id)
    with pytest.raises(Forbidden):
        await scene.join(BOB, room_id)


async def test_a_full_room_takes_nobody(scene: Scene) -> None:
    full = await Scene.create(settings=RoomSettings(members_max=2))
    room_id = await full.create_room(preset="public_chat")
    await full.join(BOB, room_id)
    with pytest.raises(ResourceLimitExceeded):
        await full.join(CAROL, room_id)
    await full.close()


@pytest.mark.parametrize("action", [Action.INVITE, Action.KICK, Action.BAN, Action.UNBAN], ids=Action.Name)
async def test_strangers_do_not_learn_who_is_in_the_room(scene: Scene, action: int) -> None:
    room_id = await scene.create_room()
    refusals = set()
    for membership in ("", "invite", "join", "leave", "ban"):
        target = f"@{membership or 'nobody'}:a.example"
        await put_into(scene, room_id, target, membership)
        with pytest.raises(Forbidden) as refusal:
            await scene.change(action, BOB, target, room_id)
        refusals.add((refusal.value.errcode, refusal.value.message))
    assert len(refusals) == 1


@pytest.mark.parametrize("guest_access", ["forbidden", "", None])
async def test_guest_joins_only_where_guests_can_join(scene: Scene, guest_access: str | None) -> None:
    access = {"type": "m.room.guest_access", "content": {} if guest_access is None else {"guest_access": guest_access}}
    room_id = await scene.create_room(preset="public_chat", initial_state=[access])
    join = ChangeMembership(sender=BOB, target=BOB, action=ChangeMembership.JOIN, guest=True)
    with pytest.raises(GuestAccessForbidden):
        await scene.run(room_id, change_membership=join)
    by_state_event = SendEvent(
        sender=BOB, event_type=MEMBER, state_key=BOB, content_json=b'{"membership":"join"}', guest=True
    )
    with pytest.raises(GuestAccessForbidden):
        await scene.run(room_id, send_event=by_state_event)
    await scene.join(CAROL, room_id)
    await scene.set_state(ALICE, room_id, "m.room.guest_access", {"guest_access": "can_join"})
    await scene.run(room_id, change_membership=join)
    assert await scene.state(room_id, MEMBER, BOB) == {"membership": "join"}
