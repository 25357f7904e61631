// What is not kept: typing, presence, messages from device to device.

import assert from "node:assert/strict";
import { ClientEvent } from "matrix-js-sdk";

import { clientOf, registered, started, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { roomOf } from "../rooms.mjs";

fact("who types is seen, and no longer when it ends", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const typing = () => alice.getRoom(roomId).getMember(bob.getUserId()).typing;
    await bob.sendTyping(roomId, true, 20_000);
    await until("alice sees it", typing);
    await bob.sendTyping(roomId, false, 0);
    await until("it ended", () => !typing());
    await bob.sendTyping(roomId, true, 300);
    await until("again", typing);
    await until("it ends by itself", () => !typing());
});

/** A user who is in a room with `other` before they are seen for the first time; their sync loop does not run yet. */
async function newcomer(name, other) {
    const client = clientOf(await registered(name));
    const roomId = await roomOf(other);
    await client.joinRoom(roomId);
    await until("the other sees them join", () => other.getRoom(roomId).getMember(client.getUserId()));
    return client;
}

fact("who syncs is online for those who share a room, with a status that they set", async () => {
    const [alice] = await users("alice");
    const online = await newcomer("online", alice);
    await started(online);
    const seen = () => alice.getUser(online.getUserId());
    await until("alice sees it", () => seen()?.presence === "online" && seen().currentlyActive);
    await online.setPresence({ presence: "online", status_msg: "at tea" });
    await until("and the status", () => seen().presenceStatusMsg === "at tea");
    const asked = await alice.getPresence(online.getUserId());
    assert.deepEqual([asked.presence, asked.status_msg], ["online", "at tea"]);
});

fact("a client that syncs in the background is there, but not active", async () => {
    const [alice] = await users("alice");
    const away = await newcomer("away", alice);
    away.on(ClientEvent.Sync, () => away.setSyncPresence("unavailable"));
    await started(away);
    await away.setPresence({ presence: "unavailable" });
    const seen = () => alice.getUser(away.getUserId());
    await until("alice sees it", () => seen()?.presence === "unavailable");
});

fact("a message to a device arrives once, at that device", async () => {
    const [alice, bob] = await users("alice", "bob");
    const arrived = { alice: [], bob: [] };
    const listen = (name) => (event) => {
        if (event.getType() === "test.whisper") arrived[name].push([event.getSender(), event.getContent().word]);
    };
    const listeners = [[alice, listen("alice")], [bob, listen("bob")]];
    for (const [client, listener] of listeners) client.on(ClientEvent.ToDeviceEvent, listener);
    const content = (word) => new Map([[bob.getUserId(), new Map([[bob.getDeviceId(), { word }]])]]);
    await alice.sendToDevice("test.whisper", content("once"), "same-transaction");
    await alice.sendToDevice("test.whisper", content("once"), "same-transaction");
    await alice.sendToDevice("test.whisper", new Map([[bob.getUserId(), new Map([["*", { word: "all" }]])]]));
    await until("both are there", () => arrived.bob.length >= 2);
    await alice.sendToDevice("test.whisper", content("last"));
    await until("and the last", () => arrived.bob.at(-1)[1] === "last");
    for (const [client, listener] of listeners) client.off(ClientEvent.ToDeviceEvent, listener);
    const from = alice.getUserId();
    assert.deepEqual(arrived, { alice: [], bob: [[from, "once"], [from, "all"], [from, "last"]] });
});
