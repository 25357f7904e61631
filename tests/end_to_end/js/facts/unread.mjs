// Read receipts, and what is unread: counts, highlights, threads.

import assert from "node:assert/strict";
import { NotificationCountType, ReceiptType } from "matrix-js-sdk";

import { clientOf, started, user, users } from "../client.mjs";
import { fact, until } from "../fact.mjs";
import { reply, roomOf, talk, texts } from "../rooms.mjs";

const { Highlight, Total } = NotificationCountType;
const session = (client) => ({
    userId: client.getUserId(), deviceId: client.getDeviceId(), accessToken: client.getAccessToken(),
});
const isUnread = (client, roomId, total, highlights) => () => {
    const room = client.getRoom(roomId);
    return room.getUnreadNotificationCount(Total) === total && room.getUnreadNotificationCount(Highlight) === highlights;
};
const mention = (client) => ({
    msgtype: "m.text", body: "you there?", "m.mentions": { user_ids: [client.getUserId()] },
});

fact("a read receipt is seen by the sender", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "read me");
    const event = await until("bob has it", () => bob.getRoom(roomId).findEventById(eventId));
    await bob.sendReadReceipt(event);
    await until("alice knows", () => alice.getRoom(roomId).hasUserReadEvent(bob.getUserId(), eventId));
    const receipt = alice.getRoom(roomId).getReadReceiptForUserId(bob.getUserId(), true);
    assert.equal(receipt.eventId, eventId);
});

fact("a private receipt is nobody else's business", async () => {
    const [alice, bob] = await users("alice", "bob");
    const roomId = await roomOf(alice, bob);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "read me");
    const event = await until("bob has it", () => bob.getRoom(roomId).findEventById(eventId));
    await bob.sendReadReceipt(event, ReceiptType.ReadPrivate);
    await bob.sendTyping(roomId, true, 10_000); // comes after it
    await until("alice sees bob type", () => alice.getRoom(roomId).getMember(bob.getUserId()).typing);
    assert.equal(alice.getRoom(roomId).getReadReceiptForUserId(bob.getUserId(), true), null);
});

fact("unread messages and mentions are counted, and read ones are not", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    await talk(alice, roomId, ["one", "two"]);
    await alice.sendMessage(roomId, mention(reader));
    await until("three, one of them a mention", isUnread(reader, roomId, 3, 1));
    const again = await started(clientOf(session(reader)));
    assert.ok(isUnread(again, roomId, 3, 1)(), "a new session counts the same");
    const events = reader.getRoom(roomId).getLiveTimeline().getEvents();
    await reader.sendReadReceipt(events.at(-1));
    await until("nothing unread there", isUnread(reader, roomId, 0, 0));
    await until("nor in the other session", isUnread(again, roomId, 0, 0));
    await reader.sendTextMessage(roomId, "own words");
    await alice.sendTextMessage(roomId, "four");
    await until("only the new one", isUnread(again, roomId, 1, 0));
});

fact("a thread's unread messages are counted apart and read apart", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    const { event_id: rootId } = await alice.sendTextMessage(roomId, "root");
    await reply(alice, roomId, rootId, "reply");
    await reply(alice, roomId, rootId, "you there?", mention(reader));
    const room = reader.getRoom(roomId);
    const inThread = (kind) => room.getThreadUnreadNotificationCount(rootId, kind);
    await until("two in the thread, one a mention", () => inThread(Total) === 2 && inThread(Highlight) === 1);
    assert.equal(room.getRoomUnreadNotificationCount(Total), 1);
    const thread = await until("the thread", () => room.getThread(rootId));
    await until("its last message", () => thread.liveTimeline.getEvents().some((e) => e.getContent().body === "you there?"));
    await reader.sendReadReceipt(thread.liveTimeline.getEvents().at(-1));
    await until("the thread is read", () => inThread(Total) === 0 && inThread(Highlight) === 0);
    assert.equal(room.getRoomUnreadNotificationCount(Total), 1);
});

fact("the fully read marker is where another session finds it", async () => {
    const [alice] = await users("alice");
    const reader = await user("reader");
    const roomId = await roomOf(alice, reader);
    const { event_id: eventId } = await alice.sendTextMessage(roomId, "up to here");
    await until("it is there", () => texts(reader, roomId).includes("up to here"));
    await reader.setRoomReadMarkers(roomId, eventId, reader.getRoom(roomId).findEventById(eventId));
    const again = await started(clientOf(session(reader)));
    assert.equal(again.getRoom(roomId).getAccountData("m.fully_read").getContent().event_id, eventId);
    await until("alice has the receipt", () => alice.getRoom(roomId).hasUserReadEvent(reader.getUserId(), eventId));
});
