// Getting into rooms and out of them.

import assert from "node:assert/strict";
import { EventType, JoinRule } from "matrix-js-sdk";

import { clientOf, started, user, users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, roomWith, texts } from "../rooms.mjs";

const membership = (client, roomId) => client.getRoom(roomId)?.getMyMembership();

fact("an invited user sees who invites where, and joins", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomWith({ preset: "private_chat", name: "Parlour", topic: "Whist" }, alice);
    await alice.invite(roomId, bob.getUserId(), { reason: "we are three" });
    await until("bob is invited", () => membership(bob, roomId) === "invite");
    const room = bob.getRoom(roomId);
    assert.equal(room.name, "Parlour");
    const own = room.getMember(bob.getUserId()).events.member;
    assert.equal(own.getSender(), alice.getUserId());
    assert.equal(own.getContent().reason, "we are three");
    await bob.joinRoom(roomId);
    await until("bob is in", () => membership(bob, roomId) === "join");
    await until("alice sees it", () => alice.getRoom(roomId).getMember(bob.getUserId()).membership === "join");
});

fact("an invite that is declined is gone", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomWith({ preset: "private_chat" }, alice);
    await alice.invite(roomId, bob.getUserId());
    await until("bob is invited", () => membership(bob, roomId) === "invite");
    await bob.leave(roomId);
    await until("bob is out", () => membership(bob, roomId) === "leave");
    await until("alice sees it", () => alice.getRoom(roomId).getMember(bob.getUserId()).membership === "leave");
    assert.equal((await refused(bob.joinRoom(roomId))).errcode, "M_FORBIDDEN");
});

fact("a direct chat is one for both", async () => {
    const [alice, bob] = await users("alice", "bob");
    const options = { preset: "trusted_private_chat", is_direct: true, invite: [bob.getUserId()] };
    const { room_id: roomId } = await alice.createRoom(options);
    await until("bob is invited", () => membership(bob, roomId) === "invite");
    assert.equal(bob.getRoom(roomId).getDMInviter(), alice.getUserId());
});

fact("a kicked member is out, a banned one stays out until the ban is lifted", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    await alice.kick(roomId, bob.getUserId(), "noise");
    await until("bob is out", () => membership(bob, roomId) === "leave");
    assert.equal(bob.getRoom(roomId).getMember(bob.getUserId()).events.member.getContent().reason, "noise");
    await bob.joinRoom(roomId);
    await alice.ban(roomId, bob.getUserId());
    await until("bob is banned", () => membership(bob, roomId) === "ban");
    assert.equal((await refused(bob.joinRoom(roomId))).errcode, "M_FORBIDDEN");
    await alice.unban(roomId, bob.getUserId());
    await bob.joinRoom(roomId);
    await until("bob is back", () => membership(bob, roomId) === "join");
});

fact("a room that was left and forgotten is in no list", async () => {
    const [alice] = await users("alice");
    const leaving = await user("leaving");
    const roomId = await roomOf(alice, leaving);
    await leaving.leave(roomId);
    await until("it is left", () => membership(leaving, roomId) === "leave");
    const session = { userId: leaving.getUserId(), accessToken: leaving.getAccessToken() };
    const leftRooms = async () => (await (await started(clientOf(session))).syncLeftRooms()).map((room) => room.roomId);
    assert.deepEqual(await leftRooms(), [roomId]);
    await leaving.forget(roomId);
    assert.equal(leaving.getRoom(roomId), null);
    await until("it is forgotten", async () => (await leftRooms()).length === 0);
    assert.equal((await refused(leaving.roomState(roomId))).errcode, "M_FORBIDDEN");
});

fact("what was said before one came stays hidden where history is for members", async () => {
    const [alice, bob] = await users("alice", "bob");
    const content = { history_visibility: "joined" };
    const initialState = [{ type: EventType.RoomHistoryVisibility, state_key: "", content }];
    const roomId = await roomWith({ initial_state: initialState }, alice);
    await alice.sendTextMessage(roomId, "among ourselves");
    await bob.joinRoom(roomId);
    await alice.sendTextMessage(roomId, "welcome");
    await until("bob is welcome", () => texts(bob, roomId).includes("welcome"));
    const room = bob.getRoom(roomId);
    while (room.oldState.paginationToken !== null) await bob.scrollback(room, 30);
    assert.deepEqual(texts(bob, roomId), ["welcome"]);
});

fact("a member promoted to moderator may do what moderators do", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    assert.equal((await refused(bob.setRoomTopic(roomId, "mine"))).errcode, "M_FORBIDDEN");
    await alice.setPowerLevel(roomId, bob.getUserId(), 50);
    await until("bob knows", () => bob.getRoom(roomId).getMember(bob.getUserId()).powerLevel === 50);
    assert.ok(bob.getRoom(roomId).currentState.maySendStateEvent(EventType.RoomTopic, bob.getUserId()));
    await bob.setRoomTopic(roomId, "mine");
    const topic = () => alice.getRoom(roomId).currentState.getStateEvents(EventType.RoomTopic, "")?.getContent().topic;
    await until("alice sees it", () => topic() === "mine");
});

fact("members of a room's allowed room join it without an invite", async () => {
    const [alice, bob] = await users("alice", "bob");
    const club = await roomOf(alice);
    const allow = [{ type: "m.room_membership", room_id: club }];
    const initialState = [
        { type: EventType.RoomJoinRules, state_key: "", content: { join_rule: JoinRule.Restricted, allow } },
    ];
    const roomId = await roomWith({ preset: "private_chat", initial_state: initialState }, alice);
    assert.equal((await refused(bob.joinRoom(roomId))).errcode, "M_FORBIDDEN");
    await bob.joinRoom(club);
    await bob.joinRoom(roomId);
    await until("bob is in", () => membership(bob, roomId) === "join");
});
