// What a user keeps for herself: tags, ignored users, account data that goes again.

import assert from "node:assert/strict";

import { clientOf, started, user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { roomOf, texts } from "../rooms.mjs";

fact("a room is tagged and untagged", async () => {
    const client = await user("tidy");
    const roomId = await roomOf(client);
    await client.setRoomTag(roomId, "m.favourite", { order: 0.25 });
    await until("the sync has it", () => client.getRoom(roomId).tags["m.favourite"]?.order === 0.25);
    await client.setRoomTag(roomId, "u.work", {});
    assert.deepEqual((await client.getRoomTags(roomId)).tags, { "m.favourite": { order: 0.25 }, "u.work": {} });
    await client.deleteRoomTag(roomId, "m.favourite");
    await until("it is gone", () => client.getRoom(roomId).tags["m.favourite"] === undefined);
    await until("the other is not", () => client.getRoom(roomId).tags["u.work"]);
});

fact("who ignores somebody sees nothing of theirs, until no longer", async () => {
    const [alice, bob] = await users("alice", "bob");
    const ignoring = await user("ignoring");
    const roomId = await roomOf(alice, bob, ignoring);
    await ignoring.setIgnoredUsers([bob.getUserId()]);
    await until("the client knows", () => ignoring.isUserIgnored(bob.getUserId()));
    await bob.sendTextMessage(roomId, "from bob");
    await alice.sendTextMessage(roomId, "from alice");
    await until("alice is heard", () => texts(ignoring, roomId).includes("from alice"));
    assert.deepEqual(texts(ignoring, roomId), ["from alice"]);
    const { room_id: secret } = await bob.createRoom({ invite: [ignoring.getUserId()] });
    const again = await started(clientOf({ userId: ignoring.getUserId(), accessToken: ignoring.getAccessToken() }));
    assert.equal(again.getRoom(secret), null);
    await ignoring.setIgnoredUsers([]);
    await until("the client knows", () => !ignoring.isUserIgnored(bob.getUserId()));
    await bob.sendTextMessage(roomId, "bob again");
    await until("bob is heard again", () => texts(ignoring, roomId).includes("bob again"));
});
