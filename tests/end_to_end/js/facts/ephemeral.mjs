// What is not kept: typing, presence, messages from device to device.

import assert from "node:assert/strict";
import { ClientEvent } from "matrix-js-sdk";

import { user, users } from "../client.mjs";
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
