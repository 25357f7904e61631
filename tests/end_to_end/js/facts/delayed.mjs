// Delayed events (MSC4140), by which calls notice that a device has gone.

import assert from "node:assert/strict";

import { users } from "../client.mjs";
import { fact, refused, until } from "../fact.mjs";
import { roomOf, texts } from "../rooms.mjs";

const text = (body) => ({ msgtype: "m.text", body });

fact("a delayed message comes when its time has come", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const sent = Date.now();
    const { delay_id: delayId } = await alice._unstable_sendDelayedEvent(
        roomId, { delay: 700 }, null, "m.room.message", text("later"),
    );
    const { scheduled = [], delayed_events: older = [] } = await alice._unstable_getDelayedEvents();
    assert.ok([...scheduled, ...older].some((event) => event.delay_id === delayId));
    assert.ok(!texts(bob, roomId).includes("later"));
    await until("it is there", () => texts(bob, roomId).includes("later"));
    assert.ok(Date.now() - sent >= 700);
});

fact("a delayed event is cancelled, sent at once, or put off by a restart", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const send = async (delay, body) =>
        (await alice._unstable_sendDelayedEvent(roomId, { delay }, null, "m.room.message", text(body))).delay_id;
    const cancelled = await send(400, "cancelled");
    await alice._unstable_cancelScheduledDelayedEvent(cancelled);
    const hurried = await send(60_000, "hurried");
    await alice._unstable_sendScheduledDelayedEvent(hurried);
    await until("it is there", () => texts(bob, roomId).includes("hurried"));
    const putOff = await send(1000, "put off");
    for (let times = 0; times < 4; times += 1) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        await alice._unstable_restartScheduledDelayedEvent(putOff);
    }
    assert.deepEqual(texts(bob, roomId), ["hurried"]);
    await until("at last", () => texts(bob, roomId).includes("put off"));
    const gone = await refused(alice._unstable_cancelScheduledDelayedEvent("no-such-delay"));
    assert.equal(gone.errcode, "M_NOT_FOUND");
});

fact("delayed state ends a call whose device says nothing more", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const key = `_${alice.getUserId()}_DEVICE`;
    const type = "org.matrix.msc3401.call.member";
    const levels = alice.getRoom(roomId).currentState.getStateEvents("m.room.power_levels", "").getContent();
    await alice.sendStateEvent(roomId, "m.room.power_levels", { ...levels, events: { ...levels.events, [type]: 0 } });
    await alice._unstable_sendDelayedStateEvent(roomId, { delay: 500 }, type, {}, key);
    await alice.sendStateEvent(roomId, type, { application: "m.call" }, key);
    const call = () => bob.getRoom(roomId).currentState.getStateEvents(type, key)?.getContent();
    await until("the call is on", () => call()?.application === "m.call");
    await until("and over", () => Object.keys(call()).length === 0);
});
