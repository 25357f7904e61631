// Knocking at rooms that are open to requests.

import assert from "node:assert/strict";
import { EventType, JoinRule } from "matrix-js-sdk";

import { users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, roomWith } from "../rooms.mjs";

const membership = (client, roomId) => client.getRoom(roomId)?.getMyMembership();

async function closedRoom(alice) {
    const rule = { type: EventType.RoomJoinRules, state_key: "", content: { join_rule: JoinRule.Knock } };
    return roomWith({ preset: "private_chat", name: "Club", initial_state: [rule] }, alice);
}

fact("who knocks is seen with the reason, and comes in when invited", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await closedRoom(alice);
    await bob.knockRoom(roomId, { reason: "I play the violin" });
    await until("bob's client knows that it knocked", () => membership(bob, roomId) === "knock");
    assert.equal(bob.getRoom(roomId).name, "Club");
    const member = () => alice.getRoom(roomId).getMember(bob.getUserId());
    await until("alice hears it", () => member()?.membership === "knock");
    assert.equal(member().events.member.getContent().reason, "I play the violin");
    await alice.invite(roomId, bob.getUserId());
    await until("bob may come", () => membership(bob, roomId) === "invite");
    await bob.joinRoom(roomId);
    await until("bob is in", () => membership(bob, roomId) === "join");
});

fact("a knock can be taken back and can be denied", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await closedRoom(alice);
    await bob.knockRoom(roomId);
    await until("bob has knocked", () => membership(bob, roomId) === "knock");
    await bob.leave(roomId);
    await until("and no longer", () => membership(bob, roomId) === "leave");
    await bob.knockRoom(roomId);
    await until("bob has knocked again", () => membership(bob, roomId) === "knock");
    await alice.kick(roomId, bob.getUserId(), "full");
    await until("it is denied", () => membership(bob, roomId) === "leave");
});

fact("nobody knocks where the door is not for knocking", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice);
    assert.equal((await refused(bob.knockRoom(roomId))).errcode, "M_FORBIDDEN");
});
