// A room goes on in a new version of itself.

import assert from "node:assert/strict";
import { EventType } from "matrix-js-sdk";

import { users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { roomWith } from "../rooms.mjs";

fact("the old room's tombstone leads to the new one, which knows where it came from", async () => {
    const [alice, bob] = await users("alice", "bob");
    const old = await roomWith({ name: "Tea", topic: "Leaves", room_version: "10" }, alice, bob);
    await alice.sendTextMessage(old, "the last word");
    const { replacement_room: next } = await alice.upgradeRoom(old, "12");
    const tombstone = await until("bob sees it", () =>
        bob.getRoom(old).currentState.getStateEvents(EventType.RoomTombstone, ""),
    );
    assert.equal(tombstone.getContent().replacement_room, next);
    await bob.joinRoom(next);
    for (const client of [alice, bob]) await until("the new room", () => client.getRoom(next)?.getMyMembership() === "join");
    const room = await until("its state", () => bob.getRoom(next)?.name === "Tea" && bob.getRoom(next));
    assert.equal(room.getVersion(), "12");
    assert.equal(room.findPredecessor().roomId, old);
    assert.equal(room.currentState.getStateEvents(EventType.RoomTopic, "").getContent().topic, "Leaves");
    const history = bob.getRoomUpgradeHistory(next, true).map((each) => each.roomId);
    assert.deepEqual(history, [old, next]);
    await assert.rejects(bob.sendTextMessage(old, "anybody?"), { errcode: "M_FORBIDDEN" });
});
